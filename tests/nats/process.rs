//! One nats-server process.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
};

/// A server with its configuration; killed when the value goes.
pub(crate) struct Node {
    pub(crate) port: u16,
    config: PathBuf,
    environment: Vec<(String, String)>,
    process: Mutex<Option<Child>>,
}

impl Node {
    /// Writes the configuration to `folder` and starts the server.
    pub(crate) fn start(port: u16, configuration: &str, place: (&Path, &str)) -> Self {
        Self::start_in(Vec::new(), port, configuration, place)
    }

    /// The same with variables of the environment.
    fn start_in(
        environment: Vec<(String, String)>,
        port: u16,
        configuration: &str,
        (folder, name): (&Path, &str),
    ) -> Self {
        let config = folder.join(format!("{name}.conf"));
        fs::write(&config, configuration).unwrap();
        let node = Self { port, config, environment, process: Mutex::default() };
        node.restart();
        node
    }

    /// Starts a server that does not run.
    pub(crate) fn restart(&self) {
        let log = self.config.with_extension("log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(binary());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(log);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        *self.process.lock().unwrap() = Some(command.spawn().unwrap());
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap().as_ref().expect("it runs").id();
        assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = self.process.lock().unwrap().as_mut() {
            // Fails when it has ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Bound one beside the other, so that they differ.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Three servers with the configuration of `deploy/k8s/components/shared-journal`, as their pods have it.
pub(crate) fn three_of_the_component(folder: &Path) -> Vec<Node> {
    let page = include_str!("../../deploy/k8s/components/shared-journal/nats-config.yaml");
    let (_, config) = page.split_once("nats.conf: |\n").unwrap();
    let (ports, routes, monitors) = (free_ports(3), free_ports(3), free_ports(3));
    let text = |at: usize| {
        config
            .replace("port: 4222", &format!("port: {}", ports[at]))
            .replace("port: 6222", &format!("port: {}", routes[at]))
            .replace("port: 8222", &format!("port: {}", monitors[at]))
            .replace("/var/run/nats", &folder.display().to_string())
            .replace("store_dir: /data", &format!("store_dir: {}/n{at}", folder.display()))
            .replace("$POD_NAME", &format!("n{at}"))
    };
    let environment = of_a_pod(&routes);
    let start =
        |at: usize| Node::start_in(environment.clone(), ports[at], &text(at), (folder, &format!("n{at}")));
    (0..3).map(start).collect()
}

/// The environment of the component's pods; the password looks like a number.
fn of_a_pod(routes: &[u16]) -> Vec<(String, String)> {
    let own = [("POD_IP", "127.0.0.1"), ("NATS_PASSWORD", "12e4")];
    let own = own.map(|(name, value)| (name.to_owned(), format!("'{value}'")));
    let route = |(at, port): (usize, &u16)| {
        (format!("NATS_ROUTE_{at}"), format!("'nats://server:12e4@127.0.0.1:{port}'"))
    };
    own.into_iter().chain(routes.iter().enumerate().map(route)).collect()
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
