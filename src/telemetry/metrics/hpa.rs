//! The HPAs that read custom and external metrics: the one place whose labels name what a user made. They are bounded by
//! what exists in the cluster and by `--hpa-metrics`; see ADR 8.

use std::collections::HashSet;

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Readings, Registration},
};
use crate::{
    hpa::{MetricReport, Report, State},
    insight::Insight,
};

pub(super) fn register(
    registration: &mut Registration<'_>,
    insight: Insight,
    most: usize,
) -> Result<(), Error> {
    let of_hpa = |name, help| Reading::gauge(name, help).named(&["hpa_namespace", "hpa"]);
    let of_metric =
        |name, help| Reading::gauge(name, help).named(&["hpa_namespace", "hpa", "metric", "source"]);
    let what = [
        Reading::gauge("hpa_hpas", "HPAs that read a custom or external metric, by state.").by::<(State,)>(),
        Reading::gauge("hpa_hpas_limit", "HPAs that have metrics of their own."),
        of_hpa("hpa_problem", "1 while somebody has to do something about the HPA."),
        of_hpa("hpa_blind", "1 while the HPA gets no value, or not of every pod."),
        of_hpa("hpa_at_maximum", "1 while the HPA wants more than maxReplicas."),
        of_hpa("hpa_replicas", "Replicas that the scale target is set to."),
        of_hpa("hpa_replicas_computed", "Replicas that the HPA's arithmetic gives now."),
        of_hpa("hpa_replicas_min", "minReplicas."),
        of_hpa("hpa_replicas_max", "maxReplicas."),
        of_metric("hpa_metric_value", "What the HPA compares with the target."),
        of_metric("hpa_metric_target", "The target."),
        of_metric(
            "hpa_metric_oldest_sample_timestamp_seconds",
            "When the oldest sample of the value was true.",
        ),
        of_metric("hpa_metric_pods", "Pods that count."),
        of_metric("hpa_metric_pods_with_value", "Pods of those that have a value."),
    ];
    registration.readings(&what, move |readings| {
        let reports = insight.reports();
        readings.put("hpa_hpas_limit", float(most));
        for state in State::ALL {
            let count = reports.iter().filter(|report| report.state == state).count();
            readings.put_by("hpa_hpas", (state,), float(count));
        }
        reports.iter().take(most).for_each(|report| one(readings, report));
    })
}

fn one(readings: &mut Readings<'_>, report: &Report) {
    let labels = [report.namespace.as_str(), report.name.as_str()];
    let replicas = &report.replicas;
    let blind = matches!(report.state, State::Unknown | State::PartlyBlind);
    for (name, value) in [
        ("hpa_problem", f64::from(u8::from(report.state.is_problem()))),
        ("hpa_blind", f64::from(u8::from(blind))),
        ("hpa_at_maximum", f64::from(u8::from(report.state == State::AtMax))),
        ("hpa_replicas", f64::from(replicas.current)),
        ("hpa_replicas_min", f64::from(replicas.min)),
        ("hpa_replicas_max", f64::from(replicas.max)),
    ] {
        readings.put_named(name, &labels, value);
    }
    if let Some(computed) = replicas.computed {
        readings.put_named("hpa_replicas_computed", &labels, f64::from(computed));
    }
    let mut seen = HashSet::new();
    for metric in &report.metrics {
        let source = source(metric);
        // Two metrics of an HPA that differ in nothing that is shown here would be one series twice.
        if seen.insert((metric.name.clone(), source.clone())) {
            of_metric(readings, [&report.namespace, &report.name, &metric.name, &source], metric);
        }
    }
}

/// `Pods`, `Object Service/checkout {queue=orders}`.
fn source(metric: &MetricReport) -> String {
    let object = metric.object.as_ref().map(|object| format!(" {object}")).unwrap_or_default();
    let selector =
        if metric.selector.is_empty() { String::new() } else { format!(" {{{}}}", metric.selector) };
    format!("{}{object}{selector}", metric.r#type)
}

fn of_metric(readings: &mut Readings<'_>, labels: [&str; 4], metric: &MetricReport) {
    readings.put_named("hpa_metric_target", &labels, metric.target_number);
    if let Some(value) = metric.value {
        readings.put_named("hpa_metric_value", &labels, value);
    }
    if let Some(oldest) = metric.oldest {
        let seconds = oldest.as_duration().as_secs_f64();
        readings.put_named("hpa_metric_oldest_sample_timestamp_seconds", &labels, seconds);
    }
    if metric.pods > 0 {
        readings.put_named("hpa_metric_pods", &labels, float(metric.pods));
        readings.put_named("hpa_metric_pods_with_value", &labels, float(metric.pods_with_value));
    }
}

label!(State, "state", {
    Unknown => "unknown", PartlyBlind => "partly-blind", AtMax => "at-max", Odd => "odd", NotOurs => "not-ours",
    Disabled => "disabled", CannotTell => "cannot-tell", Scaling => "scaling", AtMin => "at-min", AtTarget => "at-target"
});
