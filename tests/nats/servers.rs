//! nats-server processes, whose faults are ours.

use std::time::Duration;

use async_nats::jetstream::{self, Context};
use tokio::time::sleep;

use crate::{
    link::Link,
    process::{Node, free_ports, three_of_the_component},
};

/// A cluster of nats-server processes; killed when the value goes.
pub(crate) struct Servers {
    nodes: Vec<Node>,
    /// The way from each server to each other one, which can be cut.
    links: Vec<(usize, usize, Link)>,
    _folder: tempfile::TempDir,
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
        let node = |at: usize| Node::start(ports[at], &text(at), (folder.path(), &format!("n{at}")));
        let nodes = (0..count).map(node).collect();
        Self { nodes, links, _folder: folder }
    }

    /// Three with the configuration of the component `shared-journal`.
    pub(crate) fn three_of_the_component() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { nodes: three_of_the_component(folder.path()), links: Vec::new(), _folder: folder }
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
        self.nodes[at].restart();
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&self, at: usize) {
        self.nodes[at].kill();
    }

    /// Stops a server in the middle of whatever it does.
    pub(crate) fn pause(&self, at: usize) {
        self.nodes[at].signal("-STOP");
    }

    pub(crate) fn resume(&self, at: usize) {
        self.nodes[at].signal("-CONT");
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
