//! The journal of written values: opened, restored from, and watched for what came back.

use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;

use super::Background;
use crate::{
    checks::Readiness,
    cluster::Cluster,
    config::{Config, JournalKind},
    journal::{self, Journal, JournalFile, OpenError, Restored},
    model::GroupResource,
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
    let JournalKind::File(folder) = &config.journal.journal else {
        return Ok((Journal::memory(store.clone()), Restored::default()));
    };
    let waiting = readiness.waiting();
    waiting.send_replace(Some("the written values of the journal are being read".to_owned()));
    let max_age = Some(config.journal.journal_restore_max_age).filter(SignedDuration::is_positive);
    let (folder, to) = (folder.clone(), store.clone());
    // A million values take seconds, in which probes are answered.
    let (file, restored) = spawn_blocking(move || read(&folder, &to, max_age)).await?.context("--journal")?;
    tell(&restored, file.path());
    waiting.send_replace(None);
    let (journal, worker) = Journal::file(file, store.clone(), background.end.clone());
    background.tasks.spawn(worker);
    Ok((journal.observed(metrics.journal.clone()), restored))
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
/// that such an object has gone.
pub(super) async fn watch(cluster: Cluster, resources: Vec<GroupResource>) {
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
