//! What the store holds, and what discovery says of it.

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Registration},
};
use crate::{
    api::{listed, route::Group},
    cluster::Cluster,
    store::Store,
};

pub(super) fn register(
    registration: &mut Registration<'_>,
    store: Store,
    cluster: Cluster,
    discovery_max_metrics: usize,
) -> Result<(), Error> {
    let what = [
        Reading::gauge(
            "store_objects",
            "Objects with at least one value or target, and namespaces with external metrics.",
        ),
        Reading::gauge(
            "store_metrics",
            "Metrics (resource and name, or name of an external one) that exist.",
        ),
        Reading::gauge("store_series", "Series in memory.").by::<(Source,)>(),
        Reading::gauge("store_bytes", "Estimated heap bytes of the series in memory.").by::<(Source,)>(),
        Reading::gauge("store_series_limit", "Series that may be in memory.").by::<(Source,)>(),
        Reading::gauge("store_series_per_object_limit", "Written series that one object may have."),
        Reading::gauge("scrape_bytes", "Estimated bytes that scrapes hold, names and templates included."),
        Reading::gauge("scrape_bytes_limit", "Bytes that scrapes may hold."),
        Reading::gauge("api_discovery_metrics", "Metrics that discovery lists.").by::<(Group,)>(),
        Reading::gauge("api_discovery_metrics_limit", "Metrics that discovery may list.").by::<(Group,)>(),
    ];
    registration.readings(&what, move |readings| {
        let (stats, limits) = (store.stats(), store.limits());
        let catalog = store.catalog();
        let known = [catalog.metrics.len(), catalog.external.len()];
        readings.put("store_objects", float(stats.objects));
        readings.put("store_metrics", float(known.iter().sum()));
        readings.put("store_series_per_object_limit", float(limits.series_per_object));
        readings.put("scrape_bytes", float(store.budget().held()));
        readings.put("scrape_bytes_limit", float(store.budget().limit()));
        let listed = listed(
            &catalog,
            discovery_max_metrics,
            |resource| cluster.is_served(resource),
            |name| cluster.is_resource_name(name),
        );
        for (group, listed, metrics) in [
            (Group::Custom, listed.custom.len(), catalog.metrics.len()),
            (Group::External, listed.external.len(), catalog.external.len() - listed.hidden.len()),
        ] {
            // Long names reach the limit of bytes before that of metrics.
            let limit = if listed < metrics { listed } else { discovery_max_metrics };
            readings.put_by("api_discovery_metrics", (group,), float(listed));
            readings.put_by("api_discovery_metrics_limit", (group,), float(limit));
        }
        let sources = [
            (Source::Written, stats.written, limits.series),
            (Source::Scraped, stats.scraped, limits.scraped_series),
        ];
        for (source, held, limit) in sources {
            readings.put_by("store_series", (source,), float(held.series));
            readings.put_by("store_bytes", (source,), float(held.bytes));
            readings.put_by("store_series_limit", (source,), float(limit));
        }
    })
}

/// How values come in.
#[derive(Clone, Copy)]
enum Source {
    Written,
    Scraped,
}

label!(Source, "source", { Written => "written", Scraped => "scraped" });

label!(Group, "group", { Custom => "custom.metrics.k8s.io", External => "external.metrics.k8s.io" });
