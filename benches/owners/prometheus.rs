//! Prometheus with the same pods.

use std::{
    fmt::Write as _,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{PODS, cpu_seconds, free_port, world::address};

pub(crate) struct Prometheus {
    process: Child,
    directory: tempfile::TempDir,
    url: String,
    /// The moment that queries are about.
    at: std::cell::Cell<u64>,
}

impl Prometheus {
    pub(crate) fn start(program: &str, pods: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut targets = String::new();
        (0..PODS).for_each(|number| write!(targets, "\"{}:{pods}\",", address(number)).unwrap());
        let config = format!(
            "global: {{scrape_interval: 15s}}\n\
             scrape_configs: [{{job_name: pods, static_configs: [{{targets: [{targets}]}}]}}]\n"
        );
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let process = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={listen}"))
            .args(["--web.enable-lifecycle", "--log.level=error"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, directory, url: format!("http://{listen}"), at: std::cell::Cell::new(0) }
    }

    /// Queries are about this moment from now on.
    pub(crate) fn note_moment(&self) {
        self.at.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    }

    /// Takes its targets away: what it has stays.
    pub(crate) async fn stop_scraping(&self) {
        fs::write(self.directory.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
        let reload = reqwest::Client::new().post(format!("{}/-/reload", self.url)).send().await.unwrap();
        assert!(reload.status().is_success(), "{reload:?}");
        // Its pools end, and mark what is stale.
        tokio::time::sleep(Duration::from_secs(20)).await;
    }

    /// CPU seconds of one query, and its value.
    pub(crate) async fn asked(&self, query: &str) -> (f64, f64) {
        let value = self.query(query).await;
        let process = self.process.id().to_string();
        let before = cpu_seconds(&process);
        for _ in 0..QUERIES {
            self.query(query).await;
        }
        ((cpu_seconds(&process) - before) / QUERIES as f64, value)
    }

    async fn query(&self, query: &str) -> f64 {
        let at = self.at.get().to_string();
        let url = format!("{}/api/v1/query", self.url);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .append_pair("time", &at)
            .finish();
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        let request = reqwest::Client::new().post(url).header(form_type.0, form_type.1).body(form);
        let answer = request.send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["data"]["result"][0]["value"][1].as_str();
        value.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const QUERIES: usize = 100;
