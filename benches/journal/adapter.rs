//! A real adapter process, with one journal or another.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;

use crate::nats::{Node, free_ports};

pub(crate) struct Adapter {
    child: Child,
    pub(crate) write: String,
    admin: String,
}

/// Where an adapter keeps written values, and what it needs for that.
pub(crate) enum Journal {
    Memory,
    File(tempfile::TempDir),
    Nats { servers: Vec<Node>, _folder: tempfile::TempDir },
}

/// The journals that are compared; the first is what the others are measured by.
pub(crate) const JOURNALS: [&str; 4] = ["memory", "file", "nats R1", "nats R3"];

impl Journal {
    /// One that holds nothing.
    pub(crate) fn new(name: &str) -> Self {
        match name {
            "file" => Self::File(tempfile::tempdir().unwrap()),
            "nats R1" => Self::nats(1),
            "nats R3" => Self::nats(3),
            _ => Self::Memory,
        }
    }

    fn nats(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ports, routes) = (free_ports(count), free_ports(count));
        let all: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let start = |at: usize| {
            let cluster = format!(
                "cluster {{ name: bench, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
                routes[at],
                all.join(", ")
            );
            let text = format!(
                "server_name: n{at}\nlisten: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\", sync_interval: always, limits {{ batch {{ max_msgs: 10000 }} }} }}\n{}",
                ports[at],
                folder.path().join(format!("n{at}")).display(),
                if count > 1 { cluster.as_str() } else { "" }
            );
            Node::start(ports[at], &text, (folder.path(), &format!("n{at}")))
        };
        Self::Nats { servers: (0..count).map(start).collect(), _folder: folder }
    }

    fn flags(&self) -> Vec<String> {
        match self {
            Self::Memory => Vec::new(),
            Self::File(folder) => vec![format!("--journal=file:{}", folder.path().display())],
            Self::Nats { servers, .. } => {
                let hosts: Vec<String> =
                    servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
                vec![
                    format!("--journal=nats://{}", hosts.join(",")),
                    format!("--journal-replicas={}", servers.len()),
                    "--journal-timeout=20s".to_owned(),
                ]
            }
        }
    }
}

impl Adapter {
    /// Returns when it is ready.
    pub(crate) async fn start(folder: &Path, journal: &Journal, max_series: usize) -> Self {
        let [write, admin] = [free_address(), free_address()];
        let child = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
            .args([
                "--standalone",
                "--secure-listen=127.0.0.1:0",
                "--log-level=error",
                "--namespace-share=100",
            ])
            .arg(format!("--write-listen={write}"))
            .arg(format!("--admin-listen={admin}"))
            .arg(format!("--cert-dir={}", folder.join("certificates").display()))
            .args(journal.flags())
            .arg(format!("--max-series={max_series}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let adapter = Self { child, write: format!("http://{write}/write-metrics"), admin };
        adapter.is_ready().await;
        adapter
    }

    async fn is_ready(&self) {
        let (client, url, begun) = (client(), format!("http://{}/readyz", self.admin), Instant::now());
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "it is not ready after two minutes");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let page = client().get(url).send().await.unwrap().text().await.unwrap();
        let name = format!("custom_metrics_adapter_{name} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
