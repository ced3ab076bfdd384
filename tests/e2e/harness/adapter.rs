use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use super::{Answer, ControlPlane, eventually};

/// The adapter's binary, with the rights of its ServiceAccount; it is told to end when the value goes.
pub(crate) struct Adapter {
    process: Child,
    direct: Direct,
}

/// The ways to an adapter, past kube-apiserver.
#[derive(Clone)]
pub(crate) struct Direct {
    plane_directory: PathBuf,
    directory: PathBuf,
    addresses: HashMap<String, String>,
}

/// Who reads from the adapter directly, past kube-apiserver.
pub(crate) enum Caller<'a> {
    Anonymous,
    /// A header of the front proxy's without its certificate.
    Impostor(&'a str),
    /// kube-apiserver, on behalf of a user of these groups.
    FrontProxy {
        user: &'a str,
        groups: &'a [&'a str],
    },
    /// kube-apiserver's certificate without saying on whose behalf.
    FrontProxyForNobody,
    /// A certificate of the cluster's own CA by its file name.
    Certificate(&'a str),
    Token(&'a str),
}

impl Caller<'_> {
    /// What kube-apiserver itself is when it probes: allowed without a review.
    pub(crate) const AGGREGATOR: Self =
        Caller::FrontProxy { user: "system:kube-aggregator", groups: &["system:masters"] };
}

impl Adapter {
    /// The one that the shared control plane's APIServices lead to; it scrapes simulated pods. It runs until `tests/e2e.sh` stops the plane.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Adapter> = OnceLock::new();
        SHARED.get_or_init(|| {
            let adapter = Self::start(
                ControlPlane::shared(),
                "shared",
                &["--scrape-allow-loopback", "--scrape-monitors"],
            );
            ControlPlane::shared().adapter_script(&["register", "shared"]);
            adapter
        })
    }

    /// Another one beside `plane`, which no APIService leads to; returns once it is ready.
    pub(crate) fn start(plane: &ControlPlane, name: &str, flags: &[&str]) -> Self {
        Self::start_in(&[], plane, name, flags)
    }

    /// The same with variables of the environment.
    pub(crate) fn start_in(
        environment: &[(&str, &str)],
        plane: &ControlPlane,
        name: &str,
        flags: &[&str],
    ) -> Self {
        let directory = plane.directory().join("adapters").join(name);
        fs::create_dir_all(&directory).expect("the directory can be made");
        let log = File::create(directory.join("adapter.log")).expect("the log can be written");
        let words = [&["run", name, env!("CARGO_BIN_EXE_custom-metrics-adapter")], flags].concat();
        let process = plane
            .adapter_command(&words)
            .envs(environment.iter().copied())
            .stdout(log.try_clone().expect("a log has two handles"))
            .stderr(log)
            .spawn()
            .expect("the adapter starts");
        let plane_directory = plane.directory().to_owned();
        let mut adapter =
            Self { process, direct: Direct { plane_directory, directory, addresses: HashMap::new() } };
        adapter.wait_until_ready();
        plane.adapter_script(&["ca", name]);
        adapter
    }

    /// Posts as users do: `path` under `/write-metrics`, curl's own Content-Type.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.direct.post(path, body)
    }

    /// Writes a value that must be accepted. Of an object that the watch has not shown yet the answer says so.
    pub(crate) fn write(&self, path: &str, body: &str) {
        let answer = self.post(path, body);
        let is_plain = answer.body.is_empty() || answer.body.starts_with("stored, and no read can see it");
        assert!(answer.status == 200 && is_plain, "POST {path} {body}: {answer:?}");
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        Answer::to_curl(&["--request", "DELETE", &self.direct.write_url(path)])
    }

    /// Reads `path` over TLS, checking the certificate for the Service's DNS name.
    pub(crate) fn read(&self, path: &str, caller: &Caller<'_>) -> Answer {
        self.direct.read(path, caller)
    }

    /// Posts to the port of the metrics API, as `caller`.
    pub(crate) fn post_as(&self, path: &str, body: &str, caller: &Caller<'_>) -> Answer {
        self.direct.ask(&["--data", body], &format!("/write-metrics{path}"), caller)
    }

    /// Deletes there.
    pub(crate) fn delete_as(&self, path: &str, caller: &Caller<'_>) -> Answer {
        self.direct.ask(&["--request", "DELETE"], &format!("/write-metrics{path}"), caller)
    }

    /// The same ways for another thread.
    pub(crate) fn direct(&self) -> Direct {
        self.direct.clone()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Reads `path` of the admin port.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        Answer::to_curl(&[&format!("http://{}{path}", self.address("ADMIN"))])
    }

    /// `HOST:PORT` of the write port.
    pub(crate) fn write_address(&self) -> &str {
        self.address("WRITE")
    }

    pub(crate) fn has_exited(&mut self) -> bool {
        self.process.try_wait().expect("a child can be waited for").is_some()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh runs").success());
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("a child can be waited for");
    }

    /// The status that it ends with, which must come by itself.
    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        eventually("the adapter ends", Duration::from_secs(60), || {
            self.process.try_wait().expect("a child can be waited for").ok_or("it runs".to_owned())
        })
    }

    /// `HOST:PORT` of SECURE, WRITE or ADMIN.
    pub(crate) fn address(&self, listener: &str) -> &str {
        self.direct.address(listener)
    }

    fn wait_until_ready(&mut self) {
        eventually("the adapter is ready", Duration::from_secs(30), || {
            assert!(!self.has_exited(), "the adapter ended: {}", self.log());
            self.direct.addresses =
                addresses(&self.direct.directory.join("addresses")).ok_or("no addresses yet")?;
            let answer = self.admin("/readyz");
            if answer.status == 200 { Ok(()) } else { Err(answer.body) }
        });
    }

    /// The lines of its log that have all of these words.
    pub(crate) fn log_lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }

    /// How many bytes its log has.
    pub(crate) fn log_length(&self) -> usize {
        self.log().len()
    }

    /// The log from this byte on.
    pub(crate) fn log_from(&self, length: usize) -> String {
        self.log().split_off(length)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.direct.directory.join("adapter.log")).unwrap_or_default()
    }
}

