//! What all pages share.

use axum::http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::making::{Made, of_type};

/// A whole page.
pub(super) fn page(title: &str, content: &Markup) -> Made {
    refreshing(title, content, None)
}

/// A whole page that is loaded again after so many seconds.
pub(super) fn refreshing(title: &str, content: &Markup, seconds: Option<u32>) -> Made {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = seconds { meta http-equiv="refresh" content=(seconds); }
                title { (title) " · custom-metrics-adapter" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "To the content" }
                nav aria-label="pages" {
                    a href="/" aria-current=[current(title, "Status")] { "custom-metrics-adapter" }
                    @for (name, path) in [("HPAs", "/hpas"), ("Targets", "/targets"), ("Series", "/series"), ("Reads", "/reads"), ("Metrics", "/metrics")] {
                        a href=(path) aria-current=[current(title, name)] { (name) }
                    }
                }
                main id="main" { h1 { (title) } (content) }
            }
        }
    };
    let mut made = of_type("text/html; charset=utf-8", document.into_string().into_bytes());
    made.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    made
}

fn current(title: &str, name: &str) -> Option<&'static str> {
    (title == name).then_some("page")
}

/// Label values and errors come from pods: nothing on the page may run or load anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'";

/// When a page was made, to the second.
pub(super) fn as_of(now: Timestamp) -> String {
    format!("as of {}", Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// `12 s`, `3 min`, `2 h`: how long ago, for people.
pub(super) fn ago(moment: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(moment))
}

/// `12 s`, `3 min`, `2 h`, `5 d`.
pub(super) fn span(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Everything that the pages look like.
const STYLE: &str = include_str!("style.css");
