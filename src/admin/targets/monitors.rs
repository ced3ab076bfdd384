//! The PodMonitors and ServiceMonitors that are not followed as they are written, or find nothing.

use maud::{Markup, html};

/// A monitor, and how far it is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MonitorRow {
    /// `PodMonitor shop/web`.
    pub monitor: String,
    /// Targets that it names.
    pub targets: usize,
    /// What of it cannot be followed, each with the field.
    pub faults: Vec<String>,
}

impl MonitorRow {
    /// Whether somebody has to look at it.
    fn needs_somebody(&self) -> bool {
        self.targets == 0 || !self.faults.is_empty()
    }

    fn reasons(&self) -> Vec<String> {
        let nothing = (self.targets == 0).then(|| NOTHING.to_owned());
        self.faults.iter().cloned().chain(nothing.filter(|_| self.faults.is_empty())).collect()
    }
}

/// Those that need somebody.
pub(super) fn odd(mut monitors: Vec<MonitorRow>) -> Vec<MonitorRow> {
    monitors.retain(MonitorRow::needs_somebody);
    monitors
}

pub(super) fn table(odd: &[MonitorRow]) -> Markup {
    html! {
        @if !odd.is_empty() {
            h2 { "Monitors that are not followed, or find nothing" }
            table {
                thead { tr { @for head in ["Monitor", "Targets", "Reason"] { th scope="col" { (head) } } } }
                tbody { @for monitor in odd.iter().take(SHOWN) { (row(monitor)) } }
            }
            @if odd.len() > SHOWN { p.quiet { "The first " (SHOWN) " of " (odd.len()) "." } }
        }
    }
}

fn row(monitor: &MonitorRow) -> Markup {
    html! {
        tr {
            td data-label="Monitor" { (monitor.monitor) }
            td data-label="Targets" { (monitor.targets) }
            td data-label="Reason" { @for reason in monitor.reasons() { p { (reason) } } }
        }
    }
}

/// The same for a terminal.
pub(super) fn text(odd: &[MonitorRow]) -> String {
    if odd.is_empty() {
        return String::new();
    }
    let rows = odd.iter().take(SHOWN).map(|monitor| {
        vec![monitor.monitor.clone(), monitor.targets.to_string(), monitor.reasons().join("; ")]
    });
    format!("\n{}", crate::admin::columns::columns(&["MONITOR", "TARGETS", "REASON"], rows))
}

const NOTHING: &str = "finds no pod: none that runs has the labels of its selector in its namespaces and a port as it names it; \
                       a monitor looks into other namespaces only with --scrape-monitors-across";

/// As the page of a cluster may have thousands.
const SHOWN: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_that_is_followed_in_full_is_not_shown_and_others_say_why() {
        let monitor = |name: &str, targets, faults: &[&str]| MonitorRow {
            monitor: format!("PodMonitor shop/{name}"),
            targets,
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        };
        let shown = odd(vec![
            monitor("good", 3, &[]),
            monitor("partly", 2, &["spec.endpoints[1].basicAuth: no"]),
            monitor("nothing", 0, &[]),
            monitor("broken", 0, &["spec.selector: no"]),
        ]);
        let text = text(&shown);
        let lines: Vec<&str> = text.trim().lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].contains("shop/partly") && lines[1].contains("basicAuth"), "{text}");
        assert!(lines[2].contains("shop/nothing") && lines[2].contains("finds no pod"), "{text}");
        assert!(lines[3].contains("spec.selector") && !lines[3].contains("finds no pod"), "{text}");
        let page = table(&shown).into_string();
        assert!(page.contains("shop/broken") && !page.contains("shop/good"), "{page}");
        assert_eq!(table(&[]).into_string() + &super::text(&[]), "");
    }
}
