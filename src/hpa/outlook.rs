//! What the controller will make of the values that are here now, in numbers and in words.

use super::{
    Answer, Cause, Counting, Decision, Facts, History, Inputs, Limit, MetricFact, MetricReport, MetricSource,
    PodFact, PodReading, PodReport, Proposal, Reading, Replicas, Scale, ScaleTarget, Spec, State, Step,
    StepKind, Target, TargetState, Tolerances, Unchanged, Unread, Verdict, decide,
    numbers::{count, milli, ratio, replicas as so_many},
    propose,
};

/// What is computed for one HPA.
pub(super) struct Outlook {
    /// What each metric asks for; `None` for those that another server answers.
    pub(super) proposals: Vec<Option<Result<Proposal, Unread>>>,
    decision: Decision,
    /// The index of the spec for each of the metrics that were looked at.
    looked_at: Vec<usize>,
    bounds: (i32, i32),
    current: i32,
    /// Why the controller holds a number back, in its own words.
    held: Option<String>,
}

pub(super) fn of(facts: &Facts, spec: &Spec) -> Outlook {
    let scale = scale(facts);
    let tolerances = Tolerances::of(spec.behavior.as_ref(), DEFAULT_TOLERANCE);
    let proposals: Vec<_> = facts
        .metrics
        .iter()
        .map(|metric| Some(propose(&metric.spec, &reading(&metric.answer)?, scale, tolerances)))
        .collect();
    let looked_at: Vec<usize> =
        (0..proposals.len()).filter(|at| proposals.get(*at).is_some_and(Option::is_some)).collect();
    let asked: Vec<_> = proposals.iter().flatten().cloned().collect();
    let decision = decide(&Inputs {
        spec,
        status: &facts.hpa.status,
        current: scale.spec,
        proposals: &asked,
        history: &History::default(),
        down_window: DOWN_WINDOW,
    });
    let held = facts
        .hpa
        .status
        .condition("AbleToScale")
        .filter(|condition| condition.reason.ends_with("Stabilized"));
    Outlook {
        proposals,
        decision,
        looked_at,
        bounds: (spec.min_replicas, spec.max_replicas),
        current: scale.spec,
        held: held.map(|condition| format!("{}: {}", condition.reason, condition.message)),
    }
}

fn scale(facts: &Facts) -> Scale {
    let current = facts.hpa.status.current_replicas;
    match facts.target {
        ScaleTarget::Found { spec, status, .. } => Scale { spec, status, ready: facts.ready },
        _ => Scale { spec: current, status: current, ready: facts.ready.or(u32::try_from(current).ok()) },
    }
}

fn reading(answer: &Answer) -> Option<Reading> {
    Some(match answer {
        Answer::Pods(pods) => Reading::Pods(pods.iter().map(pod_reading).collect()),
        Answer::Values(values) => Reading::Values(values.iter().map(|value| value.milli).collect()),
        Answer::Nothing(lack) => Reading::Nothing(lack.text.clone()),
        Answer::NotAsked => return None,
    })
}

fn pod_reading(pod: &PodFact) -> PodReading {
    PodReading {
        name: pod.name.clone(),
        counting: pod.counting,
        value: pod.value.as_ref().ok().map(|value| value.milli),
        initializing: false,
    }
}

impl Outlook {
    pub(super) fn steps(&self, facts: &Facts, spec: &Spec) -> Vec<Step> {
        let metrics = facts.metrics.iter().zip(&self.proposals);
        let computed =
            metrics.filter_map(|(metric, proposal)| Some(computed(metric, proposal.as_ref()?, spec)));
        computed.chain([self.replicas_step(facts)]).collect()
    }

    fn replicas_step(&self, facts: &Facts) -> Step {
        let (kind, max) = (StepKind::Replicas, self.bounds.1);
        match &self.decision {
            Decision::Replicas { wanted, held, .. }
                if held.limit == Limit::TooManyReplicas && *wanted > max =>
            {
                let (name, namespace) = (&facts.hpa.name, &facts.hpa.namespace);
                Step::warning(kind, Cause::AtMax, format!("the metrics ask for {}; maxReplicas is {max}", so_many(*wanted)))
                    .mend(format!("kubectl patch hpa {name} -n {namespace} --type merge -p '{{\"spec\":{{\"maxReplicas\":{wanted}}}}}'"))
            }
            Decision::Nothing(Unchanged::Metric { metric, .. }) => {
                let at = self.looked_at.get(*metric).and_then(|at| facts.metrics.get(*at));
                let name = at.map(|metric| metric.spec.name()).unwrap_or_default();
                Step::unknown(
                    kind,
                    format!("stays at {} replicas: {name} has no value to compute with", self.current),
                )
            }
            _ => Step::ok(kind, self.words()),
        }
    }

