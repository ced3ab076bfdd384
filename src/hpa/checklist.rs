//! The checklist: every step that a value takes on its way to an HPA, in order, each with what is wrong and what mends it.

use super::{
    Access, ApiFact, ApiService, Cause, Facts, Hpa, MetricReport, MetricsGroup, Outcome, Report, ScaleTarget,
    Spec, State, Step, StepKind, metric_steps,
    numbers::{count, replicas as so_many},
    outlook::{self, Outlook},
    report,
};

/// What is to be said of an HPA.
#[must_use]
pub fn explain(facts: &Facts) -> Report {
    let outlook = facts.hpa.spec.as_ref().ok().map(|spec| outlook::of(facts, spec));
    let steps = steps(facts, outlook.as_ref());
    let first = report::first_wrong(&steps);
    let state = state(first, outlook.as_ref(), &steps);
    Report {
        namespace: facts.hpa.namespace.clone(),
        name: facts.hpa.name.clone(),
        target: target_name(&facts.hpa),
        at: facts.now,
        state,
        reason: first.map_or_else(|| all_well(state, outlook.as_ref()), |step| step.text.clone()),
        cause: first.and_then(|step| step.cause),
        fix: first.and_then(|step| step.fix.clone()),
        replicas: outlook::replicas(facts, outlook.as_ref()),
        metrics: metrics(facts, outlook.as_ref()),
        conditions: facts.hpa.status.conditions.clone(),
        steps,
    }
}

fn steps(facts: &Facts, outlook: Option<&Outlook>) -> Vec<Step> {
    let hpa = &facts.hpa;
    let mut steps = vec![spec(hpa)];
    let (Ok(read), Some(outlook)) = (&hpa.spec, outlook) else { return steps };
    steps.push(scale_target(facts, read));
    for api in &facts.apis {
        steps.extend([registered(api), allowed(api, hpa)]);
    }
    // What another server answers is not looked at.
    let foreign = steps.iter().any(|step| step.cause == Some(Cause::ApiForeign));
    if !foreign {
        steps.extend(facts.metrics.iter().flat_map(|metric| metric_steps::of(facts, metric)));
    }
    steps.push(controller(hpa, &steps));
    if !foreign {
        steps.extend(outlook.steps(facts, read));
    }
    steps
}

impl Step {
    pub(super) fn ok(step: StepKind, text: impl Into<String>) -> Self {
        Self { step, metric: None, outcome: Outcome::Ok, text: text.into(), cause: None, fix: None }
    }

    pub(super) fn wrong(step: StepKind, cause: Cause, text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Wrong, cause: Some(cause), ..Self::ok(step, text) }
    }

    pub(super) fn warning(step: StepKind, cause: Cause, text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, ..Self::wrong(step, cause, text) }
    }

    pub(super) fn unknown(step: StepKind, text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::ok(step, text) }
    }

    pub(super) fn mend(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    pub(super) fn about(self, metric: &str) -> Self {
        Self { metric: Some(metric.to_owned()), ..self }
    }
}

fn spec(hpa: &Hpa) -> Step {
    match &hpa.spec {
        Ok(spec) => Step::ok(
            StepKind::Spec,
            format!(
                "{}, {} to {} replicas",
                count(spec.metrics.len(), "metric"),
                spec.min_replicas,
                spec.max_replicas
            ),
        ),
        Err(error) => {
            Step::wrong(StepKind::Spec, Cause::Spec, format!("the spec is not understood: {error}"))
                .mend(format!("kubectl edit hpa {} -n {}", hpa.name, hpa.namespace))
        }
    }
}

fn target_name(hpa: &Hpa) -> String {
    hpa.spec.as_ref().map_or_else(
        |_| String::new(),
        |spec| format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name),
    )
}

fn scale_target(facts: &Facts, spec: &Spec) -> Step {
    let (hpa, target) = (&facts.hpa, target_name(&facts.hpa));
    let kind = StepKind::ScaleTarget;
    let edit = format!("spec.scaleTargetRef of hpa {} -n {}", hpa.name, hpa.namespace);
    match &facts.target {
        ScaleTarget::Missing(message) => {
            Step::wrong(kind, Cause::ScaleTargetMissing, format!("{target} cannot be scaled: {message}"))
                .mend(format!("{edit}: name what is there (kubectl get {} -n {})", spec.scale_target_ref.kind, hpa.namespace))
        }
        ScaleTarget::Found { selector, .. } if selector.is_empty() => {
            Step::wrong(kind, Cause::Selector, format!("the scale of {target} has no selector, so it has no pods"))
                .mend("status.selector of the scale: the controller of the custom resource has to set labelSelectorPath")
        }
        ScaleTarget::Found { spec: 0, .. } if facts.hpa.is_switched_off() => {
            Step::wrong(kind, Cause::ScalingDisabled, format!("{target} is set to 0 replicas, which switches the HPA off"))
                .mend(format!("kubectl scale {target} -n {} --replicas={}", hpa.namespace, spec.min_replicas.max(1)))
        }
        ScaleTarget::Found { spec, selector, .. } => {
            Step::ok(kind, format!("{target} is set to {}; its pods have {selector}", so_many(*spec)))
        }
        ScaleTarget::Unknown(message) => Step::unknown(kind, format!("{target} could not be asked for: {message}")),
    }
}

