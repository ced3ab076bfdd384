//! External metrics out: every label set by itself, because the HPA adds up what it has selected.

use crate::model::{ExternalValue, Labels, MetricName, MetricSelector};

use super::{Absence, Query, Store, fold, read, slot::Series};

impl Store {
    /// The label sets of an external metric of `namespace` that meet the selector and may be served now, by label set; one
    /// value without labels where the selector says how they are folded.
    /// The presence in the query is the Namespace's.
    ///
    /// # Errors
    /// The reason why there is none; also when the HPA could not add them up.
    pub fn read_external(
        &self,
        namespace: &str,
        metric: &MetricName,
        query: Query<'_>,
    ) -> Result<Vec<ExternalValue>, Absence> {
        let slot = self.0.slots.external(namespace).ok_or(Absence::UnknownMetric)?;
        let sum = read::written(&slot, metric, query)?;
        let options = query.selector.options();
        if options.fold.is_some() {
            return Ok(vec![ExternalValue { labels: Labels::default(), sample: sum }]);
        }
        let parts = read::parts(&slot, metric, query)?.into_iter();
        let value = |sample| fold::scaled(sample, options.scale);
        let part = |(series, sample): (&Series, _)| {
            Ok(ExternalValue { labels: series.labels.clone(), sample: value(sample)? })
        };
        parts.map(part).collect()
    }

    /// The external metrics of `namespace` that have a value now, by name.
    #[must_use]
    pub fn external_metrics(&self, namespace: &str, query: Query<'_>) -> Vec<MetricName> {
        let any = MetricSelector::default();
        let query = Query { selector: &any, ..query };
        let Some(slot) = self.0.slots.external(namespace) else { return Vec::new() };
        let names = slot.by_metric().filter_map(|series| Some(&series.first()?.metric));
        names.filter(|metric| read::written(&slot, metric, query).is_ok()).cloned().collect()
    }
}
