//! A Kubernetes API server that does what a test says, on a port of its own.
//!
//! It has discovery, lists (in pages, whole or metadata only), watches that resume from a resource version, and
//! single objects, which can be replaced and merged into; and it fails on command: refuses a resource, forgets its history (410), breaks its streams, is
//! down. Anything else that a test needs (reviews, for instance) is an [`KubeApi::answer`] to a path.
//!
//! Field selectors know `metadata.name` and `metadata.namespace`; label selectors are not looked at.

#![allow(dead_code, reason = "each test module uses its part of it")]

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

/// The server; ends with its last clone.
#[derive(Clone)]
pub(crate) struct KubeApi {
    script: Arc<Mutex<Script>>,
    address: SocketAddr,
    files: Arc<tempfile::TempDir>,
    _acceptor: Arc<JoinSet<()>>,
}

/// How a server tells that it no longer has the changes since a resource version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expiry {
    /// An `ERROR` event in a watch that begins well, as kube-apiserver does it.
    InStream,
    /// A 410 in place of the watch, as some aggregated servers do it.
    AsStatus,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) accept: String,
    pub(crate) user_agent: String,
}

type Answer = Box<dyn Fn(&Value) -> (u16, Value) + Send>;

struct Script {
    version: u64,
    resources: Vec<Resource>,
    asked: Vec<Asked>,
    answers: HashMap<(String, String), Answer>,
    connections: JoinSet<()>,
    is_down: bool,
    aggregated_discovery: bool,
    broken_groups: Vec<String>,
    discovery_refusal: Option<(u16, String)>,
    streamed_lists: StreamedLists,
}

/// What the server makes of `sendInitialEvents`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamedLists {
    /// The objects, and the bookmark that marks their end.
    Known,
    /// 422, as servers do whose feature gate is off.
    Refused,
    /// The objects without a mark of their end, as servers do that do not know the parameter.
    Ignored,
    /// Some of the objects, and the stream ends.
    Broken,
    /// Some of the objects, and then that the resource version is too old.
    Expired,
}

struct Resource {
    group: String,
    version: String,
    plural: String,
    kind: String,
    short: Vec<String>,
    namespaced: bool,
    verbs: &'static [&'static str],
    /// By namespace and name.
    objects: BTreeMap<(String, String), Value>,
    history: Vec<(u64, Value)>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
    expiry: Expiry,
    watches: Vec<(Fields, mpsc::UnboundedSender<io::Result<Bytes>>)>,
    refusal: Option<(u16, String)>,
}

#[derive(Clone, Default)]
struct Fields {
    namespace: Option<String>,
    name: Option<String>,
}

