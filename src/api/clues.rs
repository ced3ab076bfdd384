//! What is known beside the values, for the reason why there is none.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::Uid;

/// How the pod of a UID is scraped.
pub(super) type TargetOf = Arc<dyn Fn(&Uid) -> Option<PodTarget> + Send + Sync>;

/// Looked at when a read found nothing, and only then.
#[derive(Clone)]
pub struct Clues {
    /// When the adapter started, if what was written before is lost.
    pub started: Option<Timestamp>,
    /// How the pod of this UID is scraped; `None` if it does not ask to be.
    pub target: TargetOf,
}

/// How a pod is scraped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PodTarget {
    /// It asks to be, and cannot be: why.
    Refused(String),
    /// It is scraped.
    At {
        /// Where.
        url: String,
        /// When the next scrape is due.
        next: Option<Timestamp>,
    },
}

impl Clues {
    /// Of an adapter that scrapes nobody.
    #[must_use]
    pub fn of_writes_alone(started: Option<Timestamp>) -> Self {
        Self { started, target: Arc::new(|_| None) }
    }
}
