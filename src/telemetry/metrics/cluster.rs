//! Watches and discovery.

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Readings, Registration},
};
use crate::{
    cluster::{Cluster, WatchState, WatchStatus},
    model::GroupResource,
};

pub(super) fn register(registration: &mut Registration<'_>, cluster: Cluster) -> Result<(), Error> {
    let what = [
        Reading::gauge("cluster_watches", "Watches of resources, by how they are.").by::<(WatchState,)>(),
        Reading::gauge(
            "cluster_hpa_watch",
            "1 for the state of the watch of HPAs, which pages and metrics of HPAs depend on and no value does.",
        )
        .by::<(WatchState,)>(),
        Reading::gauge("cluster_objects", "Objects of watched resources in memory."),
        Reading::counter("cluster_watch_lists_total", "Lists of watches that were completed."),
        Reading::counter("cluster_watch_restarts_total", "Watches that were interrupted by an error."),
        Reading::gauge(
            "cluster_pods_last_event_age_seconds",
            "How long ago the watch of pods brought something.",
        ),
        Reading::gauge("cluster_discovery_resources", "Resources that are known by name."),
        Reading::gauge("cluster_discovery_age_seconds", "How long ago discovery of the cluster succeeded."),
        Reading::gauge(
            "cluster_discovery_partial_groups",
            "API groups that did not wholly answer discovery.",
        ),
        Reading::gauge("cluster_discovery_failing", "1 while the last attempt of discovery has failed."),
    ];
    registration.readings(&what, move |readings| {
        watches(readings, &cluster.watches());
        hpa_watch(readings, cluster.hpa_watch().map(|watch| watch.state));
        discovery(readings, &cluster);
    })
}

fn watches(readings: &mut Readings<'_>, watches: &[WatchStatus]) {
    for state in STATES {
        let count = watches.iter().filter(|watch| watch.state == state).count();
        readings.put_by("cluster_watches", (state,), float(count));
    }
    let total = |of: fn(&WatchStatus) -> u64| {
        float(usize::try_from(watches.iter().map(of).sum::<u64>()).unwrap_or(usize::MAX))
    };
    readings.put("cluster_objects", float(watches.iter().map(|watch| watch.objects).sum()));
    readings.put("cluster_watch_lists_total", total(|watch| watch.lists));
    readings.put("cluster_watch_restarts_total", total(|watch| watch.failures));
    let pods = watches.iter().find(|watch| watch.resource == GroupResource::new("", "pods"));
    if let Some(age) = pods.and_then(|pods| pods.last_event_age) {
        readings.put("cluster_pods_last_event_age_seconds", age.as_secs_f64());
    }
}

fn hpa_watch(readings: &mut Readings<'_>, now: Option<WatchState>) {
    for state in STATES {
        readings.put_by("cluster_hpa_watch", (state,), f64::from(u8::from(now == Some(state))));
    }
}

fn discovery(readings: &mut Readings<'_>, cluster: &Cluster) {
    let status = cluster.discovery();
    let count = |of: Option<usize>| float(of.unwrap_or_default());
    readings.put("cluster_discovery_resources", count(status.as_ref().map(|status| status.resources)));
    let partial = status.as_ref().map(|status| status.partial_groups.len());
    readings.put("cluster_discovery_partial_groups", count(partial));
    let failing = status.as_ref().is_some_and(|status| status.last_error.is_some());
    readings.put("cluster_discovery_failing", f64::from(u8::from(failing)));
    if let Some(age) = status.and_then(|status| status.age) {
        readings.put("cluster_discovery_age_seconds", age.as_secs_f64());
    }
}

label!(WatchState, "state", {
    Synced => "synced",
    Listing => "listing",
    Failing => "failing",
    Refused => "refused",
});

const STATES: [WatchState; 4] =
    [WatchState::Synced, WatchState::Listing, WatchState::Failing, WatchState::Refused];
