//! Writes by identity: who is asked about, what is asked, and what a refusal says.

use std::sync::Arc;

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    auth::{
        AccessVerdict, Attributes, Auth, AuthSettings, BearerToken, Question, ResourceAttributes,
        ReviewError, ReviewFailure, Reviews, TokenVerdict, Trust, User,
    },
    cluster::{Cluster, ClusterOptions},
    journal::Journal,
    store::{Limits, Store},
    write::{Access, Port, Sources, WriteOptions},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::support::{
    eventually,
    kube_api::{KubeApi, object, pod},
    pki::Authority,
    seen,
};

type Rule = dyn Fn(&ResourceAttributes) -> Result<bool, ReviewError> + Send + Sync;

/// A kube-apiserver that knows the tokens `writer` and `pod-NAME`, and decides by a rule.
struct Script {
    rule: Box<Rule>,
    asked: Mutex<Vec<Question>>,
}

impl Reviews for Script {
    fn token(&self, token: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        let user = User { name: "system:serviceaccount:ci:writer".to_owned(), ..User::default() };
        let verdict = match token.expose() {
            pod if pod.starts_with("pod-") => Ok(TokenVerdict::Authenticated(bound(user, pod))),
            "writer" => Ok(TokenVerdict::Authenticated(user)),
            "outage" => Err(outage()),
            _ => Ok(TokenVerdict::Rejected("invalid bearer token".to_owned())),
        };
        std::future::ready(verdict).boxed()
    }

    fn access(&self, question: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        let Attributes::Resource(attributes) = &question.attributes else { panic!("{question:?}") };
        let allowed = (self.rule)(attributes);
        self.asked.lock().push((*question).clone());
        std::future::ready(allowed.map(|allowed| AccessVerdict { allowed, reason: String::new() })).boxed()
    }
}

/// The account with a token that is bound to the pod of `pod-NAME`, which has the UID `uid-of-NAME`.
fn bound(user: User, token: &str) -> User {
    let name = token.trim_start_matches("pod-");
    let claim = |claim: &str, value: String| (format!("authentication.kubernetes.io/{claim}"), vec![value]);
    let extra = [claim("pod-name", name.to_owned()), claim("pod-uid", format!("uid-of-{name}"))].into();
    User { extra, ..user }
}

fn outage() -> ReviewError {
    ReviewError { message: "connection refused".to_owned(), failure: ReviewFailure::Unreachable }
}

/// The write routes of the metrics API's port, and of the plain one.
struct Ports {
    store: Store,
    script: Arc<Script>,
    secure: Router,
    closed: Router,
}

impl Ports {
    fn with(rule: impl Fn(&ResourceAttributes) -> Result<bool, ReviewError> + Send + Sync + 'static) -> Self {
        Self::of(Cluster::standalone(), rule)
    }

    fn of(
        cluster: Cluster,
        rule: impl Fn(&ResourceAttributes) -> Result<bool, ReviewError> + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(Script { rule: Box::new(rule), asked: Mutex::default() });
        let proxy = Authority::new("front-proxy-ca");
        let data = [("requestheader-client-ca-file".to_owned(), proxy.pem.clone())].into();
        let trust = Trust::parse(&data).unwrap();
        let auth = Auth::with_reviews(trust, script.clone(), AuthSettings::default(), Arc::new(())).unwrap();
        let store = Store::new(Limits::default());
        let journal = Journal::memory(store.clone());
        let sources = Sources { store: store.clone(), journal, cluster };
        let deadline = std::time::Duration::from_secs(5);
        let port = Port::new(
            sources,
            WriteOptions { ttl: None, in_flight: 10, deadline, self_only: true },
            Arc::new(()),
        );
        let secure = Router::new().merge(port.routes(Access::Reviewed(auth)));
        Self { store, script, secure, closed: port.router(Access::Closed) }
    }

    /// Writes as the owner of `token`: the status, and what the answer says.
    async fn send(&self, method: &str, (path, body): (&str, &str), token: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(format!("/write-metrics{path}"));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        answer(&self.secure, request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.send("POST", (path, body), "writer").await
    }

    /// What was asked: verb, group, namespace, resource, subresource, name.
    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.script.asked.lock());
        let attributes = asked.into_iter().map(|question| match question.attributes {
            Attributes::Resource(asked) => {
                let parts =
                    [asked.verb, asked.group, asked.namespace, asked.resource, asked.subresource, asked.name];
                parts.join(" ")
            }
            Attributes::Path { path, .. } => path,
        });
        let mut attributes: Vec<String> = attributes.collect();
        attributes.sort();
        attributes
    }

    fn series(&self) -> usize {
        self.store.stats().written.series
    }
}

async fn answer(router: &Router, request: Request<Body>) -> (u16, String) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    if status == StatusCode::OK {
        return (200, String::from_utf8(body.to_vec()).unwrap());
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], status.as_u16(), "{body}");
    (status.as_u16(), body["error"].as_str().unwrap().to_owned() + &body["lines"].to_string())
}