impl Direct {
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        Answer::to_curl(&["--data", body, &self.write_url(path)])
    }

    pub(crate) fn read(&self, path: &str, caller: &Caller<'_>) -> Answer {
        self.ask(&[], path, caller)
    }

    /// Asks the port of the metrics API.
    fn ask(&self, arguments: &[&str], path: &str, caller: &Caller<'_>) -> Answer {
        let host = "custom-metrics-apiserver.custom-metrics.svc";
        let (ip, port) = self.address("SECURE").rsplit_once(':').expect("HOST:PORT");
        let authority = self.directory.join("certificates/ca.crt");
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.extend([
            "--cacert".to_owned(),
            authority.display().to_string(),
            "--resolve".to_owned(),
            format!("{host}:{port}:{ip}"),
            format!("https://{host}:{port}{path}"),
        ]);
        arguments.extend(self.credentials(caller));
        Answer::to_curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn write_url(&self, path: &str) -> String {
        format!("http://{}/write-metrics{path}", self.address("WRITE"))
    }

    fn address(&self, listener: &str) -> &str {
        &self.addresses[listener]
    }

    fn credentials(&self, caller: &Caller<'_>) -> Vec<String> {
        match caller {
            Caller::Anonymous => vec![],
            Caller::Impostor(user) => vec!["--header".to_owned(), format!("X-Remote-User: {user}")],
            Caller::FrontProxyForNobody => self.certificate("front-proxy-client"),
            Caller::FrontProxy { user, groups } => {
                let mut arguments = self.certificate("front-proxy-client");
                let groups = groups.iter().map(|group| format!("X-Remote-Group: {group}"));
                let headers = groups.chain([format!("X-Remote-User: {user}")]);
                arguments.extend(headers.flat_map(|header| ["--header".to_owned(), header]));
                arguments
            }
            Caller::Certificate(name) => self.certificate(name),
            Caller::Token(token) => vec!["--header".to_owned(), format!("Authorization: Bearer {token}")],
        }
    }

    fn certificate(&self, name: &str) -> Vec<String> {
        let file =
            |extension| self.plane_directory.join(name).with_extension(extension).display().to_string();
        vec!["--cert".to_owned(), file("crt"), "--key".to_owned(), file("key")]
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        if !self.has_exited() {
            self.terminate();
            let _ = self.process.wait();
        }
    }
}

/// The lines `NAME=HOST:PORT` that `adapter.sh run` writes before it becomes the adapter.
fn addresses(file: &Path) -> Option<HashMap<String, String>> {
    let text = fs::read_to_string(file).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let addresses: HashMap<_, _> =
        pairs.map(|(name, address)| (name.to_owned(), address.to_owned())).collect();
    (addresses.len() == 3).then_some(addresses)
}