impl KubeApi {
    /// Starts a server that serves pods, namespaces, nodes, configmaps and deployments.apps, all empty.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::new()));
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, script.clone()));
        let files = Arc::new(tempfile::tempdir().unwrap());
        Self { script, address, files, _acceptor: Arc::new(acceptor) }
    }

    /// A kubeconfig file that leads here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.files.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
            self.address
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Adds a namespaced resource, as the creation of a CRD does.
    pub(crate) fn serve(&self, group: &str, version: &str, plural: &str, kind: &str) {
        self.script.lock().resources.push(Resource::new(group, version, plural, kind, ""));
    }

    /// Gives a resource a short name.
    pub(crate) fn shorten(&self, resource: &str, short: &str) {
        self.script.lock().resource(resource).short.push(short.to_owned());
    }

    /// Lets a resource only be created, as a review is.
    pub(crate) fn make_unwatchable(&self, resource: &str) {
        self.script.lock().resource(resource).verbs = &["create"];
    }

    /// Takes a resource from discovery, as the deletion of a CRD does.
    pub(crate) fn serve_no_more(&self, resource: &str) {
        self.script.lock().resources.retain(|known| known.name() != resource);
    }

    /// Creates an object, or changes the one of that namespace and name. Without a `metadata.uid` it gets one
    /// that is made of its name.
    pub(crate) fn apply(&self, resource: &str, object: Value) {
        self.script.lock().apply(resource, object);
    }

    /// Deletes an object; `namespace` is empty for what is cluster-scoped.
    pub(crate) fn delete(&self, resource: &str, namespace: &str, name: &str) {
        self.script.lock().delete(resource, namespace, name);
    }

    /// An object as it is now.
    pub(crate) fn object(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let mut script = self.script.lock();
        script.resource(resource).objects[&(namespace.to_owned(), name.to_owned())].clone()
    }

    /// Sends a bookmark to the watches of a resource and returns its resource version.
    pub(crate) fn bookmark(&self, resource: &str) -> u64 {
        self.script.lock().bookmark(resource)
    }

    /// Answers each list and watch of a resource with a status, 403 for instance, and ends its watches.
    pub(crate) fn refuse(&self, resource: &str, code: u16, message: &str) {
        let mut script = self.script.lock();
        script.resource(resource).refusal = Some((code, message.to_owned()));
        script.resource(resource).watches.clear();
    }

    /// Ends [`KubeApi::refuse`].
    pub(crate) fn allow(&self, resource: &str) {
        self.script.lock().resource(resource).refusal = None;
    }

    /// Forgets all changes so far: a watch that resumes before them is told to list again.
    pub(crate) fn forget_history(&self, resource: &str, expiry: Expiry) {
        let mut script = self.script.lock();
        script.version += 1;
        let version = script.version;
        let resource = script.resource(resource);
        (resource.forgotten, resource.expiry) = (version, expiry);
        resource.history.clear();
    }

    /// Breaks all watch streams of a resource.
    pub(crate) fn break_watches(&self, resource: &str) {
        for (_, watch) in self.script.lock().resource(resource).watches.drain(..) {
            let _ = watch.send(Err(io::Error::other("broken on purpose")));
        }
    }

    /// Ends all watch streams of a resource in good order, as a server does after their timeout.
    pub(crate) fn end_watches(&self, resource: &str) {
        self.script.lock().resource(resource).watches.clear();
    }

    /// How many watches of a resource are open.
    pub(crate) fn watches(&self, resource: &str) -> usize {
        let mut script = self.script.lock();
        let watches = &mut script.resource(resource).watches;
        watches.retain(|(_, watch)| !watch.is_closed());
        watches.len()
    }

    /// Drops all connections and takes no new ones.
    pub(crate) fn go_down(&self) {
        let mut script = self.script.lock();
        script.is_down = true;
        script.connections.abort_all();
        script.resources.iter_mut().for_each(|resource| resource.watches.clear());
    }

    /// Ends [`KubeApi::go_down`].
    pub(crate) fn come_up(&self) {
        self.script.lock().is_down = false;
    }

    /// Answers so where a list is asked for as a stream.
    pub(crate) fn stream_lists(&self, streamed: StreamedLists) {
        self.script.lock().streamed_lists = streamed;
    }

    /// Answers as servers do that are older than aggregated discovery.
    pub(crate) fn without_aggregated_discovery(&self) {
        self.script.lock().aggregated_discovery = false;
    }

    /// Answers discovery with a status.
    pub(crate) fn break_discovery(&self, code: u16, message: &str) {
        self.script.lock().discovery_refusal = Some((code, message.to_owned()));
    }

    /// Ends [`KubeApi::break_discovery`].
    pub(crate) fn mend_discovery(&self) {
        self.script.lock().discovery_refusal = None;
    }

    /// Leaves a group out of discovery as kube-apiserver does with an APIService that does not answer.
    pub(crate) fn break_group(&self, group: &str) {
        self.script.lock().broken_groups.push(group.to_owned());
    }

    /// Answers `method` on `path` with what `answer` makes of the body (null when there is none).
    pub(crate) fn answer(
        &self,
        method: &str,
        path: &str,
        answer: impl Fn(&Value) -> (u16, Value) + Send + 'static,
    ) {
        self.script.lock().answers.insert((method.to_owned(), path.to_owned()), Box::new(answer));
    }

    /// All requests for a path so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.script.lock().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

