//! What the modules that talk to kube-apiserver share: what an error means, when to ask again, and when a watch has been resumed.

mod backoff;
mod error;
mod opened;

pub use backoff::Backoff;
pub use error::{Class, root_cause};
pub use opened::telling_of_opened_watches;