fn registered(api: &ApiFact) -> Step {
    let (kind, name) = (StepKind::Api, api.group.name());
    match &api.service {
        ApiService::Missing => Step::wrong(
            kind,
            Cause::ApiMissing,
            format!("no APIService is registered for {name}: no HPA can read it"),
        )
        .mend(format!("kubectl apply -f {}", manifest(api.group))),
        ApiService::Found { service, ours: Some(false), .. } => Step::wrong(
            kind,
            Cause::ApiForeign,
            format!("{name} is served by Service {service}, not by this adapter"),
        )
        .mend(foreign_fix(api.group)),
        ApiService::Found { service, unavailable: Some(why), .. } => {
            let text = format!("Service {service} does not answer kube-apiserver for {name}: {why}");
            Step::wrong(kind, Cause::ApiUnavailable, text).mend(format!(
                "kubectl describe apiservice {}; kubectl get endpointslices -n {}",
                first_service(api.group),
                namespace_of(service)
            ))
        }
        ApiService::Found { service, .. } => Step::ok(kind, format!("{name} is served by Service {service}")),
        ApiService::Unknown(message) => {
            Step::unknown(kind, format!("the APIService of {name} could not be asked for: {message}"))
        }
    }
}

fn foreign_fix(group: MetricsGroup) -> String {
    match group {
        MetricsGroup::Custom => {
            "one server has the API: remove the other adapter and apply deploy/k8s/deployment.yaml, or have the other one serve this metric".to_owned()
        }
        MetricsGroup::External => {
            "one server has the API: write the number for an object and use a metric of type Object, or remove the other server".to_owned()
        }
    }
}

fn manifest(group: MetricsGroup) -> &'static str {
    match group {
        MetricsGroup::Custom => "deploy/k8s/deployment.yaml",
        MetricsGroup::External => "deploy/k8s/components/external-metrics/external-metrics.yaml",
    }
}

fn first_service(group: MetricsGroup) -> &'static str {
    group.api_services().first().copied().unwrap_or_default()
}

fn namespace_of(service: &str) -> &str {
    service.split_once('/').map_or(service, |(namespace, _)| namespace)
}

fn allowed(api: &ApiFact, hpa: &Hpa) -> Step {
    let (kind, name) = (StepKind::Access, api.group.name());
    match &api.access {
        Access::Allowed => Step::ok(kind, format!("the HPA controller may read {name}")),
        Access::Denied(reason) => {
            let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let text =
                format!("the HPA controller may not read {name} in namespace {}{because}", hpa.namespace);
            Step::wrong(kind, Cause::AccessDenied, text)
                .mend(format!("kubectl apply -f {}: it binds the reader role", manifest(api.group)))
        }
        Access::Unknown(message) => {
            Step::unknown(kind, format!("whether the HPA controller may read {name}: {message}"))
        }
    }
}

/// What the controller itself says, where nothing that was looked at says why.
fn controller(hpa: &Hpa, before: &[Step]) -> Step {
    let kind = StepKind::Controller;
    let fails = |of: &str| hpa.status.condition(of).filter(|condition| condition.status == "False");
    let failing = fails("AbleToScale").or_else(|| fails("ScalingActive"));
    let Some(failing) = failing.filter(|condition| condition.reason != "ScalingDisabled") else {
        let said = hpa.status.condition("ScalingActive").map(|condition| condition.message.clone());
        return match said {
            Some(message) => Step::ok(kind, message),
            None => Step::unknown(kind, "the HPA controller has not looked at this HPA yet"),
        };
    };
    let explained = before.iter().any(|step| step.outcome == Outcome::Wrong);
    let (cause, fix) = match &*failing.reason {
        "AmbiguousSelector" | "InvalidSelector" => (
            Cause::Selector,
            "give each HPA pods of its own: the selectors of their targets must not share a pod".to_owned(),
        ),
        "FailedGetScale" => (
            Cause::ScaleTargetMissing,
            format!("spec.scaleTargetRef of hpa {} -n {}", hpa.name, hpa.namespace),
        ),
        _ if failing.message.contains("is forbidden") => (
            Cause::AccessDenied,
            "kubectl apply -f deploy/k8s/deployment.yaml: it binds the roles".to_owned(),
        ),
        _ => (
            Cause::Controller,
            format!(
                "kubectl describe hpa {} -n {}; the controller looks again each 15 s",
                hpa.name, hpa.namespace
            ),
        ),
    };
    let text = format!("{}: {}", failing.reason, failing.message);
    if explained {
        Step { cause: Some(cause), ..Step::unknown(kind, text) }
    } else {
        Step::wrong(kind, cause, text).mend(fix)
    }
}

fn metrics(facts: &Facts, outlook: Option<&Outlook>) -> Vec<MetricReport> {
    let proposals = outlook.map(|outlook| &*outlook.proposals).unwrap_or_default();
    let with = facts.metrics.iter().enumerate();
    with.map(|(at, metric)| outlook::metric(metric, proposals.get(at).and_then(Option::as_ref))).collect()
}

fn state(first: Option<&Step>, outlook: Option<&Outlook>, steps: &[Step]) -> State {
    if let Some(step) = first {
        return match (step.cause, step.outcome) {
            (Some(Cause::ApiForeign), _) => State::NotOurs,
            (Some(Cause::ScalingDisabled), _) => State::Disabled,
            (Some(Cause::AtMax), _) => State::AtMax,
            (Some(Cause::ValueHuge | Cause::ValueNegative), _) => State::Odd,
            (_, Outcome::Warning) => State::PartlyBlind,
            _ => State::Unknown,
        };
    }
    let blind = steps.iter().any(|step| step.outcome == Outcome::Unknown && step.step == StepKind::Pods);
    match outlook {
        Some(outlook) if !blind => outlook.state(),
        _ => State::CannotTell,
    }
}

fn all_well(state: State, outlook: Option<&Outlook>) -> String {
    match outlook {
        Some(outlook) if state != State::CannotTell => outlook.words(),
        _ => "too little is known to say: see the steps".to_owned(),
    }
}
