//! `/series`: what is stored, to search.

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    Sources,
    making::{Maker, json},
    page::{ago, page},
    wants_json,
};
use crate::{
    model::Subject,
    store::{Found, Search, Source, Stored},
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
}

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let search = asked(request.uri().query().unwrap_or_default());
    let as_json = wants_json(&request);
    let make = move || {
        let (found, now) = (sources.store.search(&search), Timestamp::now());
        if as_json {
            let series = found.series.iter().map(|stored| row(stored, now)).collect();
            return json(&Answer { total: found.total, series });
        }
        page("Series", &content(&search, &found, now))
    };
    maker.answer(make).await
}

fn asked(query: &str) -> Search {
    let mut search = Search { limit: SHOWN, ..Search::default() };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "object" => search.object = value.into_owned(),
            "metric" => search.metric = value.into_owned(),
            "limit" => search.limit = value.parse().unwrap_or(SHOWN).min(MOST),
            _ => {}
        }
    }
    search
}

fn content(search: &Search, found: &Found, now: Timestamp) -> Markup {
    html! {
        form {
            input name="object" placeholder="object" aria-label="object" value=(search.object);
            input name="metric" placeholder="metric" aria-label="metric" value=(search.metric);
            input type="submit" value="Search";
        }
        p { (found.total) " series" @if found.total > found.series.len() { ", the first " (found.series.len()) " shown" } }
        table {
            thead { tr { @for head in ["Object", "Metric", "Value", "Age", "Source"] { th { (head) } } } }
            tbody { @for stored in &found.series { (line(stored, now)) } }
        }
    }
}

fn line(stored: &Stored, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Object" { (stored.subject) }
            td data-label="Metric" {
                code { (stored.metric) @if !stored.labels.is_empty() { "{" (stored.labels) "}" } }
            }
            td data-label="Value" { (stored.value) }
            td data-label="Age" { (ago(stored.timestamp, now)) }
            td data-label="Source" { (source(&stored.source)) }
        }
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
    }
}

/// Rows of a page.
const SHOWN: usize = 200;

/// Rows that a program may ask for.
const MOST: usize = 10_000;
