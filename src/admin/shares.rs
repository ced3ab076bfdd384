//! Which namespaces have most of their share of a limit.

use maud::{Markup, html};

use crate::{
    model::Tenant,
    store::{Budget, LimitKind, Store},
};

/// A namespace that has nearly used up its share of a limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Crowded {
    tenant: Tenant,
    kind: LimitKind,
    held: usize,
    share: usize,
}

/// The fullest first.
pub(super) fn crowded(store: &Store) -> Vec<Crowded> {
    let mut crowded: Vec<Crowded> = store.budgets().into_iter().flat_map(of).collect();
    crowded.sort_by(|a, b| b.percent().cmp(&a.percent()).then_with(|| a.tenant.cmp(&b.tenant)));
    crowded.truncate(SHOWN);
    crowded
}

fn of(budget: &Budget) -> Vec<Crowded> {
    if budget.share() >= budget.limit() {
        return Vec::new();
    }
    let (kind, share) = (budget.kind(), budget.share());
    let all = budget.by_tenant().into_iter().map(|(tenant, held)| Crowded { tenant, kind, held, share });
    all.filter(|one| one.percent() >= NEARLY).collect()
}

impl Crowded {
    fn percent(&self) -> usize {
        self.held.saturating_mul(100) / self.share.max(1)
    }
}

pub(super) fn table(crowded: &[Crowded]) -> Markup {
    html! {
        @if !crowded.is_empty() {
            h2 { "Namespaces near their share of a limit" }
            table {
                thead { tr { @for head in ["Namespace", "Holds", "Its share", "Taken"] { th scope="col" { (head) } } } }
                tbody { @for one in crowded { (row(one)) } }
            }
        }
    }
}

fn row(one: &Crowded) -> Markup {
    html! {
        tr {
            td data-label="Namespace" { (one.tenant) }
            td data-label="Holds" { (one.held) " " (one.kind) }
            td data-label="Its share" { (one.share) }
            td data-label="Taken" { (one.percent()) " %" }
        }
    }
}

/// Percent of a share, from which on a namespace is shown.
const NEARLY: usize = 80;
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{Labels, MetricName, Quantity, Sample, Subject},
        store::{Limits, Percent, Write},
    };

    #[test]
    fn a_namespace_is_shown_from_four_fifths_of_its_share_on_and_the_fullest_first() {
        let store = Store::new(Limits { series: 40, share: Percent::new(25).unwrap(), ..Limits::default() });
        let write = |namespace: &str, metric: usize| Write {
            subject: Subject::external(namespace),
            uid: None,
            metric: MetricName::new(&format!("m{metric}")).unwrap(),
            labels: Labels::default(),
            sample: Sample {
                value: Quantity::parse("1").unwrap(),
                timestamp: Timestamp::UNIX_EPOCH,
                window_seconds: None,
            },
            ttl: None,
        };
        for (namespace, series) in [("shop", 8), ("full", 10), ("blog", 7)] {
            store.append((0..series).map(|n| write(namespace, n)).collect(), Timestamp::UNIX_EPOCH).unwrap();
        }
        let page = table(&crowded(&store)).into_string();
        let (full, shop) = (page.find("namespace full"), page.find("namespace shop"));
        assert!(full.is_some() && full < shop && !page.contains("blog"), "{page}");
        assert!(page.contains("8 written series") && page.contains("80 %"), "{page}");
    }

    #[test]
    fn without_shares_nothing_is_shown() {
        let store = Store::new(Limits { series: 0, ..Limits::default() });
        assert_eq!(table(&crowded(&store)).into_string(), "");
    }
}
