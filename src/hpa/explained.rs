//! Each thing that can be wrong is named first, whatever else is wrong behind it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::constant(1_795_651_200, 0);

/// An HPA that works: three pods of `app=web` with a value of 20 each, and a target of 20.
fn healthy(metric: &Value) -> Facts {
    let spec = json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": 2, "maxReplicas": 5, "metrics": [metric] });
    let status = json!({ "currentReplicas": 3, "desiredReplicas": 3, "conditions": [
        { "type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "" },
        { "type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "all is well" }] });
    let hpa = Hpa::read("shop".to_owned(), "web".to_owned(), (spec, status));
    let spec = hpa.spec.clone().unwrap().metrics.remove(0);
    let group = if matches!(spec.source, MetricSource::External(_)) {
        MetricsGroup::External
    } else {
        MetricsGroup::Custom
    };
    let answer = match spec.source {
        MetricSource::Pods(_) => Answer::Pods((0..3).map(|n| pod(n, Ok(20))).collect()),
        _ => Answer::Values(vec![measured(60)]),
    };
    Facts {
        now: NOW,
        hpa: Arc::new(hpa),
        target: ScaleTarget::Found { spec: 3, status: 3, selector: "app=web".to_owned() },
        apis: vec![ApiFact { group, service: registered(Some(true), None), access: Access::Allowed }],
        metrics: vec![MetricFact { spec, answer, nearest: None, others: Vec::new() }],
        ready: Some(3),
    }
}

fn registered(ours: Option<bool>, unavailable: Option<&str>) -> ApiService {
    ApiService::Found {
        service: "custom-metrics/adapter".to_owned(),
        ours,
        unavailable: unavailable.map(Into::into),
    }
}

fn measured(value: i64) -> Measured {
    Measured { milli: value * 1000, text: value.to_string(), at: NOW }
}

fn pod(number: usize, value: Result<i64, (LackKind, &str)>) -> PodFact {
    PodFact {
        name: format!("web-{number}").into(),
        counting: Counting::Counted,
        value: value.map(measured).map_err(|(kind, text)| lack(kind, text)),
        target: None,
    }
}

fn lack(kind: LackKind, text: &str) -> Lack {
    Lack { kind, text: text.to_owned() }
}

fn pods_metric() -> Value {
    json!({ "type": "Pods", "pods": { "metric": { "name": "rps" },
        "target": { "type": "AverageValue", "averageValue": "20" } } })
}

fn object_metric() -> Value {
    json!({ "type": "Object", "object": { "metric": { "name": "depth" }, "target": { "type": "AverageValue",
        "averageValue": "20" }, "describedObject": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } } })
}

fn external_metric() -> Value {
    json!({ "type": "External", "external": { "metric": { "name": "jobs", "selector": { "matchLabels": { "q": "a" } } },
        "target": { "type": "AverageValue", "averageValue": "20" } } })
}

/// Of pods, with one thing changed.
fn of_pods(change: impl FnOnce(&mut Facts)) -> Report {
    let mut facts = healthy(&pods_metric());
    change(&mut facts);
    explain(&facts)
}

/// Of an object or an external metric, without a value.
fn without(metric: &Value, kind: LackKind, text: &str) -> Report {
    let mut facts = healthy(metric);
    facts.metrics[0].answer = Answer::Nothing(lack(kind, text));
    explain(&facts)
}

fn with_pods(report: &mut Facts, pods: Vec<PodFact>) {
    report.metrics[0].answer = Answer::Pods(pods);
}

#[track_caller]
fn named(report: &Report, cause: Cause, state: State, text: &str) {
    assert_eq!((report.cause, report.state), (Some(cause), state), "{report:#?}");
    assert!(report.reason.contains(text), "{:?} lacks {text:?}", report.reason);
    assert!(report.fix.as_ref().is_some_and(|fix| !fix.is_empty()), "{report:#?}");
}

#[test]
fn an_hpa_that_works_says_so_with_every_step() {
    for metric in [pods_metric(), object_metric(), external_metric()] {
        let report = explain(&healthy(&metric));
        assert_eq!((report.state, report.cause), (State::AtTarget, None), "{report:#?}");
        assert_eq!(report.reason, "3 replicas, as the metrics ask for");
        assert_eq!(report.replicas, Replicas { current: 3, desired: 3, computed: Some(3), min: 2, max: 5 });
        assert!(report.steps.iter().all(|step| step.outcome == Outcome::Ok), "{report:#?}");
    }
    let steps: Vec<StepKind> = explain(&healthy(&pods_metric())).steps.iter().map(|step| step.step).collect();
    let mut sorted = steps.clone();
    sorted.sort();
    assert_eq!(steps, sorted, "in the order in which a value comes to an HPA");
    assert_eq!(steps.len(), 9);
}

#[test]
fn what_is_wrong_around_an_hpa_is_named() {
    let target = |target: ScaleTarget| of_pods(|facts| facts.target = target);
    named(
        &target(ScaleTarget::Missing("not found".into())),
        Cause::ScaleTargetMissing,
        State::Unknown,
        "Deployment/web",
    );
    let found = |spec, selector: &str| ScaleTarget::Found { spec, status: spec, selector: selector.into() };
    named(&target(found(3, "")), Cause::Selector, State::Unknown, "no selector");
    named(&target(found(0, "app=web")), Cause::ScalingDisabled, State::Disabled, "0 replicas");

    let api = |service: ApiService| of_pods(|facts| facts.apis[0].service = service);
    named(
        &api(ApiService::Missing),
        Cause::ApiMissing,
        State::Unknown,
        "no APIService is registered for custom.metrics.k8s.io",
    );
    named(&api(registered(Some(false), None)), Cause::ApiForeign, State::NotOurs, "not by this adapter");
    named(
        &api(registered(Some(true), Some("MissingEndpoints: none"))),
        Cause::ApiUnavailable,
        State::Unknown,
        "MissingEndpoints",
    );
    let denied = of_pods(|facts| facts.apis[0].access = Access::Denied("no role".into()));
    named(
        &denied,
        Cause::AccessDenied,
        State::Unknown,
        "may not read custom.metrics.k8s.io in namespace shop: no role",
    );
}

#[test]
fn a_spec_that_is_not_understood_is_named_and_nothing_else_is_said() {
    let report = of_pods(|facts| {
        let read = Hpa::read("shop".into(), "web".into(), (json!({ "maxReplicas": "many" }), Value::Null));
        facts.hpa = Arc::new(read);
        facts.metrics.clear();
    });
    named(&report, Cause::Spec, State::Unknown, "the spec is not understood");
    assert_eq!(report.steps.len(), 1);
}

#[test]
fn what_is_wrong_with_pods_is_named() {
    let pods = |pods: Vec<PodFact>| of_pods(|facts| with_pods(facts, pods));
    named(&pods(Vec::new()), Cause::NoPods, State::Unknown, "no pod in namespace shop has app=web");
    let starting = PodFact { counting: Counting::Pending, ..pod(0, Ok(1)) };
    named(&pods(vec![starting]), Cause::NoRunningPods, State::Unknown, "starting or ending");

    let failing = |state, kind, problem: &str| PodFact {
        target: Some(TargetFact {
            state,
            url: Some("http://10.0.0.1/m".into()),
            problem: Some(problem.into()),
        }),
        ..pod(0, Err((kind, problem)))
    };
    let down = failing(TargetState::Down, LackKind::TargetDown, "connection refused");
    let refused = failing(TargetState::Refused, LackKind::TargetRefused, "no port named x");
    named(&pods(vec![down.clone()]), Cause::TargetDown, State::Unknown, "connection refused");
    named(&pods(vec![refused.clone()]), Cause::TargetRefused, State::Unknown, "no port named x");
    named(&pods(vec![pod(1, Ok(20)), down]), Cause::TargetDown, State::PartlyBlind, "1 of 2 pods");
    named(&pods(vec![pod(1, Ok(20)), refused]), Cause::TargetRefused, State::PartlyBlind, "1 of 2 pods");

    let lacking =
        |kind, text| pods(vec![pod(0, Err((kind, text))), pod(1, Err((LackKind::NoMetric, "none")))]);
    named(&lacking(LackKind::TooEarly, "one scrape"), Cause::TooEarly, State::Unknown, "one scrape");
    named(
        &lacking(LackKind::Unusable, "a raw counter"),
        Cause::ValueUnusable,
        State::Unknown,
        "a raw counter",
    );
    named(&lacking(LackKind::NoMetric, "none"), Cause::MetricMissing, State::Unknown, "none");
    let some =
        pods(vec![pod(0, Ok(20)), pod(1, Err((LackKind::NoMetric, "nothing is written"))), pod(2, Ok(20))]);
    named(
        &some,
        Cause::PartlyBlind,
        State::PartlyBlind,
        "2 of 3 pods have a value; without: web-1: nothing is written",
    );
}

#[test]
fn what_is_wrong_with_a_value_is_named() {
    for (kind, cause) in [
        (LackKind::NoObject, Cause::ObjectMissing),
        (LackKind::NoMetric, Cause::MetricMissing),
        (LackKind::NoSeries, Cause::NoSeries),
        (LackKind::Expired, Cause::ValueExpired),
        (LackKind::ObjectGone, Cause::ObjectGone),
        (LackKind::Unusable, Cause::ValueUnusable),
    ] {
        named(&without(&object_metric(), kind, "the text"), cause, State::Unknown, "the text");
        named(&without(&external_metric(), kind, "the text"), cause, State::Unknown, "the text");
    }
    let mut misspelt = healthy(&object_metric());
    misspelt.metrics[0].answer = Answer::Nothing(lack(LackKind::NoMetric, "no such metric"));
    misspelt.metrics[0].nearest = Some("queue_depth".to_owned());
    let report = explain(&misspelt);
    named(&report, Cause::MetricMisspelt, State::Unknown, "depth is not there; queue_depth is");
    assert_eq!(report.fix.unwrap(), "metric.name: queue_depth");
}

#[test]
fn a_value_that_is_odd_and_a_limit_are_warnings() {
    let valued = |value| {
        let mut facts = healthy(&object_metric());
        facts.metrics[0].answer = Answer::Values(vec![measured(value)]);
        explain(&facts)
    };
    named(&valued(-5), Cause::ValueNegative, State::Odd, "-5 is below 0");
    named(&valued(9_000_000_000), Cause::ValueHuge, State::Odd, "150,000,000 times the target");
    let limited = valued(400);
    named(&limited, Cause::AtMax, State::AtMax, "the metrics ask for 20 replicas; maxReplicas is 5");
    assert!(limited.fix.as_ref().unwrap().contains(r#"{"spec":{"maxReplicas":20}}"#), "{:?}", limited.fix);
    assert_eq!(limited.replicas.computed, Some(5));
    assert_eq!((valued(10).state, valued(80).state), (State::Scaling, State::Scaling));
}

#[test]
fn what_the_controller_says_counts_where_nothing_else_explains_it() {
    let failing = |reason: &str, message: &str| {
        of_pods(|facts| {
            let mut hpa = (*facts.hpa).clone();
            hpa.status.conditions[1].status = "False".into();
            hpa.status.conditions[1].reason = reason.into();
            hpa.status.conditions[1].message = message.into();
            facts.hpa = Arc::new(hpa);
        })
    };
    named(
        &failing("FailedGetPodsMetric", "strange"),
        Cause::Controller,
        State::Unknown,
        "FailedGetPodsMetric: strange",
    );
    named(
        &failing("FailedGetPodsMetric", "pods is forbidden"),
        Cause::AccessDenied,
        State::Unknown,
        "is forbidden",
    );
    named(&failing("AmbiguousSelector", "two HPAs"), Cause::Selector, State::Unknown, "two HPAs");
}

#[test]
fn the_first_wrong_step_wins_over_all_behind_it_and_over_warnings() {
    let report = of_pods(|facts| {
        facts.apis[0].service = ApiService::Missing;
        with_pods(facts, Vec::new());
    });
    named(&report, Cause::ApiMissing, State::Unknown, "no APIService");
    assert!(report.steps.iter().any(|step| step.cause == Some(Cause::NoPods)));
}

#[test]
fn what_is_not_known_is_not_called_wrong() {
    let report = of_pods(|facts| {
        facts.target = ScaleTarget::Unknown("forbidden".into());
        facts.metrics[0].answer = Answer::Nothing(lack(LackKind::Unseen, "the selector is not known"));
        facts.ready = None;
    });
    assert_eq!((report.state, report.cause), (State::CannotTell, None), "{report:#?}");
}

#[test]
fn a_report_is_the_same_after_a_round_through_json_and_texts_say_the_verdict_first() {
    let report = without(&external_metric(), LackKind::Expired, "its ttl has passed");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let plain = text::report(&report, text::Ink::Plain);
    let first: Vec<&str> = plain.lines().take(2).collect();
    assert_eq!(first, ["HPA shop/web: unknown", "its ttl has passed"]);
    assert!(plain.contains("FAIL values jobs: its ttl has passed") && !plain.contains('\u{1b}'), "{plain}");
    assert!(text::report(&report, text::Ink::Coloured).contains("\u{1b}[31mFAIL"));
    let table = text::table([&report].into_iter(), None);
    assert!(table.contains("unknown  shop/web  jobs{q=a}  -/20"), "{table}");
}
