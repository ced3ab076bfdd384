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
                nav {
                    a href="/" { "custom-metrics-adapter" }
                    a href="/hpas" { "HPAs" }
                    a href="/targets" { "targets" }
                    a href="/series" { "series" }
                    a href="/metrics" { "metrics" }
                }
                main { h1 { (title) } (content) }
            }
        }
    };
    let mut made = of_type("text/html; charset=utf-8", document.into_string().into_bytes());
    made.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    made
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

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --warn: #9a5b00; --value: #1565c0; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: .75rem 1rem; border-bottom: 1px solid var(--line); }
nav a:first-child { font-weight: 600; }
main { padding: 0 1rem 2rem; max-width: 90rem; margin: auto; }
h1, h2, p { overflow-wrap: anywhere; } h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; padding-right: 1.2rem; }
tbody th { width: 17rem; }
td[data-label='Last scrape'], td[data-label=Source] { min-width: 9rem; }
td[data-label=Value], td[data-label=Age], td[data-label=Next] { white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
select { font: inherit; max-width: 100%; }
.warn { color: var(--warn); }
.badge, .chip { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem;
  white-space: nowrap; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; } .chip { text-decoration: none; }
.chip[aria-current] { font-weight: 600; border-width: 2px; }
.verdict { border-left: .3rem solid currentColor; padding: .5rem .8rem; margin: 1rem 0; overflow-wrap: anywhere; }
.verdict strong, .verdict code { color: CanvasText; }
.notice { border: 1px solid var(--warn); padding: .5rem .8rem; overflow-wrap: anywhere; }
.steps { padding-left: 1.5rem; } .steps li { margin: .3rem 0; overflow-wrap: anywhere; }
.same { border-bottom-color: transparent; }
table.hpas td:nth-child(2), table.targets td:nth-child(2) { min-width: 14rem; }
details ul { margin: .3rem 0; padding-left: 1.2rem; } summary { cursor: pointer; }
a:focus-visible, summary:focus-visible, input:focus-visible, select:focus-visible { outline: 2px solid var(--value); outline-offset: 2px; }
.chart { margin: 0; max-width: 60rem; } .chart svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; opacity: .8; }
svg .value { fill: none; stroke: var(--value); stroke-width: 1.5; } svg .replicas { fill: none; stroke: currentColor; }
svg .target { stroke: var(--warn); stroke-dasharray: 4 3; } svg text.target { stroke: none; fill: var(--warn); }
svg .axis { stroke: var(--line); } svg .gap { fill: var(--bad); } svg .hit { fill: var(--good); } svg .failed { fill: none; stroke: var(--bad); stroke-width: 1.5; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1rem; }
meter { width: 8rem; max-width: 60%; } svg .bar { fill: var(--value); }
td.number { font-variant-numeric: tabular-nums; }
input { font: inherit; padding: .25rem .5rem; min-width: 0; max-width: 100%; }
.good { color: var(--good); } .bad { color: var(--bad); } .quiet { opacity: .7; }
@media (prefers-color-scheme: dark) { :root { --bad: #ef9a9a; --good: #a5d6a7; --warn: #ffcc80; --value: #90caf9; } }
@media (max-width: 640px) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td, tbody th { display: block; width: auto; border: 0; padding: 0; white-space: normal; }
  td.same { display: none; }
  table.hpas td:nth-child(2), table.targets td:nth-child(2) { min-width: 0; }
  td[data-label]::before { content: attr(data-label) ': '; opacity: .7; }
}
";
