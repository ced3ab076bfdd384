//! The adapter's scraper and store, with pods that no cluster has.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use custom_metrics_adapter::{
    cluster::{Container, Pod, PodPhase},
    model::{GroupResource, Labels, LiveObject, ObjectRef, Uid},
    scrape::{Compression, Finished, PodSource, ScrapeOptions, Scraper},
    store::{Limits, Percent, Store},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) async fn run(port: u16, targets: u32, interval: &str, gzip: bool) {
    let pods: Vec<Arc<Pod>> = (0..targets).map(|number| Arc::new(pod(number, port, interval))).collect();
    let changes = watch::Sender::new(0);
    let source = PodSource::listing(move || pods.clone(), changes.subscribe());
    let scrapes: Arc<Mutex<Vec<Finished>>> = Arc::default();
    let told = scrapes.clone();
    let options = ScrapeOptions {
        allow_loopback: true,
        compression: if gzip { Compression::Gzip } else { Compression::Auto },
        on_scrape: Some(Arc::new(move |finished| told.lock().push(*finished))),
        // As for a cluster of this size: --scrape-max-targets, --scrape-max-inflight, --namespace-share.
        targets: usize::try_from(targets).unwrap().max(ScrapeOptions::default().targets),
        in_flight: if targets > LARGE { 512 } else { ScrapeOptions::default().in_flight },
        share: Percent::WHOLE,
        ..ScrapeOptions::default()
    };
    let store = Store::new(Limits {
        scraped_series: 20_000_000,
        scraped_bytes: 4 << 30,
        share: Percent::WHOLE,
        ..Limits::default()
    });
    let scraper =
        Scraper::start(options, source, store.clone(), TaskTracker::new(), CancellationToken::new());
    loop {
        tokio::time::sleep(super::serve::SECOND).await;
        // the vector is freed each second, so that it does not count as what scraping takes
        let finished = std::mem::take(&mut *scrapes.lock());
        tell(&scraper, &store, &finished);
    }
}

fn tell(scraper: &Scraper, store: &Store, finished: &[Finished]) {
    let quantile = |of: fn(&Finished) -> Duration, percent: usize| {
        let mut all: Vec<Duration> = finished.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() * percent / 100).copied().unwrap_or_default()
    };
    let stats = scraper.stats();
    println!(
        "samples={} good={} failed={} skipped={} reshaped={} templates={:?} duration_p50={:?} duration_p99={:?} lag_p99={:?} store={:?}",
        stats.appended(),
        stats.good(),
        stats.failed().map(|(_, count)| count).sum::<u64>(),
        stats.skipped_ticks(),
        stats.reshaped(),
        scraper.templates(),
        quantile(|finished| finished.duration, 50),
        quantile(|finished| finished.duration, 99),
        quantile(|finished| finished.lag, 99),
        store.stats(),
    );
}

fn pod(number: u32, port: u16, interval: &str) -> Pod {
    let [_, _, high, low] = (number + 1).to_be_bytes();
    let object = ObjectRef {
        resource: GroupResource::pods(),
        namespace: Some("default".into()),
        name: format!("web-{number}").into(),
    };
    let annotations = [
        ("prometheus.io/scrape", "true".to_owned()),
        ("prometheus.io/port", port.to_string()),
        ("prometheus.io/interval", interval.to_owned()),
    ];
    let container = Container { name: "web".into(), is_sidecar: false, ports: Vec::new(), started: None };
    Pod {
        live: Arc::new(LiveObject {
            object,
            uid: Uid(format!("uid-{number}").into()),
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::default(),
        }),
        annotations: annotations.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        phase: PodPhase::Running,
        ready: true,
        deletion: None,
        ips: vec![Ipv4Addr::new(127, 1, high, low).into()],
        host_network: false,
        node: None,
        containers: vec![container],
    }
}

/// More targets than the defaults are for.
const LARGE: u32 = 20_000;
