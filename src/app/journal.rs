//! The journal of written values: opened, restored from, and watched for what came back.

use std::{collections::BTreeSet, path::Path};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, task::spawn_blocking};

use super::{Background, parts::Parts, std};
use crate::{
    checks::Readiness,
    cluster::Cluster,
    config::{self, Config, JournalKind},
    journal::{self, Collection, Journal, JournalFile, Login, NatsOptions, OpenError, Restored, Servers},
    model::GroupResource,
    replicas::Witness,
    store::Store,
    telemetry::metrics::Metrics,
};

/// Opens the journal and fills `store` with the values that it has. Comes before the watches begin, so that no event of
/// an object is missed for a value that is not there yet, and before anything is served: until all values are back,
/// `/readyz` says that they are being read.
pub(super) async fn open(
    config: &Config,
    store: &Store,
    metrics: &Metrics,
    (readiness, background): (&Readiness, &Background),
) -> anyhow::Result<(Journal, Restored)> {
    let waiting = readiness.waiting();
    let (journal, restored) = match &config.journal.journal {
        JournalKind::Memory => return Ok((Journal::memory(store.clone()), Restored::default())),
        JournalKind::File(folder) => {
            waiting.send_replace(Some("the written values of the journal are being read".to_owned()));
            open_file(config, folder, store, background).await?
        }
        JournalKind::Nats(urls) => {
            let reason = format!("the written values of the journal are being read from {}", urls.join(","));
            waiting.send_replace(Some(reason));
            (open_nats(config, urls, store, background).await?, Restored::default())
        }
    };
    waiting.send_replace(None);
    Ok((journal.observed(metrics.journal.clone()), restored))
}

async fn open_file(
    config: &Config,
    folder: &Path,
    store: &Store,
    background: &Background,
) -> anyhow::Result<(Journal, Restored)> {
    let max_age = Some(config.journal.journal_restore_max_age).filter(SignedDuration::is_positive);
    let (folder, to) = (folder.to_owned(), store.clone());
    // A million values take seconds, in which probes are answered.
    let (file, restored) = spawn_blocking(move || read(&folder, &to, max_age)).await?.context("--journal")?;
    tell(&restored, file.path());
    let (journal, worker) = Journal::file(file, store.clone(), background.end.clone());
    background.tasks.spawn(worker);
    Ok((journal, restored))
}

/// Servers that do not answer hold up the start for a while only: scraped values are better than none.
async fn open_nats(
    config: &Config,
    urls: &[String],
    store: &Store,
    background: &Background,
) -> anyhow::Result<Journal> {
    let options = nats(config, urls);
    let (stream, longest) = (options.stream.clone(), std(config.journal.nats.journal_start_timeout));
    let opened = Journal::nats(options, store.clone(), background.end.clone()).await;
    let (journal, worker) = opened.context("--journal")?;
    background.tasks.spawn(worker);
    if journal.loaded(longest).await.context("--journal")? {
        let values = store.stats().written.series;
        tracing::info!(stream, values, "written values are read from the journal");
    } else {
        tracing::error!(
            stream,
            waited = ?longest,
            "the journal could not be read: the start goes on without written values (--journal-start-timeout)"
        );
    }
    Ok(journal)
}

/// Compares this replica with the others, where they share a journal.
pub(super) fn compare(config: &Config, parts: &Parts) -> impl Future<Output = ()> + use<> {
    let is_shared = matches!(config.journal.journal, JournalKind::Nats(_));
    // The name of a pod is its host's.
    let own = ::std::env::var("HOSTNAME").unwrap_or_else(|_| "without a name".to_owned());
    let witness = parts
        .cluster
        .client()
        .filter(|_| is_shared)
        .map(|client| Witness::new(client, &config.tls.service_namespace, own));
    let (journal, behind) = (parts.journal.clone(), parts.readiness.behind());
    async move {
        let Some(witness) = witness else { return };
        let current = move || journal.state().and_then(|state| state.current);
        witness.watch(current, |reason| drop(behind.send_replace(reason))).await;
    }
}

fn nats(config: &Config, urls: &[String]) -> NatsOptions {
    let nats = &config.journal.nats;
    let servers = Servers {
        urls: urls.to_vec(),
        ca_file: nats.journal_ca_file.clone(),
        client_pair: nats.journal_cert_file.clone().zip(nats.journal_key_file.clone()),
        login: login(nats),
    };
    NatsOptions {
        servers,
        stream: nats.journal_stream.clone(),
        replicas: nats.journal_replicas,
        timeout: std(nats.journal_timeout),
        max_series: config.store.max_series,
        collection: Collection::default(),
    }
}

fn login(nats: &config::Nats) -> Login {
    let user = nats.journal_user.clone().zip(nats.journal_password_file.clone());
    match (user, &nats.journal_credentials_file) {
        (Some((user, file)), _) => Login::Password { user, file },
        (None, Some(file)) => Login::Credentials(file.clone()),
        (None, None) => Login::Nothing,
    }
}

fn read(
    folder: &Path,
    store: &Store,
    max_age: Option<SignedDuration>,
) -> Result<(JournalFile, Restored), OpenError> {
    let mut file = JournalFile::open(folder)?;
    let restored = journal::restore(&mut file, store, max_age, Timestamp::now())?;
    Ok((file, restored))
}

/// Begins the watches of the objects that values came back for, as a write does for its own: until then nobody knows
/// that such an object has gone. Values that other replicas take come all the time.
pub(super) async fn watch(
    cluster: Cluster,
    resources: Vec<GroupResource>,
    others: Option<watch::Receiver<BTreeSet<GroupResource>>>,
) {
    begin(&cluster, &resources.into_iter().collect()).await;
    let Some(mut others) = others else { return };
    let mut known = BTreeSet::new();
    loop {
        let new = &*others.borrow_and_update() - &known;
        begin(&cluster, &new).await;
        known.extend(new);
        if others.changed().await.is_err() {
            return;
        }
    }
}

async fn begin(cluster: &Cluster, resources: &BTreeSet<GroupResource>) {
    for resource in resources {
        if let Ok(resource) = cluster.resolve_fresh(&resource.to_string()).await {
            cluster.watch(&resource);
        }
    }
}

fn tell(restored: &Restored, path: &Path) {
    let Restored { values, expired, too_old, refused, unreadable, took, .. } = restored;
    tracing::info!(path = %path.display(), values, expired, too_old, ?took, "written values are restored");
    if *refused > 0 || *unreadable > 0 {
        tracing::warn!(refused, unreadable, "values of the journal are lost: see --max-series");
    }
}
