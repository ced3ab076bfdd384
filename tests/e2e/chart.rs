//! The Helm chart beside deploy/k8s, and its life on a real control plane.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Adapter, ControlPlane, Described, Hpa, Namespace, SOON, eventually};

/// What a value of the chart gives, beside the component of deploy/k8s that gives the same.
const SAME: [(&str, &[&str]); 13] = [
    ("externalMetrics.enabled=true", &["external-metrics"]),
    ("monitors.enabled=true", &["monitors"]),
    ("networkPolicy.enabled=true", &["network-policy"]),
    ("writes.port=closed", &["secure-writes"]),
    ("replicas=2,writes.port=off", &["high-availability"]),
    ("certManager.enabled=true,externalMetrics.enabled=true", &["external-metrics", "cert-manager"]),
    ("writes.loadBalancer.enabled=true,writes.loadBalancer.sourceRanges={10.0.0.0/8}", &["load-balancer"]),
    ("monitoring.serviceMonitor=true", &["service-monitor"]),
    ("securePort=10250", &["port-10250"]),
    ("hostNetwork.enabled=true,writes.port=closed", &["host-network"]),
    (
        "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null",
        &["openshift"],
    ),
    ("durable.enabled=true", &["durable"]),
    ("durable.enabled=true,certManager.enabled=true", &["cert-manager", "durable"]),
];

#[test]
fn the_chart_gives_what_the_base_and_its_components_give() {
    assert_eq!(rendered(""), kustomized(&[]));
    for (values, components) in SAME {
        assert_eq!(rendered(values), kustomized(components), "{values}");
    }
}

