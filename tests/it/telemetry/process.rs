//! The binary, run without a cluster.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::support::{seen, within};

/// A running adapter; it is killed when the value goes.
pub(crate) struct Process {
    child: Killed,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) secure: SocketAddr,
    pub(crate) write: SocketAddr,
    pub(crate) admin: SocketAddr,
    directory: tempfile::TempDir,
}

impl Process {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_with(&[&["--standalone"], flags].concat(), environment).await
    }

    /// The same, in the cluster or without one as the flags say.
    pub(crate) async fn start_with(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
        command
            .args(["--secure-listen=127.0.0.1:0", "--write-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--shutdown-delay=0s", "--shutdown-grace=1s"])
            .arg(format!("--cert-dir={}", directory.path().display()))
            .args(flags)
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = Killed(command.spawn().unwrap());
        let stderr = BufReader::new(child.0.stderr.take().unwrap());
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = lines.clone();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| kept.lock().push(line));
        });
        let start = seen("it says where it listens", || {
            lines.lock().iter().find(|line| line.contains("custom-metrics-adapter listens")).cloned()
        });
        let start = start.await;
        let [secure, write, admin] = ["secure", "write", "admin"].map(|name| address(&start, name));
        Self { child, lines, secure, write, admin, directory }
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// A client that trusts its certificate.
    pub(crate) fn client(&self) -> reqwest::Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let path: PathBuf = self.directory.path().join("ca.crt");
        let authority = reqwest::Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap()
    }

    /// The status of a read of a metric of a pod in `default`, with these headers.
    pub(crate) async fn read(&self, client: &reqwest::Client, path: &str, traceparent: Option<&str>) -> u16 {
        let url = format!(
            "https://localhost:{}/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/{path}",
            self.secure.port()
        );
        let mut request = client.get(url);
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        within("a read", request.send()).await.unwrap().status().as_u16()
    }

    /// The status of a write.
    pub(crate) async fn post(&self, path: &str, body: &'static str, traceparent: Option<&str>) -> u16 {
        let mut request = self
            .client()
            .post(format!("http://{}/write-metrics/namespaces/default/{path}", self.write))
            .body(body);
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        within("a write", request.send()).await.unwrap().status().as_u16()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        seen("it ends", || self.child.0.try_wait().unwrap()).await.code()
    }
}

/// Killed when it goes, also when the test fails before the start is complete.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `name=127.0.0.1:1` or `"name":"127.0.0.1:1"` of a line.
fn address(line: &str, name: &str) -> SocketAddr {
    let after = [format!("{name}="), format!("\"{name}\":\"")]
        .into_iter()
        .find_map(|key| line.split(&key).nth(1).map(str::to_owned));
    let after = after.unwrap_or_else(|| panic!("no {name} in {line}"));
    after.split([' ', '"']).next().unwrap().parse().unwrap()
}
