//! What is logged: a filter that can be changed while the process runs.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, reload};

/// The filter of this process's log lines.
#[derive(Clone)]
pub struct LogLevel(Arc<Kept>);

struct Kept {
    text: Mutex<String>,
    reload: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl LogLevel {
    /// `text` is in force; `handle` changes it.
    pub(super) fn new<S: 'static>(text: String, handle: reload::Handle<EnvFilter, S>) -> Self {
        Self(Arc::new(Kept { text: Mutex::new(text), reload: Box::new(move |filter| handle.reload(filter)) }))
    }

    /// The filter in force, as it was written.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text.lock().clone()
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// When it is none; the filter in force stays.
    pub fn change(&self, text: &str, by: SocketAddr) -> Result<(), String> {
        let filter = filter(text)?;
        let mut current = self.0.text.lock();
        (self.0.reload)(filter).map_err(|error| error.to_string())?;
        tracing::info!(%by, from = %*current, to = text, "log filter changed");
        text.clone_into(&mut current);
        Ok(())
    }
}

/// The filter that `text` writes. kube logs each failed attempt of a watch as an error of its own; the cluster module says
/// the same once, in words. Later directives win, so `text` overrides these.
pub(super) fn filter(text: &str) -> Result<EnvFilter, String> {
    // Alone, a word that is no level would be a target, and nothing else would be logged.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_clear = |part: &&str| part.contains('=') || is_level(part.trim());
    if let Some(part) = text.split(',').find(|part| !is_clear(part)).filter(|_| !text.contains('[')) {
        return Err(format!("{:?} is no level: write error, warn, info, debug or TARGET=LEVEL", part.trim()));
    }
    // Whoever changes the filter is logged by every filter.
    let all = format!("kube_client=off,kube_runtime=error,{text},{}=info", module_path!());
    EnvFilter::try_new(all).map_err(|error| format!("{text} is no log filter: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets_with_levels() {
        for good in ["info", "off", "INFO", "info,custom_metrics_adapter::auth=debug", "[request]=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for wrong in ["inof", "", "info,", "info,custom_metrics_adapter", "kube=loud"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
        assert!(filter("info, verbose").unwrap_err().starts_with("\"verbose\" is no level"));
    }
}
