//! The objects that have one metric, and what an HPA reads of each.

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
        chart::{Bar, bars, chart},
        columns::columns,
        making::{Made, json, text},
        numbers::number,
        page::{ago, refreshing},
    },
    hpa::{Listed, MetricReport},
    store::Reading,
};

#[derive(Serialize)]
struct Answer {
    at: Timestamp,
    total: usize,
    objects: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    object: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<String>,
}

pub(super) fn made(sources: &Sources, asked: &Asked, form: Form) -> Made {
    let (mut readings, _) = sources.store.readings(&asked.wanted(), form.now, &*sources.presence);
    // Those without a value first.
    readings.sort_by_key(|reading| reading.value.is_ok());
    let part = asked.part(&readings);
    if form.json {
        return json(&Answer {
            at: form.now,
            total: readings.len(),
            objects: part.iter().map(row).collect(),
        });
    }
    if form.text {
        return text(table(part, form.now));
    }
    let page = html! {
        (head(asked))
        p { "What an HPA reads of " code { (asked.metric) } ", " (asked.resource) @if !asked.namespace.is_empty() { " in " (asked.namespace) } ":" }
        (picture(part))
        (histories(&(sources.hpas.list)().hpas, asked))
        table.series {
            thead { tr { @for head in ["Object", "Value", "Age"] { th scope="col" { (head) } } } }
            tbody { @for reading in part { (line(reading, form.now)) } }
        }
        (foot(asked, part.len(), (readings.len(), "objects"), form))
    };
    refreshing(&format!("Metric {}", asked.metric), &page, None)
}

/// The values of the first objects beside each other: which one is another one's multiple.
fn picture(readings: &[Reading]) -> Markup {
    let bar =
        |reading: &Reading| Bar { value: reading.value.as_ref().ok().map(|sample| sample.value.to_f64()) };
    bars(&readings.iter().take(DRAWN).map(bar).collect::<Vec<_>>())
}

/// What HPAs got of it lately: the adapter keeps the history of what an HPA asks for, and of nothing else.
fn histories(hpas: &[Listed], asked: &Asked) -> Markup {
    let asks = |metric: &MetricReport| {
        let kind = match (&*asked.resource, &*metric.r#type) {
            (EXTERNAL, kind) => kind == "External",
            ("pods", "Pods") => true,
            (_, kind) => kind == "Object",
        };
        kind && metric.name == asked.metric
    };
    let near =
        hpas.iter().filter(|listed| asked.namespace.is_empty() || listed.report.namespace == asked.namespace);
    let all = near.flat_map(|listed| {
        let metrics = listed.report.metrics.iter().enumerate().filter(move |(_, metric)| asks(metric));
        metrics.map(move |(at, metric)| (listed, metric, listed.points.get(at)))
    });
    html! {
        @for (listed, metric, points) in all.take(HISTORIES) {
            @let name = format!("{}/{}", listed.report.namespace, listed.report.name);
            h2 { "As HPA " a href={ "/hpas/" (name) } { (name) } " reads it"
                @if !metric.selector.is_empty() { ", of " code { (metric.selector) } } }
            @if let Some(points) = points { (chart(points, metric.target_number)) }
        }
    }
}

fn line(reading: &Reading, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Object" { (reading.subject) br; span.quiet { (reading.kind.as_str()) } }
            @match &reading.value {
                Ok(sample) => {
                    td.number data-label="Value" { (number(sample.value.to_f64())) }
                    td data-label="Age" { (ago(sample.timestamp, now)) }
                }
                Err(lack) => { td.bad data-label="Lack" { (lack) } td {} }
            }
        }
    }
}

fn row(reading: &Reading) -> Row {
    let sample = reading.value.as_ref().ok();
    Row {
        object: reading.subject.to_string(),
        kind: reading.kind.as_str(),
        value: sample.map(|sample| sample.value.to_string()),
        timestamp: sample.map(|sample| sample.timestamp),
        lack: reading.value.as_ref().err().map(ToString::to_string),
    }
}

fn table(readings: &[Reading], now: Timestamp) -> String {
    let rows = readings.iter().map(|reading| {
        let (value, age, lack) = match &reading.value {
            Ok(sample) => (number(sample.value.to_f64()), ago(sample.timestamp, now), String::new()),
            Err(lack) => ("-".to_owned(), "-".to_owned(), lack.to_string()),
        };
        vec![reading.subject.to_string(), value, age, lack]
    });
    columns(&["OBJECT", "VALUE", "AGE", "LACK"], rows)
}

/// Bars of the picture.
const DRAWN: usize = 100;

/// HPAs whose history is shown.
const HISTORIES: usize = 10;