/// A running pod with labels, `app=web,tier=front`.
pub(crate) fn pod(namespace: &str, name: &str, labels: &str) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "labels": label_map(labels)},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "podIP": "127.1.0.1"},
    })
}

/// An object of which only the metadata matters.
pub(crate) fn object(namespace: &str, name: &str, labels: &str) -> Value {
    let mut metadata = json!({"name": name, "labels": label_map(labels)});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({ "metadata": metadata })
}

fn label_map(labels: &str) -> Value {
    labels
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), Value::from(v)))
        .collect()
}

impl Script {
    fn new() -> Self {
        let mut cluster_scoped = [
            Resource::new("", "v1", "namespaces", "Namespace", "ns"),
            Resource::new("", "v1", "nodes", "Node", "no"),
        ];
        cluster_scoped.iter_mut().for_each(|resource| resource.namespaced = false);
        let mut resources = vec![
            Resource::new("", "v1", "pods", "Pod", "po"),
            Resource::new("", "v1", "configmaps", "ConfigMap", "cm"),
            Resource::new("apps", "v1", "deployments", "Deployment", "deploy"),
        ];
        resources.extend(cluster_scoped);
        Self {
            version: 100,
            resources,
            asked: Vec::new(),
            answers: HashMap::new(),
            connections: JoinSet::new(),
            is_down: false,
            aggregated_discovery: true,
            broken_groups: Vec::new(),
            discovery_refusal: None,
            streamed_lists: StreamedLists::Known,
        }
    }

    fn resource(&mut self, name: &str) -> &mut Resource {
        self.resources.iter_mut().find(|known| known.name() == name).expect("a resource that is served")
    }

    fn apply(&mut self, resource: &str, mut object: Value) {
        self.version += 1;
        let version = self.version;
        let resource = self.resource(resource);
        let metadata = &mut object["metadata"];
        let key = key(metadata);
        metadata["resourceVersion"] = version.to_string().into();
        if metadata.get("uid").is_none() {
            metadata["uid"] = format!("uid-of-{}", key.1).into();
        }
        if metadata.get("creationTimestamp").is_none() {
            metadata["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
        }
        metadata["managedFields"] = json!([{"manager": "a-test", "fieldsV1": {"f:metadata": {}}}]);
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.clone().into();
        let kind = if resource.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        resource.objects.insert(key, object.clone());
        resource.send(version, kind, object);
    }

    fn delete(&mut self, resource: &str, namespace: &str, name: &str) {
        self.version += 1;
        let version = self.version;
        let resource = self.resource(resource);
        let mut object =
            resource.objects.remove(&(namespace.to_owned(), name.to_owned())).expect("an object to delete");
        object["metadata"]["resourceVersion"] = version.to_string().into();
        resource.send(version, "DELETED", object);
    }

    fn bookmark(&mut self, resource: &str) -> u64 {
        self.version += 1;
        let version = self.version;
        let resource = self.resource(resource);
        let metadata = json!({"resourceVersion": version.to_string()});
        let object =
            json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": metadata});
        let line = line(&json!({"type": "BOOKMARK", "object": object}));
        resource.watches.iter().for_each(|(_, watch)| drop(watch.send(Ok(line.clone()))));
        version
    }

    fn route(&mut self, asked: &Asked, body: &Value) -> Response {
        if let Some(answer) = self.answers.get(&(asked.method.clone(), asked.path.clone())) {
            let (code, value) = answer(body);
            return reply(code, &value);
        }
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        if let (["api" | "apis"], Some((code, message))) = (parts.as_slice(), &self.discovery_refusal) {
            return status(*code, message);
        }
        match parts.as_slice() {
            ["api"] if self.is_aggregated(asked) => reply(200, &self.aggregated(true)),
            ["apis"] if self.is_aggregated(asked) => reply(200, &self.aggregated(false)),
            ["api"] => reply(200, &json!({"kind": "APIVersions", "versions": ["v1"]})),
            ["apis"] => reply(200, &self.groups()),
            ["api", version] => self.group_resources("", version),
            ["apis", group, version] => self.group_resources(group, version),
            ["api", version, rest @ ..] => self.objects(("", version), rest, (asked, body)),
            ["apis", group, version, rest @ ..] => self.objects((group, version), rest, (asked, body)),
            _ => status(404, "404 page not found"),
        }
    }

    fn is_aggregated(&self, asked: &Asked) -> bool {
        self.aggregated_discovery && asked.accept.contains("APIGroupDiscoveryList")
    }

    fn group_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.resources.iter().map(|known| known.group.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| !name.is_empty());
        names
    }

