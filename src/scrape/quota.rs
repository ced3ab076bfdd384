//! Which targets are too many.
//!
//! A namespace may have its share of targets: those of its oldest pods. If what the namespaces may have is too much
//! together, the largest of them go without first: each keeps its oldest targets, and none loses one while another has
//! two more. So the choice follows from the pods alone and is the same after a restart.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::targets::{Refusal, TargetKey, TargetSpec};
use crate::{model::Tenant, store::Percent};

/// How many targets there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quota {
    pub(super) all: usize,
    /// Of one namespace.
    pub(super) share: usize,
}

/// The targets that are too many, and why.
pub(super) type Over = HashMap<TargetKey, Refusal, RandomState>;

/// How many targets the namespaces have.
#[derive(Default)]
pub(super) struct Census {
    total: usize,
    tenants: HashMap<Tenant, usize, RandomState>,
}

impl Quota {
    pub(super) fn new(all: usize, share: Percent) -> Self {
        let share = share.of(all);
        // a share of everything is none
        Self { all, share: if share < all { share } else { usize::MAX } }
    }
}

impl Census {
    pub(super) fn add(&mut self, targets: &[Arc<TargetSpec>]) {
        for target in targets {
            *self.tenants.entry(Tenant::of(&target.object)).or_default() += 1;
        }
        self.total += targets.len();
    }

    pub(super) fn remove(&mut self, targets: &[Arc<TargetSpec>]) {
        for target in targets {
            let tenant = Tenant::of(&target.object);
            let Some(count) = self.tenants.get_mut(&tenant) else { continue };
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(&tenant);
            }
        }
        self.total -= targets.len();
    }

    pub(super) fn fits(&self, quota: Quota) -> bool {
        self.total <= quota.all && self.tenants.values().all(|count| *count <= quota.share)
    }
}

/// Finds the targets that are too many.
pub(super) fn over<'a>(targets: impl Iterator<Item = &'a Arc<TargetSpec>>, quota: Quota) -> Over {
    let mut tenants: BTreeMap<Tenant, Vec<&TargetSpec>> = BTreeMap::new();
    for target in targets {
        tenants.entry(Tenant::of(&target.object)).or_default().push(target);
    }
    let (mut over, mut rest) = (Over::default(), Vec::new());
    for (tenant, mut targets) in tenants {
        targets.sort_unstable_by_key(age);
        let newest = targets.split_off(targets.len().min(quota.share));
        let refusal = Refusal::TargetShare { tenant, limit: quota.share };
        over.extend(newest.into_iter().map(|target| (target.key.clone(), refusal.clone())));
        rest.extend(targets.into_iter().enumerate());
    }
    // by how many older ones its namespace has, then by age
    rest.sort_unstable_by_key(|(place, target)| (*place, age(target)));
    let refused = rest.into_iter().skip(quota.all);
    over.extend(refused.map(|(_, target)| (target.key.clone(), Refusal::TargetLimit(quota.all))));
    over
}

fn age<'a>(target: &&'a TargetSpec) -> (jiff::Timestamp, &'a TargetKey) {
    (target.created, &target.key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::ObjectRef,
        scrape::{ScrapeOptions, targets::plan, testing::pod},
    };

    /// A target of a pod that was created so many seconds after 1970.
    fn target(namespace: &str, created: i64) -> Arc<TargetSpec> {
        let annotations = [("prometheus.io/scrape", "true"), ("prometheus.io/port", "80")];
        let mut pod = pod(&format!("{namespace}-{created}"), &annotations);
        let live = Arc::make_mut(&mut pod.live);
        live.created = jiff::Timestamp::from_second(created).unwrap();
        live.object = ObjectRef { namespace: Some(namespace.into()), ..live.object.clone() };
        plan(&pod, &ScrapeOptions::default()).unwrap().targets.remove(0)
    }

    /// The targets that are taken: the first letter of the namespace, and the age.
    fn taken(targets: &[Arc<TargetSpec>], quota: Quota) -> Vec<String> {
        let over = over(targets.iter(), quota);
        let taken = targets.iter().filter(|target| !over.contains_key(&target.key));
        let mut names: Vec<String> = taken.map(|target| target.object.name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_namespace_over_its_share_keeps_its_oldest_pods_and_the_others_all() {
        let targets: Vec<_> =
            [("shop", 3), ("shop", 1), ("shop", 2), ("blog", 9)].map(|(n, c)| target(n, c)).into();
        let quota = Quota { all: 8, share: 2 };
        assert_eq!(taken(&targets, quota), ["blog-9", "shop-1", "shop-2"]);
        let refusal = over(targets.iter(), quota).remove(&targets[0].key).unwrap().to_string();
        assert!(refusal.starts_with("namespace shop has 2 targets of older pods"), "{refusal}");
    }

    #[test]
    fn where_all_are_too_many_the_largest_namespaces_go_without_first() {
        let namespaces = [("large", 1..=9), ("middle", 11..=13), ("small", 21..=21)];
        let targets: Vec<_> =
            namespaces.into_iter().flat_map(|(name, ages)| ages.map(move |age| target(name, age))).collect();
        let quota = Quota { all: 6, share: 5 };
        assert_eq!(
            taken(&targets, quota),
            ["large-1", "large-2", "large-3", "middle-11", "middle-12", "small-21"]
        );
        let refusals = over(targets.iter(), quota);
        assert!(matches!(refusals[&targets[4].key], Refusal::TargetLimit(6)));
        assert!(matches!(refusals[&targets[8].key], Refusal::TargetShare { limit: 5, .. }));
    }

    #[test]
    fn a_census_knows_whether_anybody_is_over_a_limit() {
        let (one, other) = ([target("shop", 1), target("shop", 2)], [target("blog", 1)]);
        let mut census = Census::default();
        census.add(&one);
        census.add(&other);
        assert!(census.fits(Quota { all: 3, share: 2 }));
        assert!(!census.fits(Quota { all: 2, share: 2 }) && !census.fits(Quota { all: 3, share: 1 }));
        census.remove(&one);
        assert!(census.fits(Quota { all: 1, share: 1 }));
        census.remove(&other);
        assert!(census.total == 0 && census.tenants.is_empty());
    }

    proptest! {
        #[test]
        fn the_choice_follows_from_the_pods_alone(
            (targets, order, share, all) in (
                prop::collection::btree_set((0..4_u8, 0..20_i64), 1..30), 1..12_usize, 1..20_usize,
            ).prop_flat_map(|(pods, share, all)| {
                let targets: Vec<_> = pods.iter().map(|(n, age)| target(&format!("n{n}"), *age)).collect();
                (Just(targets.clone()), Just(targets).prop_shuffle(), Just(share), Just(all))
            })
        ) {
            let quota = Quota { all, share };
            let names = taken(&targets, quota);
            prop_assert_eq!(&names, &taken(&order, quota));
            let of = |n: u8| names.iter().filter(|name| name.starts_with(&format!("n{n}-"))).count();
            let has = |n: u8| targets.iter().filter(|t| t.object.namespace.as_deref() == Some(&format!("n{n}"))).count();
            let wanted: usize = (0..4).map(|n| has(n).min(share)).sum();
            prop_assert_eq!(names.len(), wanted.min(all));
            for (one, other) in (0..4).flat_map(|one| (0..4).map(move |other| (one, other))) {
                prop_assert!(of(one) == has(one).min(share) || of(other) <= of(one) + 1);
            }
        }
    }
}
