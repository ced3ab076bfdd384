//! Each component of deploy/k8s by itself: applied as users do it, an HPA that scales by an adapter with the environment and the
//! rights of what was applied, and nothing left when it is deleted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::chart::{KINDS, kustomized};
use crate::harness::{Adapter, Caller, ControlPlane, Described, Hpa, Namespace, SOON, eventually};
use crate::nats::{Node, three_of_the_component};

/// Kinds of others, whose definitions no cluster has without them.
const FOREIGN: [&str; 5] = ["Certificate", "Issuer", "PodMonitor", "ServiceMonitor", "PrometheusRule"];

/// What the environment of a pod has, and a process beside the control plane does not.
const OF_A_POD: [&str; 5] = [
    "CMA_SERVICE_NAMESPACE",
    "CMA_SECURE_LISTEN",
    "CMA_JOURNAL",
    "CMA_JOURNAL_PASSWORD_FILE",
    "CMA_SERVING_CERT_SECRET",
];

#[test]
fn every_component_is_tried_here() {
    let folders = std::fs::read_dir("deploy/k8s/components").expect("the components");
    let all: BTreeSet<String> =
        folders.map(|folder| folder.expect("a folder").file_name().into_string().expect("a name")).collect();
    let elsewhere = ["shared-journal", "service-monitor", "monitors"].map(str::to_owned);
    let tried: BTreeSet<String> =
        FIRST.iter().chain(&SECOND).map(|name| (*name).to_owned()).chain(elsewhere).collect();
    assert_eq!(tried, all);
}

const FIRST: [&str; 6] =
    ["cert-manager", "durable", "external-metrics", "high-availability", "host-network", "load-balancer"];
const SECOND: [&str; 6] =
    ["monitoring", "network-policy", "openshift", "port-10250", "secure-writes", "side-by-side"];

#[test]
fn components_scale_and_leave_nothing_behind() {
    let plane = ControlPlane::bare("components");
    FIRST.iter().for_each(|component| try_components(&plane, &[component]));
}

#[test]
fn other_components_scale_and_leave_nothing_behind() {
    let plane = ControlPlane::bare("other-components");
    SECOND.iter().for_each(|component| try_components(&plane, &[component]));
    // The two that need another before them, or leave their kinds to it.
    try_components(&plane, &["monitoring", "service-monitor"]);
    try_components(&plane, &["high-availability", "shared-journal"]);
}

fn try_components(plane: &ControlPlane, components: &[&str]) {
    let objects: Vec<Value> = kustomized(components)
        .into_iter()
        .filter(|object| !FOREIGN.contains(&object["kind"].as_str().unwrap_or_default()))
        .collect();
    plane.kubectl("create namespace custom-metrics");
    if components.contains(&"shared-journal") {
        plane.kubectl("--namespace custom-metrics create secret generic custom-metrics-nats --from-literal=password=12e4");
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    plane.apply(&list);
    if let Some(applied) = Applied::of(&objects) {
        applied.scale(plane, components);
    }
    uninstall(plane, &list, components);
}

/// The adapter of what was applied.
struct Applied {
    environment: Vec<(String, String)>,
    journal: Option<String>,
}

impl Applied {
    /// `None` where no HPA can reach it: cert-manager makes the certificate, which is not here, and side by side has no APIService.
    fn of(objects: &[Value]) -> Option<Self> {
        let workload = objects.iter().find(|object| {
            object["metadata"]["name"] == "custom-metrics-adapter"
                && ["Deployment", "StatefulSet"].contains(&object["kind"].as_str().unwrap_or_default())
        })?;
        let env = workload["spec"]["template"]["spec"]["containers"][0]["env"].as_array()?;
        let all: Vec<(String, String)> = env
            .iter()
            .filter_map(|variable| {
                Some((variable["name"].as_str()?.to_owned(), variable["value"].as_str()?.to_owned()))
            })
            .collect();
        let has_api = objects.iter().any(|object| object["kind"] == "APIService");
        let has_own_ca = all.iter().any(|(name, _)| name == "CMA_SERVING_CERT_SECRET");
        let journal = all.iter().find(|(name, _)| name == "CMA_JOURNAL").map(|(_, value)| value.clone());
        let environment = all.into_iter().filter(|(name, _)| !OF_A_POD.contains(&name.as_str())).collect();
        (has_api && has_own_ca).then_some(Self { environment, journal })
    }

    fn scale(&self, plane: &ControlPlane, components: &[&str]) {
        let name = components.join("-");
        let folder = tempfile::tempdir().expect("a folder");
        let servers = self.servers(folder.path());
        let flags = self.flags(folder.path(), &servers);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let adapter = Adapter::start_in(&environment, plane, &name, &flags);
        plane.adapter_script(&["register", &name]);
        let namespace = Namespace::create(plane, &format!("of-{name}"));
        namespace.deployment("web", 1);
        let path = format!("/namespaces/{}/deployments.apps/web/depth", namespace.name);
        let written = adapter.post_as(&path, "30", &Caller::Certificate("admin"));
        assert_eq!(written.status, 200, "{components:?}: {written:?}");
        let web = Described { api_version: "apps/v1", kind: "Deployment", name: "web" };
        let _hpa = Hpa::of("web", &namespace).between(1, 5).on_object(&web, "depth", "10");
        namespace.eventually_runs("web", 3);
        plane.kubectl(&format!("delete namespace {} --wait=false", namespace.name));
    }

    fn servers(&self, folder: &Path) -> Vec<Node> {
        let is_shared = self.journal.as_ref().is_some_and(|journal| journal.starts_with("nats:"));
        if is_shared { three_of_the_component(folder) } else { Vec::new() }
    }

    fn flags(&self, folder: &Path, servers: &[Node]) -> Vec<String> {
        let Some(journal) = &self.journal else { return Vec::new() };
        if !journal.starts_with("nats:") {
            return vec![format!("--journal=file:{}", folder.display())];
        }
        std::fs::write(folder.join("password"), "12e4").expect("it is written");
        let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        vec![
            format!("--journal=nats://{}", hosts.join(",")),
            format!("--journal-password-file={}", folder.join("password").display()),
        ]
    }
}

fn uninstall(plane: &ControlPlane, list: &Value, components: &[&str]) {
    let file = plane.directory().join("applied.json");
    std::fs::write(&file, list.to_string()).expect("it is written");
    plane.kubectl(&format!("delete --filename {} --wait=false --ignore-not-found", file.display()));
    plane.kubectl("delete namespace custom-metrics --wait=false");
    for kind in KINDS {
        let words =
            format!("get {kind} -A -l app.kubernetes.io/part-of=custom-metrics-adapter --output name");
        eventually(&format!("{components:?} leaves no {kind}"), SOON, || match plane.kubectl(&words) {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        });
    }
    eventually("the namespace ends", SOON, || match plane.try_kubectl("get namespace custom-metrics") {
        Err(_) => Ok(()),
        Ok(still) => Err(still),
    });
}