    /// What becomes of the replicas, in a sentence.
    pub(super) fn words(&self) -> String {
        let current = self.current;
        let Decision::Replicas { wanted, held, metric } = &self.decision else {
            return format!("stays at {}", so_many(current));
        };
        let (min, max) = self.bounds;
        match (held.limit, metric) {
            (_, None) => {
                format!("{} now, outside of {min} to {max}: {} set", so_many(current), held.replicas)
            }
            (Limit::TooFewReplicas, _) if current == min => {
                format!("{}, as few as minReplicas allows; the metrics ask for {wanted}", so_many(min))
            }
            (Limit::ScaleUpLimit | Limit::ScaleDownLimit, _) => format!(
                "{}, the metrics ask for {wanted}: the scaling policies allow {} now",
                so_many(current),
                held.replicas
            ),
            _ if *wanted < current => self.downwards(*wanted),
            _ if held.replicas == current => format!("{}, as the metrics ask for", so_many(current)),
            _ => format!("{}, going to {}", so_many(current), held.replicas),
        }
    }

    fn downwards(&self, wanted: i32) -> String {
        let current = self.current;
        match &self.held {
            Some(held) => format!("{}, the metrics ask for {wanted}; {held}", so_many(current)),
            None => format!(
                "{}, the metrics ask for {wanted}: fewer are set once the stabilization window has passed",
                so_many(current)
            ),
        }
    }

    pub(super) fn state(&self) -> State {
        let Decision::Replicas { held, wanted, .. } = &self.decision else { return State::CannotTell };
        match () {
            () if held.replicas == self.current
                && self.current == self.bounds.0
                && *wanted <= self.bounds.0 =>
            {
                State::AtMin
            }
            () if held.replicas == self.current => State::AtTarget,
            () => State::Scaling,
        }
    }

    fn computed_replicas(&self) -> Option<i32> {
        match &self.decision {
            Decision::Replicas { held, .. } => Some(held.replicas),
            Decision::Nothing(_) => None,
        }
    }
}

pub(super) fn replicas(facts: &Facts, outlook: Option<&Outlook>) -> Replicas {
    let status = &facts.hpa.status;
    let (min, max) = outlook.map(|outlook| outlook.bounds).unwrap_or_default();
    Replicas {
        current: outlook.map_or(status.current_replicas, |outlook| outlook.current),
        desired: status.desired_replicas,
        computed: outlook.and_then(Outlook::computed_replicas),
        min,
        max,
    }
}

fn computed(metric: &MetricFact, proposal: &Result<Proposal, Unread>, spec: &Spec) -> Step {
    let (kind, name) = (StepKind::Computation, metric.spec.name());
    let proposal = match proposal {
        Ok(proposal) => proposal,
        Err(unread) => return Step::unknown(kind, format!("nothing is computed: {unread}")).about(name),
    };
    let text = sentence(metric, proposal, spec);
    let step = match lowest(&metric.answer) {
        Some(value) if value < 0 => {
            let text = format!(
                "a value of {} is below 0, which the HPA does not calculate with as meant; {text}",
                milli(value)
            );
            Step::warning(kind, Cause::ValueNegative, text)
                .mend("expose or write a number that is never below 0")
        }
        _ if proposal.ratio >= HUGE => Step::warning(
            kind,
            Cause::ValueHuge,
            format!("{} times the target; {text}", ratio(proposal.ratio)),
        )
        .mend(format!("the units of {name} and of its target: are they the same?")),
        _ => Step::ok(kind, text),
    };
    Step { outcome: step.outcome, ..step }.about(name)
}

fn lowest(answer: &Answer) -> Option<i64> {
    match answer {
        Answer::Pods(pods) => pods.iter().filter_map(|pod| Some(pod.value.as_ref().ok()?.milli)).min(),
        Answer::Values(values) => values.iter().map(|value| value.milli).min(),
        Answer::Nothing(_) | Answer::NotAsked => None,
    }
}

fn sentence(metric: &MetricFact, proposal: &Proposal, spec: &Spec) -> String {
    let target = target_text(metric);
    let tolerances = Tolerances::of(spec.behavior.as_ref(), DEFAULT_TOLERANCE);
    let tolerance = if proposal.ratio > 1.0 { tolerances.up } else { tolerances.down };
    let (usage, by, replicas) = (milli(proposal.usage), ratio(proposal.ratio), so_many(proposal.replicas));
    let assumed = assumed(metric, proposal);
    match proposal.verdict {
        Verdict::WithinTolerance => format!(
            "{usage} against {target}: ratio {by}{assumed} is within the tolerance of {tolerance}, so {replicas} as now"
        ),
        Verdict::Ratio => format!("{usage} against {target}: ratio {by}{assumed}, so {replicas}"),
        Verdict::AssumptionsTurnIt => format!(
            "{usage} against {target}: with what is assumed of pods without a value the direction would turn, so {replicas} as now"
        ),
    }
}

/// What the controller assumes of pods without a value.
fn assumed(metric: &MetricFact, proposal: &Proposal) -> String {
    let Answer::Pods(pods) = &metric.answer else { return String::new() };
    let missing = pods.iter().filter(|pod| pod.counting == Counting::Counted && pod.value.is_err()).count();
    match missing {
        0 => String::new(),
        _ if proposal.usage > target_milli(metric) => {
            format!(" ({} without a value counted as 0)", count(missing, "pod"))
        }
        _ => format!(" ({} without a value counted as at the target)", count(missing, "pod")),
    }
}

