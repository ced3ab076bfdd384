//! The start of the binary: what it says and answers before everything is there.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{eventually, seen};

/// An adapter that has been started, and may never be ready; killed when the value goes.
struct Starting {
    child: Child,
    admin: SocketAddr,
    directory: tempfile::TempDir,
}

impl Starting {
    /// Begins to start, against a kube-apiserver at `server`.
    fn against(server: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(server)).unwrap();
        let admin = free_address();
        let child = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
            .args(["--secure-listen=127.0.0.1:0", "--write-listen=127.0.0.1:0"])
            .arg(format!("--admin-listen={admin}"))
            .arg(format!("--cert-dir={}", directory.path().display()))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, admin, directory }
    }

    /// What the admin port answers, once it does.
    async fn page(&self, path: &str) -> (u16, String) {
        self.says(path, "").await
    }

    /// Waits until a page says this.
    async fn says(&self, path: &str, words: &str) -> (u16, String) {
        let mut page = None;
        eventually("the page says it", async || {
            page = self.asked(path).await.filter(|(_, text)| text.contains(words));
            page.is_some()
        })
        .await;
        page.unwrap()
    }

    async fn asked(&self, path: &str) -> Option<(u16, String)> {
        // Fails when another test was first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}{path}", self.admin)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Its exit code and its log.
    async fn ended(&mut self) -> (Option<i32>, String) {
        let code = seen("it ends", || self.child.try_wait().unwrap()).await.code();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (code, log)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kubeconfig_of(server: SocketAddr) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{server}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "users": [{"name": "c", "user": {}}],
    })
    .to_string()
}

/// An address where nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_signal_ends_a_start_that_waits_for_a_silent_or_absent_kube_apiserver() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for server in [silent.local_addr().unwrap(), free_address()] {
        let mut adapter = Starting::against(server);
        adapter.page("/livez").await;
        adapter.terminate();
        let began = Instant::now();
        let (code, log) = adapter.ended().await;
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("shut down before the start was complete"), "{log}");
        // Not a measurement: the wait for kube-apiserver alone takes a minute.
        assert!(began.elapsed() < Duration::from_secs(30), "{log}");
    }
}

#[tokio::test]
async fn while_it_starts_the_admin_port_is_alive_and_not_ready_and_says_why() {
    let server = free_address();
    let adapter = Starting::against(server);
    assert_eq!(adapter.page("/livez").await.0, 200);
    let (code, checks) = adapter.page("/readyz?verbose").await;
    assert_eq!(code, 500);
    assert!(checks.contains("[-]startup failed"), "{checks}");
    let (code, page) = adapter.says("/", "ConfigMap").await;
    assert_eq!(code, 503);
    for word in ["kube-system/extension-apiserver-authentication", &server.to_string(), "Connection refused"]
    {
        assert!(page.contains(word), "{word} is not in {page}");
    }
}

#[tokio::test]
async fn each_wait_for_kube_apiserver_is_logged_with_address_and_cause() {
    let server = free_address();
    let mut adapter = Starting::against(server);
    let mut lines = BufReader::new(adapter.child.stderr.take().unwrap()).lines();
    let waiting = lines.find_map(|line| line.ok().filter(|line| line.contains("waiting for ConfigMap")));
    let waiting = waiting.unwrap();
    assert!(waiting.contains(&format!("http://{server}/")), "{waiting}");
    assert!(waiting.contains("Connection refused"), "{waiting}");
    assert!(adapter.directory.path().exists());
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_wrong_flag_end_the_start_with_one_line_and_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--write-listen={}", taken.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let certificates = format!("--cert-dir={}", directory.path().display());
    for (flags, said) in [
        (
            vec![&*address, "--admin-listen=127.0.0.1:0", "--secure-listen=127.0.0.1:0"],
            "Address already in use",
        ),
        (vec!["--scrape-timeout=1m"], "--scrape-timeout is 1m, which is more than --scrape-interval (15s)"),
        (
            vec!["--max-connections=0"],
            "invalid value '0' for '--max-connections <COUNT>': it must be at least 1",
        ),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
            .args(["--standalone", &*certificates])
            .args(flags)
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{log}");
        assert!(log.contains(said), "{log}");
    }
}

/// The one line with which it ends, its configuration being this file.
fn refused(text: &str, flags: &[&str], environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("adapter.yaml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
    command.args(flags).env("CMA_CONFIG", file).envs(environment.iter().copied());
    let ended = command.output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!((ended.status.code(), log.lines().count()), (Some(2), 1), "{log}");
    log
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = "max-series: 5\nmax-series-per-object: 9";
    let environment = [("CMA_MAX_SERIES", "4")];
    for (flags, environment, limit) in [
        (&[][..], &[][..], "--max-series (5)"),
        (&[], &environment, "--max-series (4)"),
        (&["--max-series=3"], &environment, "--max-series (3)"),
    ] {
        let said = refused(file, flags, environment);
        assert!(said.contains(limit), "{said}");
    }
}

#[test]
fn a_wrong_file_of_flags_ends_the_start_with_one_line_and_code_2() {
    for (text, said) in [
        ("scrape-intervall: 5s", "adapter.yaml: scrape-intervall is no flag: did you mean scrape-interval?"),
        ("max-series: many", "adapter.yaml: max-series: it takes a whole number, and this is text"),
        ("request-timeout: 5m", "adapter.yaml: request-timeout: invalid value '5m' for '--request-timeout"),
    ] {
        let line = refused(text, &[], &[]);
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn completion_and_manual_page_go_to_stdout() {
    for (arguments, word) in [(&["completion", "zsh"][..], "#compdef"), (&["man"], ".TH")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
        let ended = command.args(arguments).output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty());
        assert!(String::from_utf8_lossy(&ended.stdout).contains(word));
    }
}
