//! What limits refuse.

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Readings, Registration},
};
use crate::{
    scrape::Scraper,
    store::{LimitKind, Refused, Store},
};

pub(super) fn register(
    registration: &mut Registration<'_>,
    store: Store,
    scraper: Option<Scraper>,
) -> Result<(), Error> {
    let what = [Reading::counter("limit_refusals_total", "What was refused, by the limit that was reached.")
        .by::<(Limit, Scope)>()];
    registration.readings(&what, move |readings| refusals(readings, &store, scraper.as_ref()))
}

fn refusals(readings: &mut Readings<'_>, store: &Store, scraper: Option<&Scraper>) {
    let stats = scraper.map(Scraper::stats);
    let of_targets = stats.map_or((0, 0), |stats| (stats.refused_by_share(), stats.refused_by_limit()));
    let of_store = store.budgets().map(|budget| {
        let Refused { kind, share, limit } = budget.refused();
        (Limit::from(kind), (share, limit))
    });
    let all = of_store.into_iter().chain([(Limit::Targets, of_targets)]);
    for (limit, (by_share, by_limit)) in all {
        for (scope, count) in [(Scope::Namespace, by_share), (Scope::All, by_limit)] {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            readings.put_by("limit_refusals_total", (limit, scope), float(count));
        }
    }
}

/// A limit that refuses.
#[derive(Clone, Copy)]
enum Limit {
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

impl From<LimitKind> for Limit {
    fn from(kind: LimitKind) -> Self {
        match kind {
            LimitKind::WrittenSeries => Self::WrittenSeries,
            LimitKind::ScrapedSeries => Self::ScrapedSeries,
            LimitKind::ScrapedBytes => Self::ScrapedBytes,
        }
    }
}

label!(Limit, "limit", {
    WrittenSeries => "written_series",
    ScrapedSeries => "scraped_series",
    ScrapedBytes => "scraped_bytes",
    Targets => "targets",
});

label!(Scope, "scope", { Namespace => "namespace", All => "all" });