fn target_milli(metric: &MetricFact) -> i64 {
    match metric.spec.target {
        Target::Value(target) | Target::AverageValue(target) => target.milli(),
        Target::Utilization(_) => 0,
    }
}

fn target_text(metric: &MetricFact) -> String {
    match metric.spec.target {
        Target::Value(target) => format!("a target of {}", milli(target.milli())),
        Target::AverageValue(target) => format!("a target of {} for each pod", milli(target.milli())),
        Target::Utilization(percent) => format!("a target of {percent} % of the request"),
    }
}

/// One metric for the report.
pub(super) fn metric(metric: &MetricFact, proposal: Option<&Result<Proposal, Unread>>) -> MetricReport {
    let proposal = proposal.and_then(|proposal| proposal.as_ref().ok());
    let (target_type, target, target_number) = target(metric.spec.target);
    let (r#type, selector, object) = source(&metric.spec.source);
    let pods = match &metric.answer {
        Answer::Pods(pods) => pods.as_slice(),
        _ => &[],
    };
    let counted = pods.iter().filter(|pod| pod.counting == Counting::Counted);
    MetricReport {
        r#type: r#type.to_owned(),
        name: metric.spec.name().to_owned(),
        selector,
        object,
        target_type: target_type.to_owned(),
        target,
        target_number,
        value: proposal.map(|proposal| number(proposal.usage)),
        ratio: proposal.map(|proposal| proposal.ratio).filter(|ratio| ratio.is_finite()),
        replicas: proposal.map(|proposal| proposal.replicas),
        oldest: oldest(&metric.answer),
        pods: counted.clone().count(),
        pods_with_value: counted.filter(|pod| pod.value.is_ok()).count(),
        lack: lack(&metric.answer),
        each: pods.iter().map(pod).collect(),
    }
}

fn number(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

fn target(target: Target) -> (&'static str, String, f64) {
    match target {
        Target::Value(value) => ("Value", value.to_string(), value.to_f64()),
        Target::AverageValue(value) => ("AverageValue", value.to_string(), value.to_f64()),
        Target::Utilization(percent) => ("Utilization", format!("{percent}%"), f64::from(percent)),
    }
}

fn source(source: &MetricSource) -> (&'static str, String, Option<String>) {
    match source {
        MetricSource::Pods(metric) => ("Pods", metric.selector.clone(), None),
        MetricSource::Object(metric, object) => {
            ("Object", metric.selector.clone(), Some(format!("{}/{}", object.kind, object.name)))
        }
        MetricSource::External(metric) => ("External", metric.selector.clone(), None),
        MetricSource::Resource { .. } => ("Resource", String::new(), None),
    }
}

fn oldest(answer: &Answer) -> Option<jiff::Timestamp> {
    match answer {
        Answer::Pods(pods) => pods.iter().filter_map(|pod| Some(pod.value.as_ref().ok()?.at)).min(),
        Answer::Values(values) => values.iter().map(|value| value.at).min(),
        Answer::Nothing(_) | Answer::NotAsked => None,
    }
}

fn lack(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Nothing(lack) => Some(lack.text.clone()),
        Answer::Pods(pods) if pods.iter().all(|pod| pod.value.is_err()) => {
            pods.iter().find_map(|pod| Some(pod.value.as_ref().err()?.text.clone()))
        }
        Answer::NotAsked => Some("answered by another server, metrics.k8s.io".to_owned()),
        _ => None,
    }
}

fn pod(pod: &PodFact) -> PodReport {
    let value = pod.value.as_ref().ok();
    let treated = match (pod.counting, value.is_some()) {
        (Counting::Ignored, _) => "left out: it is ending",
        (Counting::Pending, _) => "left out: it is starting",
        (Counting::Counted, true) => "counted",
        (Counting::Counted, false) => {
            "missing: at the target when fewer replicas are wanted, 0 when more are"
        }
    };
    PodReport {
        name: pod.name.to_string(),
        value: value.map(|value| number(value.milli)),
        at: value.map(|value| value.at),
        target: pod.target.as_ref().map(|target| {
            let problem = target.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            format!("{}{problem}", target_state(target.state))
        }),
        treated: treated.to_owned(),
        lack: pod.value.as_ref().err().map(|lack| lack.text.clone()),
    }
}

fn target_state(state: TargetState) -> &'static str {
    match state {
        TargetState::Up => "up",
        TargetState::Down => "down",
        TargetState::Refused => "refused",
        TargetState::Waiting => "not scraped yet",
    }
}

/// The controller's `--horizontal-pod-autoscaler-tolerance`.
const DEFAULT_TOLERANCE: f64 = 0.1;

/// The controller's `--horizontal-pod-autoscaler-downscale-stabilization`, in seconds.
const DOWN_WINDOW: u32 = 300;

/// A value that is so many times its target is more likely one of another unit.
const HUGE: f64 = 1000.0;
