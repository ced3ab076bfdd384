//! What the modules that talk to kube-apiserver share: what an error means, and when a watch has been resumed.

mod error;
mod opened;

pub use error::{Class, root_cause};
pub use opened::telling_of_opened_watches;
