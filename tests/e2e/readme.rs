//! The README's tutorial, typed into a cluster that has the adapter.

use std::fs;

use crate::harness::{Adapter, ControlPlane, Namespace, SOON, eventually};

/// The lines that a test cannot type, by their beginning: this cluster is there, the adapter runs in it without an image,
/// and its port is reached without port-forward.
const NOT_TYPED: [&str; 5] = [
    "kind create",
    "docker build",
    "kubectl apply -f deploy/k8s/deployment.yaml",
    "kubectl -n custom-metrics rollout",
    "kubectl -n custom-metrics port-forward",
];

#[test]
fn the_tutorial_scales_a_deployment_when_it_is_typed_line_by_line() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let lines = lines_under("### In five minutes, with kind");
    let typed: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| !NOT_TYPED.iter().any(|begin| line.starts_with(begin)))
        .collect();
    let [apply, write, read, watch] = typed[..] else { panic!("other lines than are known: {typed:#?}") };

    kubectl(plane, apply);
    let (value, path) = written(write);
    adapter.write(path, value);
    eventually("the value is read as kubectl shows it", SOON, || {
        let answer = kubectl(plane, read);
        if answer.contains(&format!("\"value\":\"{value}\"")) { Ok(()) } else { Err(answer) }
    });
    assert_eq!(watch, "kubectl get hpa queue-worker --watch");
    Namespace::default_of(plane).eventually_runs("queue-worker", 3);
}

/// The commands of the first block of shell under a heading of the README.
fn lines_under(heading: &str) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it is there");
    let (_, section) = readme.split_once(heading).expect("the README has the tutorial");
    let (_, block) = section.split_once("```sh\n").expect("the tutorial has commands");
    let (block, _) = block.split_once("```").expect("a block ends");
    block.lines().map(str::to_owned).collect()
}

fn kubectl(plane: &ControlPlane, line: &str) -> String {
    let words = line.strip_prefix("kubectl ").unwrap_or_else(|| panic!("no kubectl: {line}"));
    plane.kubectl(&words.replace("deploy/", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/")))
}

/// Value and path of `curl -d VALUE 'http://localhost:8080/write-metrics/…'`.
fn written(line: &str) -> (&str, &str) {
    let rest = line.strip_prefix("curl -d ").unwrap_or_else(|| panic!("no write: {line}"));
    let (value, url) = rest.split_once(' ').expect("a value and a URL");
    let path = url.trim_matches('\'').strip_prefix("http://localhost:8080/write-metrics");
    (value, path.expect("the forwarded port"))
}