#[tokio::test]
async fn each_form_of_a_write_is_reviewed_as_what_it_is() {
    let ports = Ports::with(|_| Ok(true));
    for (path, asked) in [
        ("/namespaces/shop/pods/web-0/qps", "create custom.metrics.k8s.io shop pods qps web-0"),
        ("/namespaces/shop/deploy/web/depth", "create custom.metrics.k8s.io shop deployments.apps depth web"),
        ("/nodes/node-1/load", "create custom.metrics.k8s.io  nodes load node-1"),
        ("/namespaces/shop/metrics/orders", "create custom.metrics.k8s.io shop metrics  orders"),
        ("/namespaces/shop/external/jobs", "create external.metrics.k8s.io shop jobs  "),
        ("/namespaces/shop/p%6fds/web-0/q%70s2", "create custom.metrics.k8s.io shop pods qps2 web-0"),
    ] {
        assert_eq!(ports.post(path, "1").await, (200, String::new()), "{path}");
        assert_eq!(ports.asked(), [asked], "{path}");
    }
    let before = ports.series();
    assert_eq!(ports.send("DELETE", ("/namespaces/shop/pods/web-0/qps", ""), "writer").await.0, 200);
    assert_eq!(ports.asked(), ["delete custom.metrics.k8s.io shop pods qps web-0"]);
    assert_eq!(ports.series(), before - 1);
}

#[tokio::test]
async fn who_may_not_writes_nothing_and_is_told_what_allows_it() {
    let ports = Ports::with(|asked| Ok(asked.namespace != "shop"));
    let (code, error) = ports.post("/namespaces/shop/pods/web-0/qps", "1").await;
    assert_eq!((code, ports.series()), (403, 0));
    let words = r#"pods.custom.metrics.k8s.io "web-0" is forbidden: User "system:serviceaccount:ci:writer" cannot create resource "pods/qps""#;
    assert!(error.starts_with(words), "{error}");
    let grant = "allow it: kubectl -n shop create rolebinding metrics-writer \
                 --clusterrole=custom-metrics-adapter:metrics-writer --serviceaccount=ci:writer";
    assert!(error.contains(grant), "{error}");
    assert_eq!(ports.post("/namespaces/other/pods/web-0/qps", "1").await.0, 200);
    assert_eq!(ports.send("DELETE", ("/namespaces/shop/pods/web-0/qps", ""), "writer").await.0, 403);
}

#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let ports = Ports::with(|_| Ok(true));
    let path = "/namespaces/shop/pods/web-0/qps";
    let (code, error) = ports.send("POST", (path, "1"), "somebody").await;
    assert_eq!((code, error.contains("invalid bearer token")), (401, true), "{error}");
    // A body that never comes holds nobody up who is refused by the head.
    for path in [path, ""] {
        let endless = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = Request::post(format!("/write-metrics{path}")).body(endless).unwrap();
        let (code, error) = answer(&ports.secure, request).await;
        assert_eq!((code, error.starts_with("no credentials: send the header")), (401, true), "{error}");
    }
    assert_eq!((ports.series(), ports.asked().len()), (0, 0));
}

#[tokio::test]
async fn what_kube_apiserver_cannot_say_is_no_refusal_of_the_writer() {
    let ports = Ports::with(|asked| if asked.name == "web-0" { Err(outage()) } else { Ok(true) });
    let (code, error) = ports.send("POST", ("/namespaces/shop/pods/web-1/qps", "1"), "outage").await;
    assert_eq!((code, error.contains("connection refused")), (500, true), "{error}");
    let (code, error) = ports.post("/namespaces/shop/pods/web-0/qps", "1").await;
    assert_eq!(
        (code, error.starts_with("kube-apiserver could not say whether you may")),
        (500, true),
        "{error}"
    );
    assert_eq!(ports.series(), 0);
}

fn line(namespace: &str, name: &str, metric: &str) -> String {
    format!(
        r#"{{"namespace":"{namespace}","resource":"pods","name":"{name}","metric":"{metric}","value":1}}"#
    )
}

#[tokio::test]
async fn a_batch_is_reviewed_once_for_each_namespace_resource_and_metric() {
    let ports = Ports::with(|_| Ok(true));
    let lines = [
        line("shop", "a", "qps"),
        line("shop", "b", "qps"),
        line("shop", "b", "rps"),
        line("ci", "a", "qps"),
    ];
    assert_eq!(ports.post("", &lines.join("\n")).await, (200, String::new()));
    assert_eq!(
        ports.asked(),
        [
            "create custom.metrics.k8s.io ci pods qps ",
            "create custom.metrics.k8s.io shop pods qps ",
            "create custom.metrics.k8s.io shop pods rps "
        ]
    );
    let many: Vec<String> = (0..257).map(|number| line("shop", "a", &format!("m{number}"))).collect();
    let (code, error) = ports.post("", &many.join("\n")).await;
    assert_eq!((code, error.starts_with("the batch has 257 different pairs")), (413, true), "{error}");
    assert_eq!(ports.asked().len(), 0);
}

