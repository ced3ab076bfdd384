use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Answer, Namespace};

/// A running control plane, see `tests/control-plane/control-plane.sh`.
pub(crate) struct ControlPlane {
    directory: PathBuf,
    apiserver_flags: &'static str,
    ip_family: &'static str,
    ours: bool,
}

impl ControlPlane {
    /// The one that `tests/e2e.sh` started for all tests.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| Self {
            directory: shared_directory(),
            apiserver_flags: "",
            ip_family: "ipv4",
            ours: false,
        })
    }

    /// Another one, for a test that takes parts of it away; it ends with the value.
    pub(crate) fn start(name: &str) -> Self {
        Self::new(name).started()
    }

    /// Another one, on which nothing of the adapter is installed.
    pub(crate) fn bare(name: &str) -> Self {
        let plane = Self::new(name);
        plane.control("start");
        plane
    }

    /// Another one that has no IPv4 at all.
    pub(crate) fn of_ipv6(name: &str) -> Self {
        let mut plane = Self::new(name);
        plane.ip_family = "ipv6";
        plane.started()
    }

    fn new(name: &str) -> Self {
        Self { directory: own_directory(name), apiserver_flags: "", ip_family: "ipv4", ours: true }
    }

    /// The same, with a kube-apiserver that traces every request and sends its spans to `collector` by gRPC.
    pub(crate) fn traced(name: &str, collector: SocketAddr) -> Self {
        let configuration = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "TracingConfiguration",
            "endpoint": collector.to_string(),
            "samplingRatePerMillion": 1_000_000,
        });
        let directory = own_directory(name);
        fs::create_dir_all(&directory).expect("the directory can be made");
        fs::write(directory.join("tracing.json"), configuration.to_string()).expect("a file can be written");
        let mut plane = Self::new(name);
        plane.apiserver_flags = "--tracing-config-file=tracing.json";
        plane.started()
    }

    fn started(self) -> Self {
        self.control("start");
        self.adapter_script(&["install"]);
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new namespace; `name` is one that no other test uses.
    pub(crate) fn namespace(&'static self, name: &str) -> Namespace<'static> {
        Namespace::create(self, name)
    }

    /// The output of a kubectl command, as admin; its words are separated by blanks.
    pub(crate) fn kubectl(&self, words: &str) -> String {
        self.try_kubectl(words).unwrap_or_else(|problem| panic!("kubectl {words}: {problem}"))
    }

    /// The output of a kubectl command, or what it wrote to stderr when it failed.
    pub(crate) fn try_kubectl(&self, words: &str) -> Result<String, String> {
        finished(self.kubectl_command().args(words.split_whitespace()))
    }

    /// The same by a kubectl that has cached nothing of discovery.
    pub(crate) fn try_fresh_kubectl(&self, words: &str) -> Result<String, String> {
        let cache = tempfile::tempdir().expect("a directory can be made");
        finished(self.kubectl_command().env("KUBECACHEDIR", cache.path()).args(words.split_whitespace()))
    }

    /// The output of a script of the project that applies things as admin, or what it wrote to stderr when it failed.
    pub(crate) fn try_script(&self, path: &str) -> Result<String, String> {
        let script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        finished(&mut self.as_admin(script))
    }

    /// Creates or changes an object.
    pub(crate) fn apply(&self, object: &Value) {
        let mut kubectl = self.kubectl_command();
        kubectl.args(["apply", "--filename", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = kubectl.spawn().expect("kubectl runs");
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(object.to_string().as_bytes())
            .expect("kubectl reads");
        assert!(child.wait().expect("kubectl ends").success(), "kubectl apply of {object}");
    }

    /// Creates the objects of a list that are not there yet.
    pub(crate) fn try_create(&self, list: &Value) -> Result<(), String> {
        let mut kubectl = self.kubectl_command();
        kubectl.args(["create", "--filename", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = kubectl.stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let text = list.to_string();
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string())?;
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// An answer of kube-apiserver to admin.
    pub(crate) fn curl(&self, arguments: &[&str], path: &str) -> Answer {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let written = |name: &str| fs::read_to_string(file(name)).expect("it is written at the start");
        let (host, port) = (written("host"), written("port"));
        let (authority, certificate, key) = (file("ca.crt"), file("admin.crt"), file("admin.key"));
        let credentials = ["--cacert", &authority, "--cert", &certificate, "--key", &key];
        let url = format!("https://{}:{}{path}", host.trim(), port.trim());
        Answer::to_curl(&[&credentials[..], arguments, &[&url]].concat())
    }

    /// Takes kube-apiserver away; everything else goes on.
    pub(crate) fn stop_apiserver(&self) {
        self.control("stop-apiserver");
    }

    /// Brings it back at the same address; returns once it is ready.
    pub(crate) fn start_apiserver(&self) {
        self.control("start-apiserver");
    }

    /// Runs `tests/control-plane/adapter.sh VERB PLANE …`.
    pub(crate) fn adapter_script(&self, words: &[&str]) {
        let mut script = self.adapter_command(words);
        finished(&mut script).unwrap_or_else(|problem| panic!("adapter.sh {words:?}: {problem}"));
    }

    pub(crate) fn adapter_command(&self, words: &[&str]) -> Command {
        let (verb, rest) = words.split_first().expect("a verb");
        let mut script = Command::new(control_plane_script("adapter.sh"));
        script.arg(verb).arg(&self.directory).args(rest);
        script
    }

    fn kubectl_command(&self) -> Command {
        let assets = std::env::var("KUBEBUILDER_ASSETS").expect("tests/e2e.sh sets KUBEBUILDER_ASSETS");
        self.as_admin(Command::new(Path::new(&assets).join("kubectl")))
    }

    fn as_admin(&self, mut command: Command) -> Command {
        command.env("KUBECONFIG", self.directory.join("admin.kubeconfig"));
        command.env("KUBECACHEDIR", self.directory.join("kubectl.cache"));
        command
    }

    fn control(&self, verb: &str) {
        let mut script = Command::new(control_plane_script("control-plane.sh"));
        script.arg(verb).arg(&self.directory);
        script
            .env("OWNER_PID", id().to_string())
            .env("APISERVER_FLAGS", self.apiserver_flags)
            .env("IP_FAMILY", self.ip_family);
        finished(&mut script).unwrap_or_else(|problem| panic!("control-plane.sh {verb}: {problem}"));
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.ours {
            self.control("stop");
        }
    }
}

fn shared_directory() -> PathBuf {
    std::env::var_os("E2E_PLANE")
        .expect("the e2e tests need a control plane: run them with tests/e2e.sh")
        .into()
}

fn own_directory(name: &str) -> PathBuf {
    shared_directory().join("planes").join(name)
}

fn control_plane_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane").join(name)
}

fn finished(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
