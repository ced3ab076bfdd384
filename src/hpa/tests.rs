//! The controller's own decisions, recorded by `tests/oracles/hpa`, and the rules that hold for every input.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    hpa: WireHpa,
    spec_replicas: i32,
    status_replicas: i32,
    pods: Option<Vec<Pod>>,
    answers: Vec<Answer>,
    recommended: Vec<WireRecommendation>,
    ups: Vec<WireChange>,
    downs: Vec<WireChange>,
    replicas: i32,
    reasons: BTreeMap<String, String>,
    usages: Vec<Option<i64>>,
}

#[derive(Deserialize)]
struct WireHpa {
    spec: Spec,
    status: WireStatus,
}

#[derive(Deserialize)]
struct WireStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Pod {
    name: String,
    phase: String,
    deleting: bool,
    ready: bool,
    initializing: bool,
}

#[derive(Deserialize)]
struct Answer {
    pods: Option<BTreeMap<String, i64>>,
    #[serde(default)]
    values: Vec<i64>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct WireRecommendation {
    age: u32,
    replicas: i32,
}

#[derive(Deserialize)]
struct WireChange {
    age: u32,
    change: i32,
}

impl Pod {
    fn counting(&self) -> Counting {
        match &*self.phase {
            _ if self.deleting => Counting::Ignored,
            "Failed" => Counting::Ignored,
            "Pending" => Counting::Pending,
            _ => Counting::Counted,
        }
    }
}

impl Case {
    fn pods(&self) -> &[Pod] {
        self.pods.as_deref().unwrap_or_default()
    }

    fn ready(&self) -> Ready {
        let ready = self.pods().iter().filter(|pod| pod.phase == "Running" && pod.ready).count();
        (!self.pods().is_empty()).then(|| ready.try_into().unwrap())
    }

    fn reading(&self, at: usize) -> Reading {
        let answer = &self.answers[at];
        let cpu = matches!(self.hpa.spec.metrics[at].source, MetricSource::Resource { .. });
        if let Some(error) = &answer.error {
            return Reading::Nothing(error.clone());
        }
        let per_pod = cpu || matches!(self.hpa.spec.metrics[at].source, MetricSource::Pods(_));
        if !per_pod {
            return Reading::Values(answer.values.clone());
        }
        let values = answer.pods.clone().unwrap_or_default();
        let read = |pod: &Pod| PodReading {
            name: pod.name.as_str().into(),
            counting: pod.counting(),
            value: values.get(&pod.name).copied(),
            initializing: cpu && pod.initializing,
        };
        // A CPU value of a pod that was never ready is not used either; these were ready once, but for `initializing`.
        Reading::Pods(self.pods().iter().map(read).collect())
    }

    fn proposals(&self) -> Vec<Result<Proposal, Unread>> {
        let scale = Scale { spec: self.spec_replicas, status: self.status_replicas, ready: self.ready() };
        let tolerances = Tolerances::of(self.hpa.spec.behavior.as_ref(), 0.1);
        let metrics = self.hpa.spec.metrics.iter().enumerate();
        metrics.map(|(at, metric)| propose(metric, &self.reading(at), scale, tolerances)).collect()
    }

