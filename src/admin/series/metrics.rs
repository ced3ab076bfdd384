//! One row for each namespace, resource and name, as an HPA asks for it.

use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    Form, foot, head,
    query::{Asked, EXTERNAL},
};
use crate::{
    admin::{
        Sources,
        columns::columns,
        making::{Made, json, text},
        numbers::number,
        page::{ago, refreshing},
    },
    model::MetricName,
    store::{self, MetricOverview},
};

#[derive(Serialize)]
struct Answer<'a> {
    at: Timestamp,
    total: usize,
    /// Whether everything was looked at.
    whole: bool,
    metrics: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    namespace: &'a str,
    resource: String,
    metric: &'a str,
    kind: &'static str,
    objects: usize,
    objects_with_value: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    greatest: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<String>,
}

pub(super) fn made(sources: &Sources, asked: &Asked, form: Form) -> Made {
    let mut found = sources.store.overview(&asked.wanted(), form.now, &*sources.presence);
    asked.sort.sort(&mut found.metrics);
    let part = asked.part(&found.metrics);
    if form.json {
        let metrics = part.iter().map(row).collect();
        return json(&Answer { at: form.now, total: found.metrics.len(), whole: found.is_whole, metrics });
    }
    if form.text {
        return text(table(part, form.now));
    }
    let page = html! {
        (head(asked))
        @if found.metrics.is_empty() { (nothing(sources, asked)) } @else {
            table.series {
                thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                tbody { @for metric in part { (line(metric, form.now)) } }
            }
        }
        @if !found.is_whole { p.notice { "Only a part of this large cluster was looked at: search for something." } }
        (foot(asked, part.len(), (found.metrics.len(), "metrics"), form))
    };
    refreshing("Series", &page, None)
}

/// Nothing is found: what is nearly called so.
fn nothing(sources: &Sources, asked: &Asked) -> Markup {
    let catalog = sources.store.catalog();
    let names = catalog.metrics.iter().map(|(_, name)| name).chain(&catalog.external);
    let meant = asked.text.split_whitespace().filter_map(|word| MetricName::new(word).ok());
    let nearest = meant.filter_map(|word| store::nearest(names.clone(), &word)).next();
    html! {
        p {
            @if asked.text.is_empty() { "Nothing is written and nothing is scraped." }
            @else { "No metric is like that." }
            @if let Some(nearest) = nearest {
                " Nearest: " a href={ "/series?q=" (nearest) } { code { (nearest) } }
            }
        }
    }
}

fn line(metric: &MetricOverview, now: Timestamp) -> Markup {
    let resource = resource(metric);
    let namespace = metric.namespace.as_deref().unwrap_or_default();
    html! {
        tr {
            td data-label="Metric" {
                a href=(Asked::objects(&resource, namespace, metric.metric.as_str())) { code { (metric.metric) } }
                br; span.quiet { (metric.kind.as_str()) }
            }
            td data-label="Of" { (resource) @if !namespace.is_empty() { br; span.quiet { (namespace) } } }
            td data-label="With a value" { (coverage(metric)) }
            td.number data-label="Value" { @if let Some((least, mean, greatest)) = metric.range { (range(least, mean, greatest)) } @else { "—" } }
            td data-label="Oldest" { @if let Some(oldest) = metric.oldest { (ago(oldest, now)) } }
        }
    }
}

fn coverage(metric: &MetricOverview) -> Markup {
    html! {
        @if metric.with_value == metric.objects { (metric.objects) } @else {
            span.bad { (metric.with_value) " of " (metric.objects) }
            @if let Some(lack) = &metric.lack { br; span.quiet { (lack) } }
        }
    }
}

fn range(least: f64, mean: f64, greatest: f64) -> Markup {
    html! {
        (number(mean))
        @if greatest > least { br; span.quiet { (number(least)) " – " (number(greatest)) } }
    }
}

fn resource(metric: &MetricOverview) -> String {
    metric.resource.as_ref().map_or_else(|| EXTERNAL.to_owned(), ToString::to_string)
}

fn row(metric: &MetricOverview) -> Row<'_> {
    Row {
        namespace: metric.namespace.as_deref().unwrap_or_default(),
        resource: resource(metric),
        metric: metric.metric.as_str(),
        kind: metric.kind.as_str(),
        objects: metric.objects,
        objects_with_value: metric.with_value,
        least: metric.range.map(|(least, ..)| least),
        mean: metric.range.map(|(_, mean, _)| mean),
        greatest: metric.range.map(|(.., greatest)| greatest),
        oldest: metric.oldest,
        lack: metric.lack.as_ref().map(ToString::to_string),
    }
}

fn table(metrics: &[MetricOverview], now: Timestamp) -> String {
    let rows = metrics.iter().map(|metric| {
        vec![
            metric.namespace.as_deref().unwrap_or("-").to_owned(),
            resource(metric),
            metric.metric.to_string(),
            metric.kind.as_str().to_owned(),
            format!("{}/{}", metric.with_value, metric.objects),
            metric.range.map_or_else(|| "-".to_owned(), |(_, mean, _)| number(mean)),
            metric.oldest.map_or_else(|| "-".to_owned(), |oldest| ago(oldest, now)),
            metric.lack.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    });
    let heads = ["NAMESPACE", "RESOURCE", "METRIC", "KIND", "WITH VALUE", "MEAN", "OLDEST", "LACK"];
    columns(&heads, rows)
}

const HEADS: [&str; 5] = ["Metric", "Of", "Objects with a value", "Mean, least – greatest", "Oldest"];