    fn aggregated(&self, core: bool) -> Value {
        let names = if core { vec![String::new()] } else { self.group_names() };
        let item = |name: &String| {
            let is_broken = self.broken_groups.contains(name);
            let members = self.resources.iter().filter(|known| known.group == *name);
            let version = members.clone().next().map(|known| known.version.clone());
            let resources: Vec<Value> = members.filter(|_| !is_broken).map(Resource::discovered).collect();
            let freshness = if is_broken { "Stale" } else { "Current" };
            let version = json!({"version": version, "freshness": freshness, "resources": resources});
            json!({"metadata": {"name": name}, "versions": [version]})
        };
        let items: Vec<Value> = names.iter().map(item).collect();
        json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items})
    }

    fn groups(&self) -> Value {
        let group = |name: &String| {
            let member = self.resources.iter().find(|known| known.group == *name).unwrap();
            let version = json!({"groupVersion": member.api_version(), "version": member.version});
            json!({"name": name, "versions": [version], "preferredVersion": version})
        };
        let groups: Vec<Value> = self.group_names().iter().map(group).collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    fn group_resources(&self, group: &str, version: &str) -> Response {
        if self.broken_groups.iter().any(|broken| broken == group) {
            return status(503, "service unavailable");
        }
        let members = self.resources.iter().filter(|known| known.group == group && known.version == version);
        let resources: Vec<Value> = members.map(Resource::listed).collect();
        reply(200, &json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources}))
    }

    fn objects(
        &mut self,
        (group, served_as): (&str, &str),
        rest: &[&str],
        (asked, body): (&Asked, &Value),
    ) -> Response {
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return status(404, "the server could not find the requested resource"),
        };
        let (version, streamed) = (self.version, self.streamed_lists);
        let mut served = self.resources.iter_mut().filter(|known| known.group == group);
        let Some(resource) = served.find(|known| known.plural == plural && known.version == served_as) else {
            return status(404, "the server could not find the requested resource");
        };
        if let Some((code, message)) = &resource.refusal {
            return status(*code, message);
        }
        if let Some(name) = name {
            let key = (namespace.unwrap_or_default().to_owned(), name.to_owned());
            let Some(found) = resource.objects.get(&key).cloned() else { return status(404, "not found") };
            let name = resource.name();
            return self.object(found, &name, (asked, body));
        }
        let fields = Fields::of(asked, namespace);
        let whole = !asked.accept.contains("PartialObjectMetadata");
        if asked.query.contains_key("sendInitialEvents") {
            resource.stream(fields, version, streamed)
        } else if asked.query.contains_key("watch") {
            resource.watch(fields, asked.query.get("resourceVersion"))
        } else {
            resource.list(&fields, version, whole, asked)
        }
    }
}

