//! External metrics out: every label set by itself, because the HPA adds up what it has selected.

use crate::model::{ExternalValue, MetricName, Selector};

use super::{Absence, Query, Store, read, slot::Series};

impl Store {
    /// The label sets of an external metric of `namespace` that meet the selector and may be served now, by label set.
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
        let series = slot.of(metric);
        read::sum(series, query)?;
        Ok(read::usable(series, query).map(value).collect())
    }

    /// The external metrics of `namespace` that have a value now, by name.
    #[must_use]
    pub fn external_metrics(&self, namespace: &str, query: Query<'_>) -> Vec<MetricName> {
        let any = Selector::default();
        let query = Query { selector: &any, ..query };
        let Some(slot) = self.0.slots.external(namespace) else { return Vec::new() };
        let served = slot.by_metric().filter(|series| read::sum(series, query).is_ok());
        served.filter_map(|series| Some(series.first()?.metric.clone())).collect()
    }
}

fn value(series: &Series) -> ExternalValue {
    ExternalValue { labels: series.labels.clone(), sample: series.sample.clone() }
}