#[tokio::test]
async fn a_refused_line_keeps_back_the_whole_batch_unless_it_may_be_partial() {
    let ports = Ports::with(|asked| Ok(asked.namespace != "shop"));
    let batch = [line("ci", "a", "qps"), line("shop", "a", "qps")].join("\n");
    let (code, error) = ports.post("", &batch).await;
    assert_eq!((code, ports.series()), (403, 0), "{error}");
    assert!(error.contains(r#""line":2"#) && error.contains("kubectl -n shop create rolebinding"), "{error}");
    let (code, error) = ports.post("?partial=true", &batch).await;
    assert_eq!((code, ports.series()), (207, 1), "{error}");
}

#[tokio::test]
async fn a_closed_port_takes_no_write_and_says_where_to_go() {
    let ports = Ports::with(|_| Ok(true));
    for (method, path) in
        [("POST", "/namespaces/shop/pods/web-0/qps"), ("POST", ""), ("DELETE", "/nodes/n/load")]
    {
        let request = Request::builder().method(method).uri(format!("/write-metrics{path}"));
        let request = request.header(header::AUTHORIZATION, "Bearer writer").body(Body::from("1")).unwrap();
        let (code, error) = answer(&ports.closed, request).await;
        assert_eq!(code, 401, "{error}");
        assert!(error.contains("at the port of the metrics API"), "{error}");
    }
    assert_eq!((ports.series(), ports.asked().len()), (0, 0));
}

/// A cluster with the pods `web-0` and `web-1` of the ReplicaSet `web`, and `alone`; `api` and `end` keep it.
async fn cluster() -> (Cluster, KubeApi, CancellationToken) {
    let api = KubeApi::start().await;
    api.serve("apps", "v1", "replicasets", "ReplicaSet");
    for name in ["web", "db"] {
        let mut replica_set = object("ci", name, "");
        replica_set["metadata"]["uid"] = format!("uid-of-{name}").into();
        api.apply("replicasets.apps", replica_set);
    }
    for name in ["web-0", "web-1", "alone"] {
        let mut new = pod("ci", name, "");
        new["metadata"]["uid"] = format!("uid-of-{name}").into();
        if name != "alone" {
            new["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "uid-of-web", "controller": true,
            }]);
        }
        api.apply("pods", new);
    }
    let end = CancellationToken::new();
    let mut options = ClusterOptions::new(TaskTracker::new(), end.clone());
    options.kubeconfig = Some(api.kubeconfig());
    let cluster = Cluster::connect(options).await.unwrap();
    let known = || cluster.checks().iter().all(|check| check.failure.is_none()).then_some(());
    seen("the cluster is known", known).await;
    (cluster, api, end)
}

#[tokio::test]
async fn a_pods_token_writes_about_the_pod_and_its_controllers_alone() {
    let (cluster, api, _end) = cluster().await;
    let ports = Ports::of(cluster, |_| Ok(true));
    let post = async |token: &str, path: &str| {
        let path = format!("/namespaces/ci/{path}");
        let mut answer = (503, String::new());
        eventually("what is asked for is known", async || {
            answer = ports.send("POST", (&path, "1"), token).await;
            answer.0 != 503
        })
        .await;
        answer
    };
    assert_eq!(post("pod-web-0", "pods/web-0/qps").await.0, 200);
    assert_eq!(post("pod-web-0", "replicasets.apps/web/qps").await.0, 200);
    for (token, foreign) in [
        ("pod-web-0", "pods/web-1/qps"),
        ("pod-web-0", "replicasets.apps/db/qps"),
        ("pod-web-0", "replicasets.apps/absent/qps"),
        ("pod-web-0", "metrics/qps"),
        ("pod-web-0", "external/qps"),
        ("pod-alone", "replicasets.apps/web/qps"),
    ] {
        let (code, error) = post(token, foreign).await;
        assert_eq!(code, 403, "{token} of {foreign}: {error}");
        assert!(error.contains("may write about itself and its controllers alone"), "{error}");
    }
    assert_eq!(post("writer", "pods/web-1/qps").await.0, 200, "RBAC alone decides about who is no pod");
    assert_eq!(ports.send("DELETE", ("/namespaces/ci/pods/web-1/qps", ""), "pod-web-0").await.0, 403);

    let lines = ["web-0", "web-1"].map(|name| line("ci", name, "depth")).join("\n");
    assert_eq!(ports.send("POST", ("", &lines), "pod-web-0").await.0, 403);
    let (code, partly) = ports.send("POST", ("?partial=true", &lines), "pod-web-0").await;
    assert!(code == 207 && partly.contains("1 others are stored"), "{code} {partly}");

    // A StatefulSet's next pod has the name of the one before it.
    let mut successor = pod("ci", "web-0", "");
    successor["metadata"]["uid"] = "uid-of-the-next".into();
    api.delete("pods", "ci", "web-0");
    api.apply("pods", successor);
    let stale = async || ports.send("POST", ("/namespaces/ci/pods/web-0/qps", "1"), "pod-web-0").await;
    eventually("the token of the pod before it writes no more", async || stale().await.0 == 503).await;
    assert!(stale().await.1.contains("UID"), "{:?}", stale().await);
}
