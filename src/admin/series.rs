//! `/series`: what there is to read, by the names that an HPA asks for, and what is stored.
//!
//! | view | query |
//! |---|---|
//! | metrics, one row for each namespace, resource and name | `q`, `namespace`, `sort` |
//! | the objects that have one metric | `resource`, `namespace`, `metric`, with `tab=objects` |
//! | series as they are written or exposed | `tab=raw`, `q`, `object`, `metric`; JSON unless `tab` says otherwise |

mod metrics;
mod objects;
mod query;
mod raw;

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Sources,
    making::{Made, Maker},
    page::as_of,
    wants_json, wants_text,
};
use query::{Asked, Sort, Tab};

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let form = Form { json: wants_json(&request), text: wants_text(&request), now: Timestamp::now() };
    let asked = Asked::of(request.uri().query().unwrap_or_default(), form.json);
    maker.answer(move || made(&sources, &asked, form)).await
}

/// How the page is wanted, and of when it is.
#[derive(Clone, Copy)]
struct Form {
    json: bool,
    text: bool,
    now: Timestamp,
}

fn made(sources: &Sources, asked: &Asked, form: Form) -> Made {
    match asked.tab {
        Tab::Metrics => metrics::made(sources, asked, form),
        Tab::Objects => objects::made(sources, asked, form),
        Tab::Raw => raw::made(sources, asked, form),
    }
}

/// The tabs and the search above a table.
fn head(asked: &Asked) -> Markup {
    let current = |tab: Tab| (asked.tab == tab).then_some("page");
    let tab = if asked.tab == Tab::Raw { "raw" } else { "" };
    html! {
        p.chips {
            a.chip href=(asked.with_tab(Tab::Metrics)) aria-current=[current(Tab::Metrics)] { "as HPAs read them" }
            a.chip href=(asked.with_tab(Tab::Raw)) aria-current=[current(Tab::Raw)] { "as written and exposed" }
        }
        form {
            @if !tab.is_empty() { input type="hidden" name="tab" value=(tab); }
            input name="q" type="search" placeholder="object, metric or label" aria-label="object, metric or label" value=(asked.text);
            @if asked.tab == Tab::Metrics {
                input name="namespace" placeholder="namespace" aria-label="namespace" value=(asked.namespace);
                select name="sort" aria-label="order" {
                    @for sort in Sort::ALL { option value=(sort.name()) selected[asked.sort == sort] { "by " (sort.name()) } }
                }
            }
            input type="submit" value="Search";
        }
    }
}

/// How many there are, and the ways to the other parts.
fn foot(asked: &Asked, shown: usize, (total, what): (usize, &str), form: Form) -> Markup {
    html! {
        p.quiet {
            (shown) " of " (total) " " (what) ", " (as_of(form.now))
            @if asked.offset > 0 { " " a href=(asked.with_offset(asked.offset.saturating_sub(asked.limit))) { "previous" } }
            @if asked.offset + shown < total { " " a href=(asked.with_offset(asked.offset + asked.limit)) { "next" } }
        }
    }
}