    fn history(&self) -> History {
        let events = |changes: &[WireChange]| {
            changes.iter().map(|one| ScaleEvent { age: one.age, change: one.change }).collect()
        };
        let recommended = self.recommended.iter();
        let mut recommendations: Vec<Recommendation> =
            recommended.map(|one| Recommendation { age: one.age, replicas: one.replicas }).collect();
        if recommendations.is_empty() {
            // At its first sight of an HPA the controller notes the current replicas.
            recommendations.push(Recommendation { age: 0, replicas: self.spec_replicas });
        }
        History { recommendations, ups: events(&self.ups), downs: events(&self.downs) }
    }
}

fn recorded() -> Vec<Case> {
    let text = include_str!("../../tests/vectors/hpa.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn replicas_limits_and_usages_are_those_of_the_real_controller() {
    let cases = recorded();
    assert!(cases.len() >= 200);
    for (at, case) in cases.iter().enumerate() {
        let (proposals, history) = (case.proposals(), case.history());
        let status = Status { conditions: case.hpa.status.conditions.clone(), ..Status::default() };
        let decision = decide(&Inputs {
            spec: &case.hpa.spec,
            status: &status,
            current: case.spec_replicas,
            proposals: &proposals,
            history: &history,
            down_window: 300,
        });
        let about = format!("line {}: {:?}, {decision:?}, {proposals:?}", at + 1, case.reasons);
        assert_eq!(decision.replicas(case.spec_replicas), case.replicas, "{about}");
        let limited = case.reasons.get("ScalingLimited");
        match &decision {
            Decision::Replicas { metric: Some(_), held, .. } => {
                assert_eq!(limited, Some(&format!("{:?}", held.limit)), "{about}");
            }
            Decision::Replicas { metric: None, .. } => assert_eq!(limited, None, "{about}"),
            Decision::Nothing(Unchanged::Disabled) => {
                assert_eq!(case.reasons["ScalingActive"], "ScalingDisabled", "{about}");
            }
            Decision::Nothing(Unchanged::Metric { .. }) => {
                assert!(case.reasons["ScalingActive"].starts_with("FailedGet"), "{about}");
            }
        }
        if limited.is_some() {
            let usages: Vec<Option<i64>> =
                proposals.iter().map(|one| one.as_ref().ok().map(|one| one.usage)).collect();
            assert_eq!(usages, case.usages, "{about}");
        }
    }
}

fn reading() -> impl Strategy<Value = PodReading> {
    let counting = prop_oneof![Just(Counting::Ignored), Just(Counting::Pending), Just(Counting::Counted)];
    (counting, any::<Option<i64>>(), any::<bool>()).prop_map(|(counting, value, initializing)| PodReading {
        name: "web".into(),
        counting,
        value,
        initializing,
    })
}

proptest! {
    #[test]
    fn no_values_make_it_panic(
        pods in proptest::collection::vec(reading(), 0..8),
        (target, current, usage) in any::<(i64, i32, i64)>(),
        external in any::<bool>(),
    ) {
        let tolerances = Tolerances { down: 0.1, up: 0.1 };
        let _ = of_pods(&pods, target, current, tolerances);
        let _ = of_total(usage, target, (current, Some(3)), tolerances);
        let _ = of_object_average(usage, target, current, (tolerances, external));
    }

    #[test]
    fn pods_at_the_target_stay_as_many_as_they_are(count in 1_i32..50, target in 1_i64..1_000_000) {
        let pod = PodReading {
            name: "web".into(),
            counting: Counting::Counted,
            value: Some(target),
            initializing: false,
        };
        let pods = vec![pod; count.try_into().unwrap()];
        let proposal = of_pods(&pods, target, count, Tolerances { down: 0.1, up: 0.1 }).unwrap();
        prop_assert_eq!((proposal.replicas, proposal.verdict), (count, Verdict::WithinTolerance));
    }
}

#[test]
fn a_pod_without_a_value_is_assumed_at_the_target_on_the_way_down_and_at_0_on_the_way_up() {
    let pod =
        |value| PodReading { name: "web".into(), counting: Counting::Counted, value, initializing: false };
    let tolerances = Tolerances { down: 0.1, up: 0.1 };
    let replicas = |values: [Option<i64>; 4]| of_pods(&values.map(pod), 100, 4, tolerances).unwrap().replicas;
    assert_eq!(replicas([Some(10), Some(10), Some(10), Some(10)]), 1);
    assert_eq!(replicas([Some(10), Some(10), None, None]), 3);
    assert_eq!(replicas([Some(300), Some(300), Some(300), Some(300)]), 12);
    assert_eq!(replicas([Some(300), Some(300), None, None]), 6);
    assert_eq!(
        replicas([Some(150), Some(150), None, None]),
        4,
        "up with what is known, down with what is assumed"
    );
}

#[test]
fn a_spec_that_is_not_understood_says_which_part() {
    let spec = serde_json::from_str::<Spec>(
        r#"{"scaleTargetRef":{"kind":"Deployment","name":"web"},"maxReplicas":3,"metrics":[{"type":"Pods"}]}"#,
    );
    assert!(spec.unwrap_err().to_string().contains(r#"a metric of type "Pods" has no such field"#));
}

#[test]
fn a_metric_selector_is_written_as_the_hpa_sends_it() {
    let metric = r#"{"type":"External","external":{"target":{"type":"Value","value":"5"},"metric":{"name":"depth",
        "selector":{"matchLabels":{"b":"1","a":"2"},"matchExpressions":[{"key":"c","operator":"In","values":["x","y"]},
        {"key":"d","operator":"DoesNotExist"},{"key":"e","operator":"Exists"}]}}}}"#;
    let metric: MetricSpec = serde_json::from_str(metric).unwrap();
    let selector = "a=2,b=1,c in (x,y),!d,e".to_owned();
    assert_eq!(metric.source, MetricSource::External(Identifier { name: "depth".to_owned(), selector }));
}
