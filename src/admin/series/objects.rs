//! The objects that have one metric, and what an HPA reads of each.

use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{Form, foot, head, query::Asked};
use crate::{
    admin::{
        Sources,
        chart::{Bar, bars},
        columns::columns,
        making::{Made, json, text},
        numbers::number,
        page::{ago, refreshing},
    },
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