/// The component brings servers, and the chart takes those that there are: the rest is the same.
#[test]
fn the_adapter_of_a_shared_journal_is_that_of_the_component() {
    let values = "replicas=2,sharedJournal.servers=nats://custom-metrics-nats-0.custom-metrics-nats:4222\\,\
                  custom-metrics-nats-1.custom-metrics-nats:4222\\,custom-metrics-nats-2.custom-metrics-nats:4222,\
                  sharedJournal.secret=custom-metrics-nats,sharedJournal.user=adapter";
    let mut of_component = kustomized(&["high-availability", "shared-journal"]);
    of_component.retain(|object| object["metadata"]["name"] != "custom-metrics-nats");
    // Opened again, because high-availability closes it: the default.
    for object in &mut of_component {
        if let Some(env) = object.pointer_mut("/spec/template/spec/containers/0/env") {
            env.as_array_mut().unwrap().retain(|variable| variable["name"] != "CMA_WRITE_LISTEN");
        }
    }
    assert_eq!(rendered(values), of_component);
    let others = "sharedJournal.servers=tls://nats,sharedJournal.secret=nats,sharedJournal.ca=true";
    let rendered = format!("{:?}", rendered(others));
    for words in ["/etc/custom-metrics-nats/adapter.creds", "/etc/custom-metrics-nats/ca.crt", "tls://nats"] {
        assert!(rendered.contains(words), "{words}");
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (values, words) in [
        ("replica=2", "additional properties 'replica' not allowed"),
        ("replicas=2", "replicas > 1 needs writes.port=off or sharedJournal.servers"),
        ("sharedJournal.servers=custom-nats", "/sharedJournal/servers"),
        ("sharedJournal.ca=true", "sharedJournal.ca needs sharedJournal.secret"),
        ("durable.enabled=true,sharedJournal.servers=nats://nats", "two journals"),
        ("writes.port=shut", "/writes/port"),
        ("securePort=443", "/securePort"),
        ("hostNetwork.enabled=true", "hostNetwork.enabled needs writes.port=closed or off"),
        ("durable.enabled=true,replicas=2,writes.port=off", "durable.enabled needs replicas=1"),
        ("durable.enabled=true,durable.size=large", "/durable/size"),
        ("monitoring.podMonitor=true,monitoring.serviceMonitor=true", "every figure would be there twice"),
    ] {
        let refused = helm(&["template", "cma", CHART, "--set", values]).unwrap_err();
        assert!(refused.contains(words), "{values}: {refused}");
    }
    let linted = helm(&["lint", "--strict", CHART]).unwrap();
    assert!(linted.contains("0 chart(s) failed"), "{linted}");
}

#[test]
fn the_chart_is_installed_upgraded_and_uninstalled_and_nothing_stays() {
    let plane = ControlPlane::bare("chart");
    let kubeconfig = plane.directory().join("admin.kubeconfig").display().to_string();
    let at = ["--namespace", "custom-metrics", "--kubeconfig", &kubeconfig];
    let helm = |words: &[&str]| {
        helm(&[words, &at].concat()).unwrap_or_else(|problem| panic!("helm {words:?}: {problem}"))
    };
    helm(&[
        "install",
        "cma",
        CHART,
        "--create-namespace",
        "--set",
        "image.repository=example.invalid/adapter",
    ]);
    let adapter = Adapter::start(&plane, "shared", &[]);
    let secret =
        "--namespace custom-metrics get secret custom-metrics-adapter-serving-cert --output jsonpath={.data}";
    let kept = plane.kubectl(secret);
    assert!(kept.contains("tls.key"), "{kept}");
    helm(&[
        "upgrade",
        "cma",
        CHART,
        "--reuse-values",
        "--set",
        "externalMetrics.enabled=true,env.CMA_WRITE_TTL=60s",
    ]);
    assert_eq!(plane.kubectl(secret), kept, "an upgrade leaves the CA");
    let env = "--namespace custom-metrics get deployment custom-metrics-adapter --output jsonpath={..env}";
    assert!(plane.kubectl(env).contains(r#"{"name":"CMA_WRITE_TTL","value":"60s"}"#));
    eventually("each API is verified", SOON, || {
        let services = "get apiservices -l app.kubernetes.io/part-of=custom-metrics-adapter --output jsonpath={..caBundle}";
        let bundles = plane.kubectl(services).split_whitespace().count();
        if bundles == 3 { Ok(()) } else { Err(format!("{bundles} have a caBundle")) }
    });

    plane.adapter_script(&["register", "shared"]);
    let namespace = Namespace::create(&plane, "chart");
    namespace.deployment("web", 1);
    adapter.write(&format!("/namespaces/{}/deployments/web/depth", namespace.name), "30");
    let web = Described { api_version: "apps/v1", kind: "Deployment", name: "web" };
    let _hpa = Hpa::of("web", &namespace).between(1, 5).on_object(&web, "depth", "10");
    namespace.eventually_runs("web", 3);

    helm(&["uninstall", "cma"]);
    for kind in KINDS {
        let left = plane.kubectl(&format!(
            "get {kind} -A -l app.kubernetes.io/part-of=custom-metrics-adapter --output name"
        ));
        assert_eq!(left, "", "{kind}");
    }
}

const CHART: &str = "deploy/helm/custom-metrics-adapter";

pub(crate) const KINDS: [&str; 10] = [
    "apiservices",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "secrets",
    "services",
    "deployments",
    "serviceaccounts",
    "resourcequotas",
];

/// The output, or what it wrote to stderr when it failed.
pub(crate) fn helm(words: &[&str]) -> Result<String, String> {
    let cache = tempfile::tempdir().expect("a directory can be made");
    let mut command = Command::new(tool("helm"));
    let home = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map(|name| (name, cache.path()));
    let output = command.args(words).envs(home).current_dir(root()).output().expect("helm runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr) + &text(output.stdout))
    }
}

/// The path of a program that is built from its pinned module.
pub(crate) fn tool(name: &str) -> String {
    let built = Command::new(root().join("tests/tools/tool.sh")).arg(name).output().expect("the script runs");
    String::from_utf8(built.stdout).expect("a path").trim().to_owned()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn rendered(values: &str) -> Vec<Value> {
    let words = ["template", "cma", CHART, "--namespace", "custom-metrics", "--set", values];
    let words = if values.is_empty() { &words[..5] } else { &words[..] };
    objects(&helm(words).unwrap_or_else(|problem| panic!("{values}: {problem}")))
}

pub(crate) fn kustomized(components: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir_in(root().join("deploy/k8s")).expect("a directory can be made");
    let listed: String =
        components.iter().map(|component| format!("- ../components/{component}\n")).collect();
    let listed = if listed.is_empty() { String::new() } else { format!("components:\n{listed}") };
    let kustomization = format!("resources: [../base]\n{listed}");
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("it is written");
    let assets = std::env::var("KUBEBUILDER_ASSETS").expect("tests/e2e.sh sets KUBEBUILDER_ASSETS");
    let output =
        Command::new(Path::new(&assets).join("kubectl")).arg("kustomize").arg(folder.path()).output();
    let output = output.expect("kubectl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    objects(&String::from_utf8(output.stdout).expect("it is text"))
}

/// Sorted, without the Namespace (Helm makes it) and the labels that only Helm sets.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    let mut objects: Vec<Value> =
        objects.into_iter().filter(|object| object["kind"] != "Namespace").collect();
    for object in &mut objects {
        for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
            if let Some(labels) = object.pointer_mut(labels).and_then(Value::as_object_mut) {
                labels.retain(|name, _| !HELMS.contains(&name.as_str()));
            }
        }
        if let Some(env) =
            object.pointer_mut("/spec/template/spec/containers/0/env").and_then(Value::as_array_mut)
        {
            env.sort_by_key(|entry| entry["name"].to_string());
        }
    }
    objects.sort_by_key(|object| json!([object["kind"], object["metadata"]["name"]]).to_string());
    objects
}

const HELMS: [&str; 3] = ["app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"];