impl Script {
    /// Reads `found`, replaces it, or merges into it; not over a version that the asker has not seen.
    fn object(&mut self, found: Value, resource: &str, (asked, body): (&Asked, &Value)) -> Response {
        let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let changed = match asked.method.as_str() {
            "PUT" | "PATCH" if version(body).is_some_and(|seen| version(&found) != Some(seen)) => {
                return status(409, "the object has been modified");
            }
            "PUT" => body.clone(),
            "PATCH" => merged(found, body),
            _ => return reply(200, &found),
        };
        let key = key(&changed["metadata"]);
        self.apply(resource, changed);
        reply(200, &self.resource(resource).objects[&key])
    }
}

/// By RFC 7386.
fn merged(mut object: Value, patch: &Value) -> Value {
    for (key, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            Value::Object(_) => object[key] = merged(object[key].take(), value),
            _ => object[key] = value.clone(),
        }
    }
    object
}

impl Resource {
    fn new(group: &str, version: &str, plural: &str, kind: &str, short: &str) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            short: short.split_whitespace().map(str::to_owned).collect(),
            namespaced: true,
            verbs: &VERBS,
            objects: BTreeMap::new(),
            history: Vec::new(),
            forgotten: 0,
            expiry: Expiry::InStream,
            watches: Vec::new(),
            refusal: None,
        }
    }

    fn name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn discovered(&self) -> Value {
        json!({
            "resource": self.plural, "singularResource": self.kind.to_lowercase(), "verbs": self.verbs,
            "scope": if self.namespaced { "Namespaced" } else { "Cluster" }, "shortNames": self.short,
            "responseKind": {"group": self.group, "version": self.version, "kind": self.kind},
        })
    }

    fn listed(&self) -> Value {
        json!({
            "name": self.plural, "singularName": self.kind.to_lowercase(), "verbs": self.verbs,
            "namespaced": self.namespaced, "shortNames": self.short, "kind": self.kind,
        })
    }

    fn send(&mut self, version: u64, kind: &str, object: Value) {
        let mut event = json!({ "type": kind });
        event["object"] = object;
        let line = line(&event);
        let mine = self.watches.iter().filter(|(fields, _)| fields.select(&event["object"]));
        mine.for_each(|(_, watch)| drop(watch.send(Ok(line.clone()))));
        self.history.push((version, event));
    }

    fn watch(&mut self, fields: Fields, from: Option<&String>) -> Response {
        let from: u64 = from.map_or(0, |from| from.parse().unwrap());
        let (sender, receiver) = mpsc::unbounded_channel();
        if from < self.forgotten {
            let gone = status_value(410, "too old resource version");
            if let Expiry::AsStatus = self.expiry {
                return reply(410, &gone);
            }
            sender.send(Ok(line(&json!({"type": "ERROR", "object": gone})))).unwrap();
            return stream(receiver);
        }
        let missed = self.history.iter().filter(|(version, _)| *version > from);
        let missed = missed.filter(|(_, event)| fields.select(&event["object"]));
        missed.for_each(|(_, event)| sender.send(Ok(line(event))).unwrap());
        self.watches.push((fields, sender));
        stream(receiver)
    }

    /// A watch whose first events are the objects that there are.
    fn stream(&mut self, fields: Fields, version: u64, streamed: StreamedLists) -> Response {
        if streamed == StreamedLists::Refused {
            return status(422, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch");
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        let objects = self.objects.values().filter(|object| fields.select(object));
        let is_whole = matches!(streamed, StreamedLists::Known | StreamedLists::Ignored);
        let many = if !is_whole { self.objects.len() / 2 } else { usize::MAX };
        let added = |object: &Value| line(&json!({"type": "ADDED", "object": object}));
        objects.take(many).for_each(|object| sender.send(Ok(added(object))).unwrap());
        match streamed {
            StreamedLists::Broken => {}
            StreamedLists::Expired => {
                let gone = status_value(410, "too old resource version");
                sender.send(Ok(line(&json!({"type": "ERROR", "object": gone})))).unwrap();
                self.watches.push((fields, sender));
            }
            StreamedLists::Known => {
                let annotations = json!({"k8s.io/initial-events-end": "true"});
                let metadata = json!({"resourceVersion": version.to_string(), "annotations": annotations});
                let mark = json!({"apiVersion": self.api_version(), "kind": self.kind, "metadata": metadata});
                sender.send(Ok(line(&json!({"type": "BOOKMARK", "object": mark})))).unwrap();
                self.watches.push((fields, sender));
            }
            StreamedLists::Ignored | StreamedLists::Refused => self.watches.push((fields, sender)),
        }
        stream(receiver)
    }

    fn list(&self, fields: &Fields, version: u64, whole: bool, asked: &Asked) -> Response {
        let number = |name: &str| asked.query.get(name).and_then(|text| text.parse::<usize>().ok());
        let (start, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
        let selected: Vec<&Value> = self.objects.values().filter(|object| fields.select(object)).collect();
        let page = selected.iter().skip(start).take(limit);
        let items: Vec<Value> =
            page.map(|object| if whole { (*object).clone() } else { partial(object) }).collect();
        let next = start + items.len();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if next < selected.len() {
            metadata["continue"] = next.to_string().into();
        }
        let kind = format!("{}List", self.kind);
        reply(
            200,
            &json!({"kind": kind, "apiVersion": self.api_version(), "metadata": metadata, "items": items}),
        )
    }
}

impl Fields {
    fn of(asked: &Asked, namespace: Option<&str>) -> Self {
        let mut fields = Self { namespace: namespace.map(str::to_owned), name: None };
        let selector = asked.query.get("fieldSelector").map(String::as_str).unwrap_or_default();
        for (field, value) in selector.split(',').filter_map(|term| term.split_once('=')) {
            let value = Some(value.trim_start_matches('=').to_owned());
            match field {
                "metadata.name" => fields.name = value,
                "metadata.namespace" => fields.namespace = value,
                other => panic!("the scripted server knows no field {other}"),
            }
        }
        fields
    }

    fn select(&self, object: &Value) -> bool {
        let (namespace, name) = key(&object["metadata"]);
        self.namespace.as_ref().is_none_or(|wanted| *wanted == namespace)
            && self.name.as_ref().is_none_or(|wanted| *wanted == name)
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    let router = Router::new().fallback(serve).with_state(script.clone());
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        let connection = async move {
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        };
        let mut script = script.lock();
        if !script.is_down {
            script.connections.spawn(connection);
        }
    }
}

async fn serve(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let asked = Asked::by(&request);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut script = script.lock();
    script.asked.push(asked.clone());
    script.route(&asked, &body)
}

impl Asked {
    /// Whether it asks for all objects, be it as a stream.
    pub(crate) fn is_list(&self) -> bool {
        self.query.contains_key("sendInitialEvents") || !self.query.contains_key("watch")
    }

    fn by(request: &Request) -> Self {
        let header = |name: http::HeaderName| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let query = request.uri().query().unwrap_or_default().as_bytes();
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: form_urlencoded::parse(query).into_owned().collect(),
            accept: header(http::header::ACCEPT),
            user_agent: header(http::header::USER_AGENT),
        }
    }
}

fn key(metadata: &Value) -> (String, String) {
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn line(event: &Value) -> Bytes {
    format!("{event}\n").into()
}

fn stream(receiver: mpsc::UnboundedReceiver<io::Result<Bytes>>) -> Response {
    let lines = futures::stream::unfold(receiver, |mut receiver| async {
        let line = receiver.recv().await?;
        Some((line, receiver))
    });
    Response::builder().header("content-type", "application/json").body(Body::from_stream(lines)).unwrap()
}

fn reply(code: u16, value: &Value) -> Response {
    let body = Body::from(value.to_string());
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}

fn status(code: u16, message: &str) -> Response {
    reply(code, &status_value(code, message))
}

fn status_value(code: u16, message: &str) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        410 => "Expired",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
