//! The log lines of a test: of everything that runs in its thread, which with tokio's test runtime is everything.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _};

/// Keeps the lines of level info and above until it is dropped.
pub(crate) struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn keep() -> Self {
        let written = Written::default();
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(written.clone());
        // As the adapter has it by default.
        let filter =
            Targets::new().with_default(LevelFilter::INFO).with_target("kube_client", LevelFilter::OFF);
        let filter = filter.with_target("kube_runtime", LevelFilter::ERROR);
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines that have all of these words.
    pub(crate) fn with(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.written.0.lock().clone()).unwrap();
        let lines = text.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
