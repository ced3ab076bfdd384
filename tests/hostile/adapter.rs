//! The binary in a cluster of many pods, and what it holds.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    PATIENCE,
    kube_api::{Expiry, KubeApi, pod},
};

pub(crate) struct Adapter {
    child: Child,
    pub(crate) secure: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// MiB that the container of the manifest has.
    pub(crate) limit: u64,
    _directory: tempfile::TempDir,
    api: KubeApi,
}

impl Adapter {
    /// Starts it, and waits until it has a target for each of so many pods.
    pub(crate) async fn with_targets(pods: usize) -> Self {
        let adapter = Self::start((0..pods).map(annotated), &["--scrape-allow-loopback"]).await;
        adapter.knows(pods).await;
        adapter
    }

    /// Starts it, and waits until it has listed so many pods, none of which is a target.
    pub(crate) async fn with_pods(pods: usize, scrape: bool) -> Self {
        let adapter = Self::start((0..pods).map(labelled), &[&format!("--scrape={scrape}")]).await;
        let ready = async {
            while adapter.page("/readyz").await.is_none_or(|page| !page.status().is_success()) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("it is ready");
        adapter
    }

    /// Has it list all pods again, and waits until it follows them again.
    pub(crate) async fn list_again(&self) {
        self.api.forget_history("pods", Expiry::InStream);
        self.api.break_watches("pods");
        let asked = || self.api.asked("/api/v1/pods").len();
        let (before, mut settled) = (asked(), 0);
        while settled < 20 {
            sleep(Duration::from_millis(100)).await;
            settled = if asked() > before && self.api.watches("pods") > 0 { settled + 1 } else { 0 };
        }
    }

    async fn start(pods: impl Iterator<Item = Value>, more: &[&str]) -> Self {
        let api = cluster_of(pods).await;
        let [secure, write, admin] = free_addresses();
        let directory = tempfile::tempdir().unwrap();
        let manifest = include_str!("../../deploy/k8s/deployment.yaml");
        let child = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
            .args(flags(manifest))
            .envs(environment())
            .args([format!("--secure-listen={secure}"), format!("--write-listen={write}")])
            .arg(format!("--admin-listen={admin}"))
            .arg(format!("--cert-dir={}", directory.path().display()))
            .arg(format!("--kubeconfig={}", api.kubeconfig().display()))
            .args(more)
            .arg("--log-level=error")
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let limit = memory_limit(manifest);
        Self { child, secure, admin, limit, _directory: directory, api }
    }

    /// MiB that are resident now, and that were at most.
    pub(crate) fn memory(&self) -> [u64; 2] {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
        })
    }

    pub(crate) async fn livez(&self) -> u16 {
        self.page("/livez").await.map_or(0, |page| page.status().as_u16())
    }

    async fn page(&self, path: &str) -> Option<reqwest::Response> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(format!("http://{}{path}", self.admin)).send().await.ok()
    }

    /// Waits until it has so many targets.
    async fn knows(&self, targets: usize) {
        let known = async {
            while self.targets().await != Some(targets) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, known).await.expect("it follows the pods");
    }

    async fn targets(&self) -> Option<usize> {
        let page = self.page("/targets?format=json&limit=1").await?;
        page.headers().get("x-total-count")?.to_str().ok()?.parse().ok()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bounds that the manifest sets.
fn flags(manifest: &str) -> Vec<String> {
    let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
    let bounds = lines.windows(2).filter_map(|pair| {
        let name = pair[0].strip_prefix("- name: CMA_")?.to_lowercase().replace('_', "-");
        let value = pair[1].strip_prefix("value: ")?.trim_matches('"');
        let bounds = name.starts_with("max-") || name.starts_with("scrape-max-");
        bounds.then(|| format!("--{name}={value}"))
    });
    let flags: Vec<String> = bounds.collect();
    assert!(flags.len() >= 3, "{flags:?}");
    flags
}

/// What the image sets.
fn environment() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../../deploy/Dockerfile").lines();
    let set: Vec<_> = lines.filter_map(|line| line.strip_prefix("ENV ")?.split_once('=')).collect();
    assert!(!set.is_empty(), "the image bounds what the allocator keeps");
    set
}

fn memory_limit(manifest: &str) -> u64 {
    let limits = manifest.split("limits:").nth(1).unwrap();
    let memory = limits.lines().find_map(|line| line.trim().strip_prefix("memory: ")).unwrap();
    memory.strip_suffix("Mi").unwrap().parse().unwrap()
}

/// A kube-apiserver that knows these pods, trusts an authority, and allows nothing.
async fn cluster_of(pods: impl Iterator<Item = Value>) -> KubeApi {
    let api = KubeApi::start().await;
    pods.for_each(|pod| api.apply("pods", pod));
    api.apply("configmaps", trust());
    api.answer("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", |_| {
        (201, json!({"status": {"allowed": false}}))
    });
    api
}

/// With the labels that a pod of a chart has.
fn labelled(number: usize) -> Value {
    let release = number / 20;
    let labels = format!(
        "app.kubernetes.io/name=web,app.kubernetes.io/instance=release-{release},app.kubernetes.io/component=api,\
         app.kubernetes.io/part-of=shop,app.kubernetes.io/managed-by=Helm,app.kubernetes.io/version=1.2.3,\
         helm.sh/chart=web-1.2.3,pod-template-hash=7c9d5f6b8{release}"
    );
    pod(&format!("team-{}", number % 100), &format!("web-7c9d5f6b8{release}-x{number:05}"), &labels)
}

/// Scraped so rarely that the scrapes, which nobody answers, are no load.
fn annotated(number: usize) -> Value {
    let mut pod = pod("load", &format!("pod-{number:05}"), "app=web,tier=front,version=v1");
    let ip = format!("127.{}.{}.{}", 10 + number / 62_500, number / 250 % 250, 1 + number % 250);
    pod["status"]["podIP"] = ip.into();
    pod["metadata"]["annotations"] = json!({
        "prometheus.io/scrape": "true", "prometheus.io/port": "9", "prometheus.io/interval": "300s",
    });
    pod
}

fn trust() -> Value {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    json!({
        "metadata": {"namespace": "kube-system", "name": "extension-apiserver-authentication"},
        "data": {"requestheader-client-ca-file": authority},
    })
}

/// Three addresses where nobody listens.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
