//! A Kubernetes API that answers what a test scripts, over a real socket, to a real client.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    response::Response,
    routing::{get, post},
};
use custom_metrics_adapter::auth::AuthKube;
use futures::StreamExt;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the API answers a review with: a status code, and the review's status or a Status message.
pub(crate) type Script = dyn Fn(&Value) -> (u16, Value) + Send + Sync;

/// The scripted API.
pub(crate) struct FakeKube {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Mutex<CancellationToken>,
    tasks: TaskTracker,
}

struct Shared {
    config_map: watch::Sender<(u64, Option<BTreeMap<String, String>>)>,
    script: Mutex<Arc<Script>>,
    reviews: Mutex<Vec<Value>>,
    headers: Mutex<Vec<HeaderMap>>,
    readable: Mutex<bool>,
    queries: Mutex<Vec<BTreeMap<String, String>>>,
}

impl FakeKube {
    /// Starts with this ConfigMap; every review is refused until a script is set.
    pub(crate) async fn start(config_map: BTreeMap<String, String>) -> Self {
        let shared = Arc::new(Shared {
            config_map: watch::Sender::new((1, Some(config_map))),
            script: Mutex::new(Arc::new(|_| (201, json!({"allowed": false})))),
            reviews: Mutex::default(),
            headers: Mutex::default(),
            readable: Mutex::new(true),
            queries: Mutex::default(),
        });
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let fake = Self { address, shared, stop: Mutex::default(), tasks: TaskTracker::new() };
        fake.serve(socket);
        fake
    }

    /// A client of this API.
    pub(crate) fn client(&self) -> kube::Client {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }

    /// This API as what authentication delegates to.
    pub(crate) fn delegate(&self) -> AuthKube {
        AuthKube {
            client: self.client(),
            server: "http://fake".to_owned(),
            waiting: watch::Sender::default(),
        }
    }

    /// What a review is answered with from now on.
    pub(crate) fn script(&self, script: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) {
        *self.shared.script.lock() = Arc::new(script);
    }

    /// The specs of the reviews of one kind that came, in order.
    pub(crate) fn reviews(&self, kind: &str) -> Vec<Value> {
        let reviews = self.shared.reviews.lock();
        reviews.iter().filter(|review| review["kind"] == kind).map(|review| review["spec"].clone()).collect()
    }

    /// The headers of all reviews, in order.
    pub(crate) fn review_headers(&self) -> Vec<HeaderMap> {
        self.shared.headers.lock().clone()
    }

    /// Changes or deletes the ConfigMap; whoever watches it is told.
    pub(crate) fn set_config_map(&self, data: Option<BTreeMap<String, String>>) {
        self.shared.config_map.send_modify(|(version, current)| {
            *version += 1;
            *current = data;
        });
    }

    /// Whether the ConfigMap may be read.
    pub(crate) fn set_readable(&self, readable: bool) {
        *self.shared.readable.lock() = readable;
    }

    /// The parameters of each list and watch of the ConfigMap that was asked for, in order.
    pub(crate) fn config_map_queries(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.queries.lock().clone()
    }

    /// Goes down: connections are cut, new ones are refused.
    pub(crate) async fn stop(&self) {
        self.stop.lock().cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Comes back at the same address.
    pub(crate) async fn restart(&self) {
        *self.stop.lock() = CancellationToken::new();
        self.tasks.reopen();
        self.serve(tokio::net::TcpListener::bind(self.address).await.unwrap());
    }

    fn serve(&self, socket: tokio::net::TcpListener) {
        let config_maps = "/api/v1/namespaces/kube-system/configmaps";
        let router = Router::new()
            .route(config_maps, get(list_or_watch))
            .route(&format!("{config_maps}/extension-apiserver-authentication"), get(read))
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
            .route("/apis/authorization.k8s.io/v1/subjectaccessreviews", post(review))
            .with_state(Arc::clone(&self.shared));
        let stop = self.stop.lock().clone();
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            while let Some(accepted) = stop.run_until_cancelled(socket.accept()).await {
                let (stream, _) = accepted.unwrap();
                tasks.spawn(connection(stream, router.clone(), stop.clone()));
            }
        });
    }
}

async fn connection(stream: tokio::net::TcpStream, router: Router, stop: CancellationToken) {
    let service = hyper_util::service::TowerToHyperService::new(router);
    let http = hyper::server::conn::http1::Builder::new();
    let connection = http.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
    let _ = stop.run_until_cancelled(connection).await;
}

async fn read(State(shared): State<Arc<Shared>>) -> Response {
    let (version, data) = shared.config_map.borrow().clone();
    match data {
        _ if !*shared.readable.lock() => status(403, "configmaps is forbidden: no Role says so"),
        Some(data) => answer(200, &object(version, &data)),
        None => status(404, "configmaps not found"),
    }
}

async fn list_or_watch(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    assert_eq!(query["fieldSelector"], "metadata.name=extension-apiserver-authentication");
    shared.queries.lock().push(query.clone());
    if !*shared.readable.lock() {
        return status(403, "configmaps is forbidden: no Role says so");
    }
    if !query.contains_key("watch") {
        let (version, data) = shared.config_map.borrow().clone();
        let items: Vec<Value> = data.iter().map(|data| object(version, data)).collect();
        let metadata = json!({"resourceVersion": version.to_string()});
        return answer(
            200,
            &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}),
        );
    }
    let since: u64 = query["resourceVersion"].parse().unwrap();
    let events = changes_after(shared.config_map.subscribe(), since);
    Response::new(Body::from_stream(events))
}

/// A watch: one line for each change after `since`.
fn changes_after(
    receiver: watch::Receiver<(u64, Option<BTreeMap<String, String>>)>,
    since: u64,
) -> impl futures::Stream<Item = Result<String, std::convert::Infallible>> {
    futures::stream::unfold((receiver, since), |(mut receiver, since)| async move {
        let (version, data) = receiver.wait_for(|(version, _)| *version > since).await.ok()?.clone();
        let (kind, data) = match data {
            Some(data) => ("MODIFIED", data),
            None => ("DELETED", BTreeMap::new()),
        };
        let event = json!({"type": kind, "object": object(version, &data)});
        Some((Ok(format!("{event}\n")), (receiver, version)))
    })
    .boxed()
}

async fn review(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    shared.headers.lock().push(request.headers().clone());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut review: Value = serde_json::from_slice(&body).unwrap();
    shared.reviews.lock().push(review.clone());
    let script = Arc::clone(&shared.script.lock());
    let (code, verdict) = script(&review);
    if code >= 400 {
        return status(code, verdict.as_str().unwrap_or_default());
    }
    review["status"] = verdict;
    answer(code, &review)
}

fn object(version: u64, data: &BTreeMap<String, String>) -> Value {
    json!({
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {
            "name": "extension-apiserver-authentication",
            "namespace": "kube-system",
            "resourceVersion": version.to_string(),
        },
        "data": data,
    })
}

fn status(code: u16, message: &str) -> Response {
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code});
    answer(code, &body)
}

fn answer(code: u16, body: &Value) -> Response {
    let builder = Response::builder().status(code).header("content-type", "application/json");
    builder.body(Body::from(body.to_string())).unwrap()
}
