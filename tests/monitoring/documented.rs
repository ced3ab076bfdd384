//! The metrics of `docs/metrics.md`, which another test keeps equal to the registry.

use std::collections::{BTreeMap, BTreeSet};

use super::text;

/// One line of the tables of metrics.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) is_histogram: bool,
    pub(crate) labels: BTreeSet<String>,
}

/// The page.
pub(crate) struct Documented {
    metrics: BTreeMap<String, Metric>,
    /// By area (the word after the prefix) and label. Two metrics of an area with one label are not told apart.
    values: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Documented {
    pub(crate) fn read() -> Self {
        Self::parse(&text("docs/metrics.md"))
    }

    /// The metric that a series of this name belongs to, and whether it is the bucket of a histogram.
    pub(crate) fn metric(&self, series: &str) -> Option<(&Metric, bool)> {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            let metric = self.metrics.get(series.strip_suffix(suffix)?)?;
            metric.is_histogram.then_some((metric, *suffix == "_bucket"))
        });
        let plain =
            || self.metrics.get(series).filter(|metric| !metric.is_histogram).map(|metric| (metric, false));
        histogram.or_else(plain)
    }

    /// The values that a label of this series has; nothing where the page lists none.
    pub(crate) fn values(&self, series: &str, label: &str) -> Option<&BTreeSet<String>> {
        let area = series.strip_prefix(PREFIX)?.split('_').next()?;
        self.values.get(&(area.to_owned(), label.to_owned()))
    }

    fn parse(page: &str) -> Self {
        let (mut metrics, mut values) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for line in page.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells.as_slice() {
                [name, kind @ ("gauge" | "counter" | "histogram"), labels, _] => {
                    let metric =
                        Metric { is_histogram: *kind == "histogram", labels: quoted(labels).collect() };
                    metrics.extend(quoted(name).next().map(|name| (name, metric)));
                }
                [whose, list] if whose.contains(" `") => {
                    let area = whose.split(' ').next().unwrap_or_default().to_owned();
                    let label = quoted(whose).next().unwrap_or_default();
                    values.entry((area, label)).or_default().extend(quoted(list));
                }
                _ => {}
            }
        }
        assert!(
            metrics.len() > 50 && values.len() > 10,
            "docs/metrics.md has another shape than this test knows"
        );
        Self { metrics, values }
    }
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

pub(crate) const PREFIX: &str = "custom_metrics_adapter_";
