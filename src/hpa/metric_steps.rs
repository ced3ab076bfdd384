//! The steps of one metric: its object or pods, their targets, its name, its values.

use super::{
    Answer, Cause, Counting, Facts, Lack, LackKind, Measured, MetricFact, MetricSource, PodFact, ScaleTarget,
    Step, StepKind, TargetFact, TargetState,
    numbers::{count, milli},
};

pub(super) fn of(facts: &Facts, metric: &MetricFact) -> Vec<Step> {
    let steps = match &metric.answer {
        Answer::NotAsked => Vec::new(),
        Answer::Pods(pods) => of_pods(facts, metric, pods),
        Answer::Values(values) => vec![Step::ok(StepKind::Values, values_text(values))],
        Answer::Nothing(lack) => vec![lacking(facts, metric, lack)],
    };
    steps.into_iter().map(|step| step.about(metric.spec.name())).collect()
}

fn values_text(values: &[Measured]) -> String {
    match values {
        [one] => format!("{}, true at {}", milli(one.milli), second(one.at)),
        many => {
            let sum = many.iter().fold(0_i64, |sum, one| sum.saturating_add(one.milli));
            format!("{} in {} label sets", milli(sum), many.len())
        }
    }
}

/// A moment to the second.
fn second(at: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn of_pods(facts: &Facts, metric: &MetricFact, pods: &[PodFact]) -> Vec<Step> {
    let counted: Vec<&PodFact> = pods.iter().filter(|pod| pod.counting == Counting::Counted).collect();
    let selected = selected(facts, pods, counted.len());
    if counted.is_empty() {
        return vec![selected];
    }
    let without: Vec<(&PodFact, &Lack)> =
        counted.iter().filter_map(|pod| Some((*pod, pod.value.as_ref().err()?))).collect();
    let scraped = scraped(&counted, &without);
    let mut steps = vec![selected];
    let explained = scraped.as_ref().is_some_and(|step| step.cause.is_some());
    steps.extend(scraped);
    match without.first() {
        None => steps.push(Step::ok(StepKind::Values, average(&counted))),
        // Why there are no values is said by the targets already.
        Some(_) if explained => {}
        Some((_, lack)) if without.len() == counted.len() => {
            steps.push(none_has_it(facts, metric, &without, lack));
        }
        Some((_, lack)) => steps.push(partly(counted.len(), &without, lack)),
    }
    steps
}

fn selected(facts: &Facts, pods: &[PodFact], counted: usize) -> Step {
    let (namespace, kind) = (&facts.hpa.namespace, StepKind::Pods);
    let selector = match &facts.target {
        ScaleTarget::Found { selector, .. } => selector.as_str(),
        _ => return Step::unknown(kind, "the selector of the scale target is not known"),
    };
    match (pods.len(), counted) {
        (0, _) => Step::wrong(kind, Cause::NoPods, format!("no pod in namespace {namespace} has {selector}"))
            .mend(format!("kubectl get events -n {namespace} --field-selector reason=FailedCreate; kubectl get pods -n {namespace} -l '{selector}'")),
        (all, 0) => Step::wrong(kind, Cause::NoRunningPods, format!("{} with {selector}, all starting or ending", count(all, "pod")))
            .mend(format!("kubectl describe pods -n {namespace} -l '{selector}'")),
        (all, counted) => Step::ok(kind, format!("{} with {selector}, {counted} running", count(all, "pod"))),
    }
}

/// How the targets of pods are that ask to be scraped; `None` if none does.
fn scraped(counted: &[&PodFact], without: &[(&PodFact, &Lack)]) -> Option<Step> {
    let targets: Vec<&TargetFact> = counted.iter().filter_map(|pod| pod.target.as_ref()).collect();
    let blind = |state: TargetState| {
        let is = move |pod: &PodFact| pod.target.as_ref().is_some_and(|target| target.state == state);
        without.iter().map(|(pod, _)| *pod).filter(move |pod| is(pod)).collect::<Vec<_>>()
    };
    let all = counted.len();
    let (refused, down) = (blind(TargetState::Refused), blind(TargetState::Down));
    match (refused.as_slice(), down.as_slice()) {
        _ if targets.is_empty() => None,
        ([first, ..], _) => Some(failing(Cause::TargetRefused, (all, refused.len()), without.len(), first)),
        ([], [first, ..]) => Some(failing(Cause::TargetDown, (all, down.len()), without.len(), first)),
        _ => {
            let up = targets.iter().filter(|target| target.state == TargetState::Up).count();
            Some(Step::ok(StepKind::Targets, format!("{up} of {} up", count(targets.len(), "target"))))
        }
    }
}

fn failing(cause: Cause, (all, failing): (usize, usize), without: usize, first: &PodFact) -> Step {
    let target = first.target.as_ref();
    let problem = target.and_then(|target| target.problem.clone()).unwrap_or_default();
    let (what, fix) = match cause {
        Cause::TargetRefused => ("cannot be scraped as annotated", refused_fix(first)),
        _ => ("without an answer to scrapes", down_fix(target)),
    };
    let text = format!("{failing} of {} {what}: {}: {problem}", count(all, "pod"), first.name);
    let step = if without == all { Step::wrong } else { Step::warning };
    step(StepKind::Targets, cause, text).mend(fix)
}

fn refused_fix(pod: &PodFact) -> String {
    format!(
        "the annotations of the pod template (kubectl get pod {} -o yaml): prometheus.io/port names a declared TCP port or is a number",
        pod.name
    )
}

fn down_fix(target: Option<&TargetFact>) -> String {
    let url = target.and_then(|target| target.url.clone()).unwrap_or_default();
    format!(
        "curl {url} from within the cluster; prometheus.io/port and prometheus.io/path in the pod template say where the metrics are"
    )
}

fn average(counted: &[&PodFact]) -> String {
    let values: Vec<i64> = counted.iter().filter_map(|pod| Some(pod.value.as_ref().ok()?.milli)).collect();
    let (least, most) = (values.iter().min().copied(), values.iter().max().copied());
    match (least, most) {
        (Some(least), Some(most)) if least == most => {
            format!("{} of {} with a value, {}", values.len(), count(values.len(), "pod"), milli(least))
        }
        (Some(least), Some(most)) => {
            format!(
                "{} of {} with a value, {} to {}",
                values.len(),
                count(values.len(), "pod"),
                milli(least),
                milli(most)
            )
        }
        _ => "no pod has a value".to_owned(),
    }
}

fn partly(all: usize, without: &[(&PodFact, &Lack)], first: &Lack) -> Step {
    let names: Vec<&str> = without.iter().take(NAMED).map(|(pod, _)| &*pod.name).collect();
    let more = if without.len() > NAMED { ", …" } else { "" };
    let with = all - without.len();
    let text =
        format!("{with} of {all} pods have a value; without: {}{more}: {}", names.join(", "), first.text);
    Step::warning(StepKind::Values, Cause::PartlyBlind, text)
        .mend("see the table of pods: each pod has to expose the metric, or to have it written")
}

fn none_has_it(facts: &Facts, metric: &MetricFact, without: &[(&PodFact, &Lack)], first: &Lack) -> Step {
    let telling = without.iter().map(|(_, lack)| *lack).find(|lack| lack.kind != LackKind::NoMetric);
    match telling {
        Some(lack) => lacking(facts, metric, lack),
        None => lacking(facts, metric, first),
    }
}

/// The step of a metric that has no value at all.
fn lacking(facts: &Facts, metric: &MetricFact, lack: &Lack) -> Step {
    if lack.kind == LackKind::Unseen {
        return Step::unknown(StepKind::Pods, lack.text.clone());
    }
    let (step, cause) = place(lack.kind, metric);
    let text = match (cause, metric.nearest.as_deref()) {
        (Cause::MetricMisspelt, Some(nearest)) => {
            format!("{} is not there; {nearest} is: misspelt?", metric.spec.name())
        }
        _ => lack.text.clone(),
    };
    Step::wrong(step, cause, text).mend(fix(facts, metric, cause))
}

fn place(kind: LackKind, metric: &MetricFact) -> (StepKind, Cause) {
    match kind {
        LackKind::NoObject => (StepKind::Object, Cause::ObjectMissing),
        LackKind::NoMetric if metric.nearest.is_some() => (StepKind::Metric, Cause::MetricMisspelt),
        LackKind::NoMetric | LackKind::Other => (StepKind::Metric, Cause::MetricMissing),
        LackKind::NoSeries => (StepKind::Values, Cause::NoSeries),
        LackKind::Expired => (StepKind::Values, Cause::ValueExpired),
        LackKind::ObjectGone => (StepKind::Values, Cause::ObjectGone),
        LackKind::TargetDown => (StepKind::Targets, Cause::TargetDown),
        LackKind::TargetRefused => (StepKind::Targets, Cause::TargetRefused),
        LackKind::TooEarly => (StepKind::Values, Cause::TooEarly),
        LackKind::Coverage => (StepKind::Values, Cause::Coverage),
        LackKind::Unusable => (StepKind::Values, Cause::ValueUnusable),
        LackKind::NoPods => (StepKind::Pods, Cause::NoPods),
        LackKind::Denied => (StepKind::Access, Cause::AccessDenied),
        LackKind::NoApi => (StepKind::Api, Cause::ApiUnavailable),
        LackKind::Unseen => (StepKind::Pods, Cause::ScaleTargetMissing),
    }
}

fn fix(facts: &Facts, metric: &MetricFact, cause: Cause) -> String {
    let namespace = &facts.hpa.namespace;
    match cause {
        Cause::MetricMisspelt => format!("metric.name: {}", metric.nearest.as_deref().unwrap_or_default()),
        Cause::ObjectMissing => {
            format!("describedObject of the metric: kubectl get {} -n {namespace}", described(metric))
        }
        Cause::NoSeries => "metric.selector: name labels that the metric has, or leave it out".to_owned(),
        Cause::ValueExpired => "write the value more often than its ttl, or with a longer ttl".to_owned(),
        Cause::ObjectGone => {
            "write the value again: it belonged to an earlier object of this name".to_owned()
        }
        Cause::Coverage => {
            "look at the pod that is named: each pod of the object has to expose the metric, or to have it written".to_owned()
        }
        Cause::TargetDown => "the pod that is named: prometheus.io/port and prometheus.io/path in its template say where the \
                              metrics are; the adapter's /targets page shows its scrapes"
            .to_owned(),
        Cause::TooEarly => "wait for the next scrape".to_owned(),
        Cause::AccessDenied => "kubectl apply -f deploy/k8s/deployment.yaml: it binds the roles".to_owned(),
        _ => missing_fix(metric, namespace),
    }
}

/// How a metric that nobody has comes to be.
fn missing_fix(metric: &MetricFact, namespace: &str) -> String {
    let name = metric.spec.name();
    if !metric.others.is_empty() {
        return format!(
            "metric.name: one of {}; or have {name} exposed or written",
            metric.others.join(", ")
        );
    }
    match &metric.spec.source {
        MetricSource::External(_) => {
            format!("curl -d VALUE http://ADAPTER:8080/write-metrics/namespaces/{namespace}/external/{name}")
        }
        MetricSource::Object(_, object) => {
            let kind = object.kind_group();
            format!(
                "curl -d VALUE http://ADAPTER:8080/write-metrics/namespaces/{namespace}/{kind}/{}/{name}",
                object.name
            )
        }
        _ => format!(
            "expose {name} in the pods and annotate the pod template with prometheus.io/scrape: \"true\", or write it for each pod"
        ),
    }
}

fn described(metric: &MetricFact) -> String {
    match &metric.spec.source {
        MetricSource::Object(_, object) => format!("{} {}", object.kind_group(), object.name),
        _ => "namespaces".to_owned(),
    }
}

/// Pods that a sentence names.
const NAMED: usize = 5;
