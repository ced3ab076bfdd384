//! What the operators' pages show, gathered from the parts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::Router;
use jiff::Timestamp;

use super::{
    Addresses,
    parts::{Parts, mode},
    trends::Pulse,
};
use crate::{
    admin::{
        self, DiscoveryRow, Hpas, JournalRow, Listener, LogLevel, MonitorRow, ReadRow, Sources, Status,
        StatusCheck, WatchRow,
    },
    api::RecentRead,
    cluster::{DiscoveryStatus, WatchStatus},
    config::Config,
    insight::Insight,
    journal::{JournalState, Restored},
    monitor::Monitor,
    scrape::Scraper,
    telemetry,
    version::VERSION,
};

pub(super) fn sources(config: &Config, parts: &Parts, addresses: Addresses, pulse: &Pulse) -> Sources {
    let (mode, started) = (mode(config), Timestamp::now());
    let (readiness, scraper, cluster) =
        (parts.readiness.clone(), parts.scraper.clone(), parts.cluster.clone());
    let (certificate, pulse) = (parts.certificate.clone(), pulse.clone());
    let (journal, restored) = (parts.journal.clone(), parts.restored.clone());
    let check = |(name, failure)| StatusCheck { name, failure };
    let status = move || Status {
        version: VERSION,
        mode,
        started,
        listeners: listeners(addresses),
        checks: readiness.failures().into_iter().map(check).collect(),
        watches: cluster.watches().into_iter().chain(cluster.hpa_watch()).map(watch).collect(),
        discovery: cluster.discovery().map(discovery),
        reads: pulse.reads(),
        limits: pulse.limits(),
        certificate_ends: certificate.status().not_after,
        trends: pulse.trends.points(),
        journal: journal.state().map(|state| journal_row(state, &restored)),
    };
    let recent = parts.recent.clone();
    let (counted, known) = (parts.scraper.clone(), parts.cluster.clone());
    Sources {
        store: parts.store.clone(),
        counts: Arc::new(move || counted.as_ref().map(Scraper::counts).unwrap_or_default()),
        targets: Arc::new(move || scraper.as_ref().map(Scraper::targets).unwrap_or_default()),
        monitors: monitors(parts),
        presence: Arc::new(move |object| known.presence_of_stored(object)),
        hpas: hpas(&parts.insight),
        reads: Arc::new(move || recent.all().into_iter().map(read).collect()),
        status: Arc::new(status),
    }
}

/// Each with the targets that it names.
fn monitors(parts: &Parts) -> Arc<dyn Fn() -> Vec<MonitorRow> + Send + Sync> {
    let (cluster, scraper) = (parts.cluster.clone(), parts.scraper.clone());
    Arc::new(move || {
        let (monitors, _) = cluster.monitors();
        let mut targets: HashMap<String, usize> = HashMap::new();
        let all = scraper.as_ref().filter(|_| !monitors.is_empty()).map(Scraper::targets).unwrap_or_default();
        for source in all.into_iter().filter_map(|target| target.source) {
            *targets.entry(source).or_default() += 1;
        }
        let row = |monitor: Arc<Monitor>| {
            let title = monitor.title();
            let named = targets.get(&title).copied().unwrap_or_default();
            MonitorRow { monitor: title, targets: named, faults: monitor.faults.clone() }
        };
        monitors.into_iter().map(row).collect()
    })
}

fn journal_row(state: JournalState, restored: &Restored) -> JournalRow {
    let Restored { values, expired, too_old, refused, unreadable, .. } = restored;
    JournalRow {
        failure: state.failure,
        last_commit: state.last,
        bytes: state.bytes,
        current: state.current,
        restored: *values,
        dropped: expired + too_old + refused + unreadable,
    }
}

/// `/log-level`, where the process has set its logs up.
pub(super) fn log_level(config: &Config) -> Router {
    let Some(level) = telemetry::log_level() else { return Router::new() };
    let (namespace, port) = (&config.tls.service_namespace, config.listen.admin_listen.port());
    let (current, change) = (level.clone(), level);
    admin::log_level(LogLevel {
        current: Arc::new(move || current.text()),
        change: Arc::new(move |filter, by| change.change(filter, by)),
        way: format!("kubectl -n {namespace} port-forward deployment/custom-metrics-adapter {port}"),
    })
}

fn hpas(insight: &Insight) -> Hpas {
    let (list, one) = (insight.clone(), insight.clone());
    Hpas {
        list: Arc::new(move || list.listing()),
        one: Arc::new(move |namespace, name| {
            let insight = one.clone();
            Box::pin(async move { insight.detail(namespace, name).await })
        }),
    }
}

fn listeners(addresses: Addresses) -> Vec<Listener> {
    let write = addresses.write.map(|address| Listener { purpose: "Writes", address });
    let secure = Listener { purpose: "Metrics API (TLS)", address: addresses.secure };
    let admin = Listener { purpose: "This page", address: addresses.admin };
    [Some(secure), write, Some(admin)].into_iter().flatten().collect()
}

fn read(read: RecentRead) -> ReadRow {
    let RecentRead { path, user, at, times, error } = read;
    ReadRow { path, user, at, times, error }
}

fn watch(status: WatchStatus) -> WatchRow {
    WatchRow {
        resource: status.resource.to_string(),
        state: status.state.as_str(),
        since: before(status.since),
        objects: status.objects,
        last_error: status.last_error,
    }
}

fn discovery(status: DiscoveryStatus) -> DiscoveryRow {
    let state = match (status.failing, status.age) {
        (Some(_), _) => "failing",
        (None, Some(_)) => "ok",
        (None, None) => "waiting",
    };
    DiscoveryRow {
        state,
        since: status.failing.or(status.age).map(before),
        resources: status.resources,
        partial_groups: status.partial_groups,
        last_error: status.last_error,
    }
}

/// The moment that was so long ago, in whole seconds.
fn before(age: Duration) -> Timestamp {
    let now = Timestamp::now().as_second();
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(now.saturating_sub(age)).unwrap_or(Timestamp::UNIX_EPOCH)
}
