//! What the store holds, and what discovery says of it.

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Readings, Registration},
};
use crate::{
    api::{listed, route::Group},
    scrape::Scraper,
    store::{LimitKind, Refused, Store},
};

pub(super) fn register(
    registration: &mut Registration<'_>,
    (store, scraper): (Store, Option<Scraper>),
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
        Reading::counter("limit_refusals_total", "What was refused, by the limit that was reached.").by::<(
            Refusing,
            Scope,
        )>(
        ),
        Reading::gauge("api_discovery_metrics", "Metrics that discovery lists.").by::<(Group,)>(),
        Reading::gauge("api_discovery_metrics_limit", "Metrics that discovery may list.").by::<(Group,)>(),
    ];
    registration.readings(&what, move |readings| {
        let (stats, limits) = (store.stats(), store.limits());
        let catalog = store.catalog();
        let groups = [(Group::Custom, catalog.metrics.len()), (Group::External, catalog.external.len())];
        readings.put("store_objects", float(stats.objects));
        readings.put("store_metrics", float(groups.iter().map(|(_, metrics)| metrics).sum()));
        readings.put("store_series_per_object_limit", float(limits.series_per_object));
        readings.put("scrape_bytes", float(store.budget().held()));
        readings.put("scrape_bytes_limit", float(store.budget().limit()));
        refusals(readings, &store, scraper.as_ref());
        for (group, metrics) in groups {
            let listed = listed(&catalog, group, discovery_max_metrics);
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

fn refusals(readings: &mut Readings<'_>, store: &Store, scraper: Option<&Scraper>) {
    let stats = scraper.map(Scraper::stats);
    let of_targets = stats.map_or((0, 0), |stats| (stats.refused_by_share(), stats.refused_by_limit()));
    let of_store = store.budgets().map(|budget| {
        let Refused { kind, share, limit } = budget.refused();
        (Refusing::from(kind), (share, limit))
    });
    let all = of_store.into_iter().chain([(Refusing::Targets, of_targets)]);
    for (limit, (by_share, by_limit)) in all {
        for (scope, count) in [(Scope::Namespace, by_share), (Scope::All, by_limit)] {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            readings.put_by("limit_refusals_total", (limit, scope), float(count));
        }
    }
}

/// A limit that refuses.
#[derive(Clone, Copy)]
enum Refusing {
    WrittenSeries,
    ScrapedSeries,
    ScrapedBytes,
    Targets,
}

/// Whether it is that of a namespace or that of all.
#[derive(Clone, Copy)]
enum Scope {
    Namespace,
    All,
}

impl From<LimitKind> for Refusing {
    fn from(kind: LimitKind) -> Self {
        match kind {
            LimitKind::WrittenSeries => Self::WrittenSeries,
            LimitKind::ScrapedSeries => Self::ScrapedSeries,
            LimitKind::ScrapedBytes => Self::ScrapedBytes,
        }
    }
}

label!(Refusing, "limit", {
    WrittenSeries => "written_series",
    ScrapedSeries => "scraped_series",
    ScrapedBytes => "scraped_bytes",
    Targets => "targets",
});

label!(Scope, "scope", { Namespace => "namespace", All => "all" });

/// How values come in.
#[derive(Clone, Copy)]
enum Source {
    Written,
    Scraped,
}

label!(Source, "source", { Written => "written", Scraped => "scraped" });

label!(Group, "group", { Custom => "custom.metrics.k8s.io", External => "external.metrics.k8s.io" });
