//! The journal of written values: opened, restored from, and watched for what came back.

use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

use super::Background;
use crate::{
    cluster::Cluster,
    config::{Config, JournalKind},
    journal::{self, Journal, JournalFile, Restored},
    model::GroupResource,
    store::Store,
    telemetry::metrics::Metrics,
};

/// Opens the journal and fills `store` with the values that it has. Comes before the watches begin, so that no event of
/// an object is missed for a value that is not there yet.
pub(super) fn open(
    config: &Config,
    store: &Store,
    metrics: &Metrics,
    background: &Background,
) -> anyhow::Result<(Journal, Restored)> {
    let JournalKind::File(folder) = &config.journal.journal else {
        return Ok((Journal::memory(store.clone()), Restored::default()));
    };
    let mut file = JournalFile::open(folder).context("--journal")?;
    let max_age = Some(config.journal.journal_restore_max_age).filter(SignedDuration::is_positive);
    let restored = journal::restore(&mut file, store, max_age, Timestamp::now()).context("--journal")?;
    tell(&restored, file.path());
    let (journal, worker) = Journal::file(file, store.clone(), background.end.clone());
    background.tasks.spawn(worker);
    Ok((journal.observed(metrics.journal.clone()), restored))
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
