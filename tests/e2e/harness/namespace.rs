use serde_json::{Value, json};

use super::{ControlPlane, SOON, eventually_equals};

/// A namespace of the control plane, and what a test makes in it.
pub(crate) struct Namespace<'a> {
    plane: &'a ControlPlane,
    pub(crate) name: String,
}

/// Whom a right is given to.
pub(crate) enum Subject<'a> {
    User(&'a str),
    ServiceAccount(&'a str),
}

impl<'a> Namespace<'a> {
    pub(crate) fn create(plane: &'a ControlPlane, name: &str) -> Self {
        plane.kubectl(&format!("create namespace {name}"));
        Self { plane, name: name.to_owned() }
    }

    /// The namespace that is there from the start.
    pub(crate) fn default_of(plane: &'a ControlPlane) -> Self {
        Self { plane, name: "default".to_owned() }
    }

    /// A kubectl command in this namespace.
    pub(crate) fn kubectl(&self, words: &str) -> String {
        self.plane.kubectl(&format!("--namespace {} {words}", self.name))
    }

    /// Creates or changes an object of this namespace.
    pub(crate) fn apply(&self, mut object: Value) {
        object["metadata"]["namespace"] = json!(self.name);
        self.plane.apply(&object);
    }

    /// Pods under a Deployment, labelled `app: NAME`; returns once all are ready.
    pub(crate) fn deployment(&self, name: &str, replicas: u32) {
        self.annotated_deployment(name, replicas, &json!({}));
    }

    /// The same with annotations on the pods.
    pub(crate) fn annotated_deployment(&self, name: &str, replicas: u32, annotations: &Value) {
        let labels = json!({ "app": name });
        self.apply(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": name },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels, "annotations": annotations }, "spec": container(),
                },
            },
        }));
        self.kubectl(&format!("rollout status deployment/{name} --timeout={PATIENCE}"));
    }

    /// A pod of its own, labelled `app: APP`; returns once it is ready.
    pub(crate) fn pod(&self, name: &str, app: &str) {
        self.annotated_pod(name, app, &json!({}));
    }

    /// The same with annotations.
    pub(crate) fn annotated_pod(&self, name: &str, app: &str, annotations: &Value) {
        self.apply(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": name, "labels": { "app": app }, "annotations": annotations },
            "spec": container(),
        }));
        self.kubectl(&format!("wait --for=condition=Ready pod/{name} --timeout={PATIENCE}"));
    }

    /// Deletes a pod; returns once the API no longer has it.
    pub(crate) fn delete_pod(&self, name: &str) {
        self.kubectl(&format!("delete pod {name} --wait --timeout=60s"));
    }

    /// The UID of a pod.
    pub(crate) fn uid_of(&self, pod: &str) -> String {
        self.kubectl(&format!("get pod {pod} --output jsonpath={{.metadata.uid}}"))
    }

    /// The names of the pods that have this label, sorted.
    pub(crate) fn pods_of(&self, app: &str) -> Vec<String> {
        let names = self
            .kubectl(&format!("get pods --selector app={app} --output jsonpath={{.items[*].metadata.name}}"));
        let mut names: Vec<_> = names.split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Waits until an HPA has set the Deployment's replicas.
    pub(crate) fn eventually_runs(&self, deployment: &str, replicas: u32) {
        let what = format!("{deployment} has {replicas} replicas");
        eventually_equals(&what, SOON, &replicas.to_string(), || self.replicas_of(deployment));
    }

    pub(crate) fn replicas_of(&self, deployment: &str) -> String {
        self.kubectl(&format!("get deployment {deployment} --output jsonpath={{.spec.replicas}}"))
    }

    /// Lets `subject` (a user, or a service account of this namespace) read one metric of this namespace's pods.
    pub(crate) fn allow_reading(&self, metric: &str, subject: &Subject<'_>) {
        let (name, flag) = match subject {
            Subject::User(name) => (name, format!("--user={name}")),
            Subject::ServiceAccount(name) => (name, format!("--serviceaccount={}:{name}", self.name)),
        };
        self.apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": name },
            "rules": [{
                "apiGroups": ["custom.metrics.k8s.io"], "resources": [format!("pods/{metric}")], "verbs": ["get"],
            }],
        }));
        self.kubectl(&format!("create rolebinding {name} --role={name} {flag}"));
    }

    /// A token of a new service account of this namespace, which has no rights yet.
    pub(crate) fn token_of_new_account(&self, account: &str) -> String {
        self.kubectl(&format!("create serviceaccount {account}"));
        self.kubectl(&format!("create token {account} --duration=6h"))
    }

    /// `/namespaces/NAMESPACE/pods/POD/METRIC`, the way both to write and to read a value of a pod.
    pub(crate) fn pod_metric(&self, pod: &str, metric: &str) -> String {
        format!("/namespaces/{}/pods/{pod}/{metric}", self.name)
    }
}

/// The scheduler needs more than a minute to see pods again after kube-apiserver was away.
const PATIENCE: &str = "180s";

fn container() -> Value {
    // Nothing pulls it: the kubelets are simulated.
    json!({ "containers": [{ "name": "main", "image": "example.invalid/main" }] })
}
