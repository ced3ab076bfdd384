//! The adapter as a process of its own, without a cluster.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use parking_lot::Mutex;

use super::seen;

/// A running adapter; killed when the value goes.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Runs `program`, the binary or something that becomes it, with these arguments before those of the standalone mode,
    /// and returns once it listens.
    pub(crate) async fn start(program: &str, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["secure", "write", "admin"].map(|port| format!("--{port}-listen=127.0.0.1:0")));
        let child =
            command.arg("--standalone").env_remove("RUST_LOG").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().push(line)));
        let process = Self { child, log };
        process.says(&["custom-metrics-adapter listens"]).await;
        process
    }

    /// Waits for a line with all of these words.
    pub(crate) async fn says(&self, words: &[&str]) -> String {
        seen(&format!("the log has {words:?}: {:#?}", self.log.lock()), || self.lines(words).pop()).await
    }

    /// The lines with all of these words.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.log.lock();
        log.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
    }

    /// `HOST:PORT` of `secure`, `write` or `admin`.
    pub(crate) fn address(&self, listener: &str) -> String {
        let line = self.lines(&["custom-metrics-adapter listens"]).remove(0);
        let from = line.split(&format!("{listener}=")).nth(1).unwrap();
        from.split_whitespace().next().unwrap().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        // Fails when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary.
pub(crate) const ADAPTER: &str = env!("CARGO_BIN_EXE_custom-metrics-adapter");
