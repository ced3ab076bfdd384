//! A real process with `--journal=file:`, killed in the middle of its work, and on a disk without room.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::support::within;

/// An adapter without a cluster; killed when the value goes.
struct Adapter {
    child: Child,
    write: String,
    admin: String,
}

impl Adapter {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
        command.args(arguments(folder));
        Self::spawned(command)
    }

    /// On a volume of so many bytes, which only this process sees.
    fn start_on_small_volume(folder: &Path, bytes: usize) -> Self {
        let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", &mount]).arg(folder);
        command.arg(env!("CARGO_BIN_EXE_custom-metrics-adapter")).args(arguments(folder));
        Self::spawned(command)
    }

    fn spawned(mut command: Command) -> Self {
        command
            .env_remove("RUST_LOG")
            .env("CMA_LOG_FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut heard = String::new();
        let listens = loop {
            let Some(Ok(line)) = log.next() else { panic!("it ended:\n{heard}") };
            if line.contains("custom-metrics-adapter listens") {
                break serde_json::from_str::<serde_json::Value>(&line).unwrap();
            }
            heard.push_str(&line);
            heard.push('\n');
        };
        std::thread::spawn(move || log.for_each(drop));
        let address = |name: &str| {
            let field =
                listens.get("fields").and_then(|fields| fields.get(name)).or_else(|| listens.get(name));
            field.and_then(serde_json::Value::as_str).unwrap().to_owned()
        };
        Self { child, write: address("write"), admin: address("admin") }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn page(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin);
        client().get(url).send().await.unwrap().text().await.unwrap()
    }

    async fn post(&self, client: &reqwest::Client, object: &str, body: String) -> Option<reqwest::Response> {
        let url = format!("http://{}/write-metrics/namespaces/default/pods/{object}/m", self.write);
        client.post(url).body(body).send().await.ok()
    }

    /// The stored values by object.
    async fn values(&self, client: &reqwest::Client) -> HashMap<String, u64> {
        let url = format!("http://{}/series?format=json", self.admin);
        let page = client.get(url).send().await.unwrap().text().await.unwrap();
        let page: serde_json::Value = serde_json::from_str(&page).unwrap();
        let series = page["series"].as_array().unwrap().iter();
        series
            .map(|series| {
                let text = |name: &str| series[name].as_str().unwrap().to_owned();
                (text("name"), text("value").parse().unwrap())
            })
            .collect()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(folder: &Path) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["secure", "write", "admin"].map(|listener| format!("--{listener}-listen=127.0.0.1:0")).to_vec();
    arguments.push("--standalone".to_owned());
    arguments.push(format!("--cert-dir={}", folder.join("certificates").display()));
    arguments.push(format!("--journal=file:{}", folder.join("journal").display()));
    arguments
}

fn client() -> reqwest::Client {
    // Fails when another test of this process was first, with the same provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The newest number of each object: offered, and acknowledged.
#[derive(Default)]
struct Numbers(Mutex<HashMap<String, (u64, u64)>>);

impl Numbers {
    fn offer(&self, object: &str) -> u64 {
        let mut numbers = self.0.lock().unwrap();
        let (offered, _) = numbers.entry(object.to_owned()).or_default();
        *offered += 1;
        *offered
    }

    fn acknowledged_most(&self) -> u64 {
        self.0.lock().unwrap().values().map(|(_, acknowledged)| *acknowledged).max().unwrap_or_default()
    }

    fn acknowledge(&self, object: &str, number: u64) {
        self.0.lock().unwrap().get_mut(object).unwrap().1 = number;
    }
}

/// Writes rising numbers for one object until told to stop, or until the adapter is gone.
async fn write_on(adapter: Arc<Adapter>, object: String, numbers: Arc<Numbers>, stop: Arc<AtomicBool>) {
    let client = client();
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.offer(&object);
        match adapter.post(&client, &object, number.to_string()).await {
            Some(response) if response.status().is_success() => numbers.acknowledge(&object, number),
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledged_value_survives_kill_9_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = Arc::new(Numbers::default());
    for round in 0..ROUNDS {
        let adapter = Arc::new(Adapter::start(folder.path()));
        check(&adapter, &numbers).await;
        kill_while_writing(adapter, &numbers, 1 + 7 * round).await;
    }
    check(&Adapter::start(folder.path()), &numbers).await;
}

/// Kills the adapter when a writer has come this many writes further, while all writers are at work.
async fn kill_while_writing(adapter: Arc<Adapter>, numbers: &Arc<Numbers>, writes: u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let goal = numbers.acknowledged_most() + writes;
    let writers: Vec<_> = (0..WRITERS)
        .map(|at| tokio::spawn(write_on(adapter.clone(), format!("p{at}"), numbers.clone(), stop.clone())))
        .collect();
    within("the writers come forward", async {
        while numbers.acknowledged_most() < goal {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let process = adapter.child.id().to_string();
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    Arc::into_inner(adapter).unwrap().kill();
}

/// Every number is the one that was acknowledged last, or one that was offered after it.
async fn check(adapter: &Adapter, numbers: &Numbers) {
    let values = adapter.values(&client()).await;
    for (object, (offered, acknowledged)) in numbers.0.lock().unwrap().iter() {
        let stored = values.get(object).copied().unwrap_or_default();
        assert!(
            (*acknowledged..=*offered).contains(&stored),
            "{object}: {acknowledged} was acknowledged, {offered} offered, and {stored} is stored"
        );
    }
}

/// The port of an address that nobody listens at now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What the API says of one object: `None` while nobody answers, else the status and the value.
async fn read(client: &reqwest::Client, secure: u16, object: &str) -> Option<(u16, serde_json::Value)> {
    let path = format!("apis/custom.metrics.k8s.io/v1beta1/namespaces/default/pods/{object}/m");
    let answer = client.get(format!("https://localhost:{secure}/{path}")).send().await.ok()?;
    let status = answer.status().as_u16();
    let body: serde_json::Value = serde_json::from_str(&answer.text().await.ok()?).unwrap();
    Some((status, body["items"][0]["value"].clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_kill_9_no_acknowledged_value_is_ever_absent() {
    let folder = tempfile::tempdir().unwrap();
    let (secure, admin) = (free_port(), free_port());
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
        command.args(arguments(folder.path()).into_iter().skip(3));
        command.args([
            format!("--secure-listen=127.0.0.1:{secure}"),
            format!("--admin-listen=127.0.0.1:{admin}"),
        ]);
        command.arg("--write-listen=127.0.0.1:0");
        command
    };
    let adapter = Adapter::spawned(start());
    for part in 0..10 {
        let line = |at: usize| serde_json::json!({"namespace": "default", "resource": "pods", "name": format!("p{at}"), "metric": "m", "value": at * 2 + 1});
        let lines: Vec<String> = (part * 1_000..(part + 1) * 1_000).map(|at| line(at).to_string()).collect();
        let url = format!("http://{}/write-metrics", adapter.write);
        let answer = client().post(url).body(lines.join("\n")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    adapter.kill();

    // Its log is read by nobody before it listens, so that the reads below begin first.
    let mut again = start();
    let child =
        again.env("CMA_LOG_LEVEL", "error").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (write, address) = (String::new(), |port: u16| format!("127.0.0.1:{port}"));
    let again = Adapter { child, write, admin: address(admin) };
    let plain = client();
    let authority = std::fs::read(folder.path().join("certificates/ca.crt")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let (mut answers, mut reads) = (0, 0);
    within("a hundred reads are answered", async {
        while answers < 100 {
            let probe = plain.get(format!("http://{}/readyz", again.admin)).send().await;
            let is_ready = probe.is_ok_and(|answer| answer.status().is_success());
            let at = (reads * 7_919) % 10_000;
            reads += 1;
            let answer = read(&trusting, secure, &format!("p{at}")).await;
            assert!(!is_ready || answer.is_some(), "ready, and no answer");
            // Odd, so that no thousand is written as 1k.
            let expected = (200, serde_json::Value::from((at * 2 + 1).to_string()));
            assert_eq!(answer.as_ref().unwrap_or(&expected), &expected, "read {reads}");
            answers += usize::from(answer.is_some());
        }
    })
    .await;
    let metrics = again.page("/metrics").await;
    for line in [
        "journal_durable 1",
        "journal_up 1",
        "journal_restored_values 10000",
        "journal_restore_dropped_values{reason=\"expired\"} 0",
    ] {
        assert!(metrics.contains(&format!("\ncustom_metrics_adapter_{line}\n")), "{line}:\n{metrics}");
    }
    assert!(again.page("/").await.contains("10,000 values came back and 0 did not"));
}

#[tokio::test]
async fn commits_are_counted_and_shown_and_a_full_volume_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::start_on_small_volume(folder.path(), 4 << 20);
    let client = client();
    assert_eq!(adapter.post(&client, "p", "1".to_owned()).await.unwrap().status(), 200);
    let up = adapter.page("/metrics").await;
    assert!(up.contains("journal_commits_total{operation=\"write\",result=\"ok\"} 1"), "{up}");
    assert!(up.contains("journal_commit_duration_seconds_count{operation=\"write\"} 1"), "{up}");
    assert!(up.contains("adapter_journal_up 1") && up.contains("journal_transactions_total 1"), "{up}");
    let page = adapter.page("/").await;
    assert!(page.contains("ok; last commit ") && !page.contains("are gone"), "{page}");

    let line = |at: usize| {
        let labels = std::collections::BTreeMap::from([("label", format!("{at}-{}", "x".repeat(50)))]);
        serde_json::json!({"namespace": "a", "resource": "pods", "name": format!("p{at}"), "metric": "m", "value": 1, "labels": labels})
    };
    let mut written = 0;
    let url = format!("http://{}/write-metrics", adapter.write);
    let status = loop {
        let lines: Vec<String> = (written..written + 1_000).map(|at| line(at).to_string()).collect();
        let status = client.post(&url).body(lines.join("\n")).send().await.unwrap().status();
        written += 1_000;
        if !status.is_success() {
            break status;
        }
        assert!(written < 200_000, "the volume is never full");
    };
    assert_eq!(status, 507);
    let down = adapter.page("/metrics").await;
    assert!(down.contains("adapter_journal_up 0") && down.contains("result=\"full\"} 1"), "{down}");
    assert!(adapter.page("/").await.contains("the journal is full"));
}

#[tokio::test]
async fn on_a_full_disk_new_writes_are_507_and_what_was_acknowledged_stays() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::start_on_small_volume(folder.path(), 4 << 20);
    let client = client();
    let mut acknowledged = HashMap::new();
    let label = "x".repeat(60);
    let refusal = loop {
        let object = format!("p{}", acknowledged.len());
        let labels: serde_json::Map<_, _> =
            (0..40).map(|at| (format!("label{at}"), serde_json::Value::from(label.clone()))).collect();
        let body = serde_json::json!({"value": acknowledged.len(), "labels": labels}).to_string();
        let response = adapter.post(&client, &object, body).await.unwrap();
        if !response.status().is_success() {
            break response;
        }
        acknowledged.insert(object, u64::try_from(acknowledged.len()).unwrap());
        assert!(acknowledged.len() < 10_000, "the volume is never full");
    };
    assert_eq!(refusal.status(), 507);
    let text = refusal.text().await.unwrap();
    assert!(text.contains("the journal is full") && text.contains("nothing was stored"), "{text}");
    assert!(acknowledged.len() > 10, "{text}");
    let stored = adapter.values(&client).await;
    assert_eq!(stored.len(), acknowledged.len().min(200), "the page shows two hundred");
    assert!(stored.iter().all(|(object, value)| acknowledged.get(object) == Some(value)));
    let deleted =
        client.delete(format!("http://{}/write-metrics/namespaces/default/pods/p0/m", adapter.write));
    let status = deleted.send().await.unwrap().status();
    assert!(status.is_success() || status == 507, "{status}");
}

#[tokio::test]
async fn a_damaged_file_ends_the_start_with_its_path_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    Adapter::start(folder.path()).kill();
    let file = folder.path().join("journal/written-values.redb");
    std::fs::write(&file, b"not a database").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
    let ended = command.args(arguments(folder.path())).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains(file.to_str().unwrap()) && said.contains("move it away"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), b"not a database");
}

const ROUNDS: u64 = 12;
const WRITERS: usize = 8;
