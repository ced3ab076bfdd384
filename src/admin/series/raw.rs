//! Series as they are written or exposed, and whether they are served.

use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{Form, foot, head, query::Asked};
use crate::{
    admin::{
        Sources,
        columns::columns,
        making::{Made, json, text},
        page::{ago, page},
    },
    model::Subject,
    store::{Source, Standing, Stored},
};

/// The page as JSON.
#[derive(Serialize)]
struct Answer {
    total: usize,
    series: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// The API group that serves it.
    group: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    metric: String,
    labels: std::collections::BTreeMap<String, String>,
    value: String,
    timestamp: Timestamp,
    age_seconds: i64,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    served: bool,
    /// Why it is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(super) fn made(sources: &Sources, asked: &Asked, form: Form) -> Made {
    let found = sources.store.search(&asked.search(), form.now, &*sources.presence);
    if form.json {
        let series = found.series.iter().map(|stored| row(stored, form.now)).collect();
        return json(&Answer { total: found.total, series });
    }
    if form.text {
        return text(table(&found.series, form.now));
    }
    let content = html! {
        (head(asked))
        @if found.series.is_empty() { p { "No series is like that. Names that HPAs ask for are under "
            a href=(asked.with_tab(super::Tab::Metrics)) { "as HPAs read them" } "." } }
        table.series {
            thead { tr { @for head in ["Served", "Object", "Series", "Value", "Age", "Source"] { th scope="col" { (head) } } } }
            tbody { @for stored in &found.series { (line(stored, form.now)) } }
        }
        (foot(asked, found.series.len(), (found.total, "series"), form))
    };
    page("Series", &content)
}

fn line(stored: &Stored, now: Timestamp) -> Markup {
    let why = why(stored);
    html! {
        tr {
            td data-label="Served" { @if let Some(why) = &why { span.bad { "no: " (why) } } @else { span.good { "yes" } } }
            td data-label="Object" { (stored.subject) }
            td data-label="Series" { code { (stored.metric) @if !stored.labels.is_empty() { "{" (stored.labels) "}" } } }
            td.number data-label="Value" { (stored.value) }
            td data-label="Age" { (ago(stored.timestamp, now)) }
            td data-label="Source" { (source(&stored.source)) }
        }
    }
}

fn why(stored: &Stored) -> Option<String> {
    match &stored.standing {
        Standing::Served => None,
        Standing::Refused(absence) => Some(absence.to_string()),
        Standing::Hidden => Some("a written value of this name goes before it".to_owned()),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Written { .. } => "written".to_owned(),
        Source::Scraped { target } => format!("scraped from {target}"),
    }
}

fn row(stored: &Stored, now: Timestamp) -> Row {
    let (group, object, namespace) = match &stored.subject {
        Subject::Object(object) => ("custom.metrics.k8s.io", Some(object), object.namespace.as_deref()),
        Subject::External { namespace } => ("external.metrics.k8s.io", None, Some(&**namespace)),
    };
    Row {
        group,
        resource: object.map(|object| object.resource.to_string()),
        namespace: namespace.map(str::to_owned),
        name: object.map(|object| object.name.to_string()),
        metric: stored.metric.clone(),
        labels: stored.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        value: stored.value.clone(),
        timestamp: stored.timestamp,
        age_seconds: now.duration_since(stored.timestamp).as_secs(),
        source: source(&stored.source),
        expires: match &stored.source {
            Source::Written { expires } => *expires,
            Source::Scraped { .. } => None,
        },
        served: stored.standing == Standing::Served,
        why: why(stored),
    }
}

fn table(series: &[Stored], now: Timestamp) -> String {
    let rows = series.iter().map(|stored| {
        let labels = if stored.labels.is_empty() { String::new() } else { format!("{{{}}}", stored.labels) };
        vec![
            stored.subject.to_string(),
            format!("{}{labels}", stored.metric),
            stored.value.clone(),
            ago(stored.timestamp, now),
            source(&stored.source),
            why(stored).map_or_else(|| "yes".to_owned(), |why| format!("no: {why}")),
        ]
    });
    columns(&["OBJECT", "SERIES", "VALUE", "AGE", "SOURCE", "SERVED"], rows)
}
