//! `/reads`: the last different reads of the metrics APIs, by whom, and why there was no value.

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    Sources,
    columns::columns,
    making::{Made, Maker, json, text},
    page::{ago, as_of, refreshing},
    wants_json, wants_text,
};
use crate::hpa::CONTROLLER_ACCOUNT;

/// One path that one user has read.
#[derive(Clone, Debug, Serialize)]
pub struct ReadRow {
    /// Path and query.
    pub path: String,
    /// Who asked.
    pub user: String,
    /// When it was asked last.
    pub at: Timestamp,
    /// How often.
    pub times: u64,
    /// Why there was no value the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let by_all = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "by=all"));
    let forms = (wants_json(&request), wants_text(&request));
    maker.answer(move || made((sources.reads)(), by_all, forms)).await
}

fn made(mut reads: Vec<ReadRow>, by_all: bool, (as_json, as_text): (bool, bool)) -> Made {
    reads.retain(|read| by_all || !CONTROLLERS.contains(&&*read.user));
    if as_json {
        return json(&reads);
    }
    let now = Timestamp::now();
    if as_text {
        let cells = reads.iter().map(|read| {
            let outcome = read.error.clone().unwrap_or_else(|| "a value".to_owned());
            vec![ago(read.at, now), read.times.to_string(), read.user.clone(), read.path.clone(), outcome]
        });
        return text(columns(&["AGO", "TIMES", "USER", "PATH", "ANSWER"], cells));
    }
    refreshing("Reads", &content(&reads, by_all, now), Some(REFRESH))
}

fn content(reads: &[ReadRow], by_all: bool, now: Timestamp) -> Markup {
    let current = |all: bool| (by_all == all).then_some("true");
    html! {
        p.chips {
            a.chip href="/reads" aria-current=[current(false)] { "not by an HPA" }
            a.chip href="/reads?by=all" aria-current=[current(true)] { "all" }
        }
        p.quiet { "The last " (MOST) " different reads, " (as_of(now)) ". HPAs themselves are at " a href="/hpas" { "HPAs" } "." }
        @if reads.is_empty() {
            p { "Nobody has read a metric yet. Try " code { "kubectl get --raw /apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/METRIC" } }
        } @else {
            table {
                thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                tbody { @for read in reads { (row(read, now)) } }
            }
        }
    }
}

fn row(read: &ReadRow, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Last" { (ago(read.at, now)) " ago" br; span.quiet { (read.times) " times" } }
            td data-label="User" { (read.user) }
            td data-label="Path" { code { (read.path) } }
            td data-label="Answer" {
                @if let Some(error) = &read.error { span.badge.bad { "no value" } " " (error) } @else { span.badge.good { "a value" } }
            }
        }
    }
}

const HEADS: [&str; 4] = ["Last", "User", "Path", "Answer"];

/// Who reads for HPAs: kube-controller-manager with and without an account for each controller.
const CONTROLLERS: [&str; 2] = [CONTROLLER_ACCOUNT, "system:kube-controller-manager"];

/// As many as are kept.
const MOST: usize = 1_000;

const REFRESH: u32 = 15;
