//! Whether this replica lacks written values that another one has.
//!
//! A replica that cannot reach the journal's servers does not know what others acknowledge meanwhile. If nobody reaches them, nothing
//! newer was acknowledged anywhere, and all go on serving; if only this one does not, it has to stop. A second way tells the two
//! apart: a Lease, in which the replica that is furthest says up to when it has everything.

mod standing;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use tokio::time::{sleep, timeout};

use crate::{
    kubernetes::{Class, root_cause},
    notice::Incident,
};
use standing::{Furthest, Standing};

/// Compares this replica with the one that is furthest.
pub struct Witness {
    api: Api<Lease>,
    /// The name of this replica.
    own: String,
    incident: Incident,
}

/// A call without a good answer.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("{}", root_cause(.0))]
    Answer(#[from] kube::Error),
    #[error("no answer from kube-apiserver within {} s", DEADLINE.as_secs())]
    Silence,
    #[error("Lease {LEASE} does not exist")]
    Absent,
}

impl Witness {
    /// Reads and renews the Lease of this namespace by this client.
    #[must_use]
    pub fn new(client: Client, namespace: &str, own: String) -> Self {
        Self { api: Api::namespaced(client, namespace), own, incident: Incident::default() }
    }

    /// Compares for ever. `current` is up to when this replica has everything; `tell` learns why it is behind, or that it is
    /// not known to be.
    pub async fn watch(self, current: impl Fn() -> Option<Timestamp>, tell: impl Fn(Option<String>)) {
        loop {
            tell(self.look(current()).await);
            sleep(PERIOD).await;
        }
    }

    async fn look(&self, current: Option<Timestamp>) -> Option<String> {
        match self.compare(current).await {
            Ok(behind) => {
                if let Some(failed) = self.incident.works() {
                    tracing::info!(?failed, "replicas are compared again");
                }
                behind
            }
            Err(error) => {
                self.note(&error);
                // What cannot be proven takes no replica away.
                None
            }
        }
    }

    async fn compare(&self, current: Option<Timestamp>) -> Result<Option<String>, LeaseError> {
        let lease = within(self.api.get_opt(LEASE)).await?.ok_or(LeaseError::Absent)?;
        let furthest = Furthest::of(lease.spec.unwrap_or_default());
        match Standing::of(current, furthest.as_ref(), Timestamp::now()) {
            Standing::Behind(reason) => Ok(Some(reason)),
            Standing::Among => Ok(None),
            Standing::Furthest(current) => self.renew(current).await.map(|()| None),
        }
    }

    async fn renew(&self, current: Timestamp) -> Result<(), LeaseError> {
        let spec = LeaseSpec {
            holder_identity: Some(self.own.clone()),
            renew_time: Some(MicroTime(current)),
            ..LeaseSpec::default()
        };
        let lease = Lease { spec: Some(spec), ..Lease::default() };
        within(self.api.patch(LEASE, &PatchParams::default(), &Patch::Merge(lease))).await.map(drop)
    }

    fn note(&self, error: &LeaseError) {
        let class = match error {
            LeaseError::Answer(error) => Class::of(error),
            LeaseError::Silence => Class::Timeout,
            LeaseError::Absent => Class::of_code(404),
        };
        if self.incident.fails(class.as_str()) {
            tracing::warn!(
                %error,
                remedy = "apply the component shared-journal: it has the Lease, and the right to it",
                "replicas are not compared: one that the journal's servers are away for stays ready"
            );
        }
    }
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
    timeout(DEADLINE, call).await.map_err(|_| LeaseError::Silence)?.map_err(LeaseError::Answer)
}

/// As the component has it.
const LEASE: &str = "custom-metrics-adapter-journal";

/// As often as a replica learns that it has everything.
const PERIOD: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(5);
