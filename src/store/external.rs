//! External metrics out: every label set by itself, because the HPA adds up what it has selected.

use crate::model::{ExternalValue, MetricName, Selector};

use super::{Absence, Query, Store, fold, slot::Series};

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
        values(slot.of(metric), query)
    }

    /// The external metrics of `namespace` that have a value now, by name.
    #[must_use]
    pub fn external_metrics(&self, namespace: &str, query: Query<'_>) -> Vec<MetricName> {
        let any = Selector::default();
        let query = Query { selector: &any, ..query };
        let Some(slot) = self.0.slots.external(namespace) else { return Vec::new() };
        let served = slot.by_metric().filter(|series| values(series, query).is_ok());
        served.filter_map(|series| Some(series.first()?.metric.clone())).collect()
    }
}

fn values(series: &[Series], query: Query<'_>) -> Result<Vec<ExternalValue>, Absence> {
    if series.is_empty() {
        return Err(Absence::UnknownMetric);
    }
    let selected = || series.iter().filter(|series| query.selector.matches(&series.labels));
    let refusal = |series: &Series| series.refusal(query.presence, query.now);
    let usable = || selected().filter(|series| refusal(series).is_none());
    match fold::sum(usable().map(|series| &series.sample)) {
        Ok(_) => Ok(usable().map(value).collect()),
        Err(Absence::NoSeries) => Err(selected().find_map(refusal).unwrap_or(Absence::NoSeries)),
        Err(absence) => Err(absence),
    }
}

fn value(series: &Series) -> ExternalValue {
    ExternalValue { labels: series.labels.clone(), sample: series.sample.clone() }
}
