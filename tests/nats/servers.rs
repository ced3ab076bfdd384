//! nats-server processes, whose faults are ours.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use async_nats::jetstream::{self, Context};
use tokio::time::sleep;

use crate::link::Link;

/// A cluster of nats-server processes; killed when the value goes.
pub(crate) struct Servers {
    nodes: Vec<Node>,
    /// The way from each server to each other one, which can be cut.
    links: Vec<(usize, usize, Link)>,
    _folder: tempfile::TempDir,
}

struct Node {
    port: u16,
    config: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Servers {
    /// One server.
    pub(crate) async fn one() -> Self {
        Self::start(1, "").await
    }

    /// One server with more in its configuration.
    pub(crate) async fn one_with(more: &str) -> Self {
        Self::start(1, more).await
    }

    /// Three, of which a record is on each.
    pub(crate) async fn three() -> Self {
        Self::start(3, "").await
    }

    async fn start(count: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ports, routes) = (free_ports(count), free_ports(count));
        let links = links(&routes).await;
        let text = |at: usize| {
            let store = folder.path().join(format!("n{at}"));
            let cluster = if count > 1 { cluster(at, routes[at], &links) } else { String::new() };
            format!(
                "server_name: n{at}\nlisten: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\", sync_interval: always }}\n{cluster}{more}\n",
                ports[at],
                store.display()
            )
        };
        let texts = (0..count).map(text).collect();
        Self::run(ports, texts, links, folder)
    }

    /// Three with this configuration, as the component's pods have it in their environment.
    pub(crate) fn three_of_a_component(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ports, routes, monitors) = (free_ports(3), free_ports(3), free_ports(3));
        let text = |at: usize| {
            let here = |port: u16| format!("127.0.0.1:{port}");
            let mut text = config
                .replace("port: 4222", &format!("port: {}", ports[at]))
                .replace("port: 6222", &format!("port: {}", routes[at]))
                .replace("port: 8222", &format!("port: {}", monitors[at]))
                .replace("/var/run/nats", &folder.path().display().to_string())
                .replace("store_dir: /data", &format!("store_dir: {}/n{at}", folder.path().display()))
                .replace("$POD_NAME", &format!("n{at}"));
            for (other, port) in routes.iter().enumerate() {
                let name = format!("custom-metrics-nats-{other}.custom-metrics-nats:6222");
                text = text.replace(&name, &here(*port));
            }
            text
        };
        Self::run(ports.clone(), (0..3).map(text).collect(), Vec::new(), folder)
    }

    fn run(
        ports: Vec<u16>,
        texts: Vec<String>,
        links: Vec<(usize, usize, Link)>,
        folder: tempfile::TempDir,
    ) -> Self {
        let node = |(at, (port, text)): (usize, (u16, String))| {
            let config = folder.path().join(format!("n{at}.conf"));
            fs::write(&config, text).unwrap();
            Node { port, config, process: Mutex::default() }
        };
        let nodes: Vec<Node> = ports.into_iter().zip(texts).enumerate().map(node).collect();
        let servers = Self { nodes, links, _folder: folder };
        (0..servers.count()).for_each(|at| servers.restart(at));
        servers
    }

    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// What `--journal` would name.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.port)).collect()
    }

    pub(crate) fn url(&self, at: usize) -> String {
        self.urls()[at].clone()
    }

    /// Starts a server that does not run.
    pub(crate) fn restart(&self, at: usize) {
        let node = &self.nodes[at];
        let log =
            fs::File::options().create(true).append(true).open(node.config.with_extension("log")).unwrap();
        let mut command = Command::new(binary());
        command.arg("-c").arg(&node.config).stdout(Stdio::null()).stderr(log);
        // Of the component's pods; the password looks like a number.
        command.env("POD_IP", "'127.0.0.1'").env("NATS_PASSWORD", "'12e4'");
        *node.process.lock().unwrap() = Some(command.spawn().unwrap());
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&self, at: usize) {
        let mut process = self.nodes[at].process.lock().unwrap().take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops a server in the middle of whatever it does.
    pub(crate) fn pause(&self, at: usize) {
        self.signal(at, "-STOP");
    }

    pub(crate) fn resume(&self, at: usize) {
        self.signal(at, "-CONT");
    }

    fn signal(&self, at: usize, signal: &str) {
        let process = self.nodes[at].process.lock().unwrap().as_ref().expect("it runs").id();
        assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
    }

    /// Cuts a server off from the others, or ends that; clients still reach it.
    pub(crate) fn cut_off(&self, at: usize, is_cut: bool) {
        let touched = self.links.iter().filter(|(from, to, _)| *from == at || *to == at);
        touched.for_each(|(_, _, link)| link.cut(is_cut));
    }

    /// A client that is no adapter.
    pub(crate) async fn context(&self) -> Context {
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        jetstream::new(options.connect(self.urls()).await.unwrap())
    }

    /// The server that leads `stream`.
    pub(crate) async fn leader(&self, context: &Context, stream: &str) -> usize {
        loop {
            let info = context.get_stream(stream).await.ok().map(|stream| stream.cached_info().clone());
            let leader = info.and_then(|info| info.cluster).and_then(|cluster| cluster.leader);
            match leader.and_then(|name| name.strip_prefix('n')?.parse().ok()) {
                Some(leader) => return leader,
                None => sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for node in &self.nodes {
            if let Some(process) = node.process.lock().unwrap().as_mut() {
                // Fails when it has ended.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

async fn links(routes: &[u16]) -> Vec<(usize, usize, Link)> {
    let mut links = Vec::new();
    for from in 0..routes.len() {
        for (to, port) in routes.iter().enumerate().filter(|(to, _)| *to != from) {
            links.push((from, to, Link::to(*port).await));
        }
    }
    links
}

fn cluster(at: usize, port: u16, links: &[(usize, usize, Link)]) -> String {
    let routes: Vec<String> = links
        .iter()
        .filter(|(from, _, _)| *from == at)
        .map(|(_, _, link)| format!("\"nats://127.0.0.1:{}\"", link.port()))
        .collect();
    // Advertised addresses would lead around the links.
    format!(
        "cluster {{ name: tests, listen: \"127.0.0.1:{port}\", no_advertise: true, routes: [{}] }}\n",
        routes.join(", ")
    )
}

/// Bound one beside the other, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/tool.sh");
        let built = Command::new(script).arg("nats-server").output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8(built.stdout).unwrap().trim().to_owned()
    })
}
