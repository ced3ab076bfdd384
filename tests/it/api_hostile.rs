//! Hostile requests to the metrics API.

use std::sync::Arc;

use custom_metrics_adapter::{
    api::{
        Limits,
        route::{ExternalPath, GroupVersion, MetricsPath, Objects, Route},
    },
    auth::{
        AccessVerdict, Attributes, Auth, AuthSettings, BearerToken, Question, ResourceAttributes,
        ReviewError, Reviews, TokenVerdict, Trust,
    },
};
use futures::{FutureExt, future::BoxFuture};
use http::Request;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    support::pki::Authority,
    world::{World, api, api_with, cluster_scoped, external, get, pod, send, store, value},
};

const AT: &str = "2026-11-24T08:44:11Z";

/// Segments that mean something, next to ones that do not.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "apis", "custom.metrics.k8s.io", "external.metrics.k8s.io", "v1beta1", "v1beta2", "namespaces", "default", "pods", "po", "Pod", "web-0",
            "qps", "*", "%2A", "metrics", "nodes", "deployments.apps", "healthz", "livez", "readyz", "ping", "openapi",
            "v2", "v3", "version", "watch", "proxy", "status", "..", ".",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", "%2F", "%00", "%ff", "%", "%zz", "a%20b", "m%C3%A9", "%0a"]).prop_map(str::to_owned),
        1 => "[!-~&&[^#?]]{0,40}",
    ]
}

fn uri_path() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(segment(), 0..9).prop_map(|segments| format!("/{}", segments.join("/"))),
        prop::collection::vec(segment(), 0..6)
            .prop_map(|segments| format!("/apis/custom.metrics.k8s.io/v1beta2/{}", segments.join("/"))),
        prop::collection::vec(segment(), 0..4).prop_map(|segments| format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}",
            segments.join("/")
        )),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "labelSelector",
        "metricLabelSelector",
        "fieldSelector",
        "limit",
        "watch",
        "timeoutSeconds",
        "pretty",
        "continue",
        "verbose",
        "exclude",
        "x",
    ]);
    let text = prop_oneof!["[ -~]{0,30}", "(a|b|env)(=|==|!=| in \\(|>|<|,|!){0,3}(1|prod|x\\))?"];
    let encode = |text: String| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = (name, text).prop_map(move |(name, text)| format!("{name}={}", encode(text)));
    prop_oneof![
        4 => prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&")),
        1 => "[!-~&&[^#]]{0,30}",
    ]
}

fn header() -> impl Strategy<Value = (&'static str, String)> {
    let accepts = prop::sample::select(vec![
        "application/vnd.kubernetes.protobuf, */*",
        "application/json",
        "application/yaml",
        "text/html",
        "*/*;q=0",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ";;;q=,,",
        "q=NaN;q=x",
    ]);
    prop_oneof![
        accepts.prop_map(|value| ("accept", value.to_owned())),
        "[ -~]{0,40}".prop_map(|value| ("accept", value)),
        "[ -~]{0,40}".prop_map(|value| ("accept-encoding", value)),
        "[ -~]{0,80}".prop_map(|value| ("audit-id", value)),
        "[ -~]{0,40}".prop_map(|value| ("if-none-match", value)),
        "(curl|Wget|x)[ -~]{0,10}".prop_map(|value| ("user-agent", value)),
    ]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just("GET"),
        1 => prop::sample::select(vec!["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO"]),
    ]
}

fn world() -> World {
    World::new().with(pod("web-0"), "app=web,env=prod").with(cluster_scoped("nodes", "node-1"), "")
}

#[test]
fn ten_thousand_random_requests_end_in_a_valid_answer_or_a_refusal() {
    let values = vec![
        value(&pod("web-0"), "qps", "42", "env=prod", AT),
        value(&pod("web-0"), "a b", "1", "", AT),
        external("default", "qps", "42", "env=prod", AT),
    ];
    let api = api(world(), store(values));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answered = std::cell::Cell::new(0);
    let requests = (method(), uri_path(), query(), prop::collection::vec(header(), 0..3));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(10_000));
    let outcome = runner.run(&requests, |(method, path, query, headers)| {
        let request = Request::builder().method(method).uri(format!("{path}?{query}"));
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        // What is no request at all does not come this far.
        let Ok(request) = request.body("".into()) else { return Ok(()) };
        let answer = runtime.block_on(send(&api, request));
        prop_assert!(!answer.status.is_server_error(), "{method} {path}?{query}: {}", answer.status);
        if answer.header("content-type") == "application/json" && method != "HEAD" {
            prop_assert!(
                serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok(),
                "{:?}",
                answer.body
            );
        }
        prop_assert!(answer.headers.contains_key("audit-id") && answer.headers.contains_key("cache-control"));
        answered.set(answered.get() + u32::from(answer.status.is_success()));
        Ok(())
    });
    outcome.unwrap();
    let answered = answered.get();
    assert!(answered > 100, "only {answered} requests were good ones: the test does not test much");
}

/// What a review has to be about for the values of `path` to be covered by it.
fn reviewed(path: &MetricsPath, asked: &ResourceAttributes) -> ResourceAttributes {
    let name = match &path.objects {
        Objects::Named(name) => name.clone(),
        Objects::All => "*".to_owned(),
    };
    let metric = path.metric.clone().unwrap_or_default();
    let mut wanted = ResourceAttributes {
        verb: "get".to_owned(),
        namespace: path.namespace.clone().unwrap_or_default(),
        resource: path.resource.clone(),
        name: name.clone(),
        subresource: metric.clone(),
        ..asked.clone()
    };
    if path.namespace.is_none() && path.resource == "namespaces" {
        wanted.namespace.clone_from(&name);
        if path.metric.is_some() {
            // namespaces/NAME/metrics/METRIC
            wanted = ResourceAttributes {
                resource: "metrics".to_owned(),
                name: metric,
                subresource: String::new(),
                ..wanted
            };
        }
    }
    wanted
}

/// What the review of an external metric has to say.
fn listed(path: &ExternalPath, asked: &ResourceAttributes) -> ResourceAttributes {
    ResourceAttributes {
        verb: "list".to_owned(),
        namespace: path.namespace.clone(),
        resource: path.metric.clone(),
        name: String::new(),
        subresource: String::new(),
        ..asked.clone()
    }
}

type Reviewed = Box<dyn Fn(&ResourceAttributes) -> ResourceAttributes>;

#[test]
fn what_is_served_is_what_was_reviewed() {
    let (of_objects, of_none) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    TestRunner::new(ProptestConfig::with_cases(20_000))
        .run(&uri_path(), |path| {
            let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
            let attributes = Attributes::of(&http::Method::GET, &uri);
            let (group_version, wanted): (_, Reviewed) = match Route::of(uri.path()) {
                Route::Metrics(version, metrics) => {
                    of_objects.set(of_objects.get() + 1);
                    (GroupVersion::Custom(version), Box::new(move |asked| reviewed(&metrics, asked)))
                }
                Route::External(metric) => {
                    of_none.set(of_none.get() + 1);
                    (GroupVersion::External, Box::new(move |asked| listed(&metric, asked)))
                }
                _ => return Ok(()),
            };
            let Attributes::Resource(asked) = attributes else {
                return Err(TestCaseError::fail(format!("{path} is reviewed as a path")));
            };
            prop_assert_eq!(format!("{}/{}", asked.group, asked.version), group_version.as_str());
            prop_assert_eq!(&asked, &wanted(&asked), "{}", path);
            Ok(())
        })
        .unwrap();
    let served = (of_objects.get(), of_none.get());
    assert!(served.0 > 1000 && served.1 > 100, "only {served:?} paths were good ones");
}

/// A kube-apiserver that never answers.
struct Silent;

impl Reviews for Silent {
    fn token(&self, _: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        Box::pin(std::future::pending())
    }

    fn access(&self, _: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        Box::pin(std::future::pending())
    }
}

fn silent() -> Auth {
    let data = [("requestheader-client-ca-file".to_owned(), Authority::new("front-proxy").pem)].into();
    Auth::with_reviews(Trust::parse(&data).unwrap(), Arc::new(Silent), AuthSettings::default(), Arc::new(()))
        .unwrap()
}

#[tokio::test]
async fn a_stranger_with_many_tokens_is_429_before_kube_apiserver_is_flooded() {
    let api = api_with(world(), store(Vec::new()), silent(), Limits::default());
    let with_token = |token: usize| {
        let request = Request::get("/apis").header("authorization", format!("Bearer {token}"));
        Box::pin(send(&api, request.body("".into()).unwrap()))
    };
    let mut asked: Vec<_> = (0..64).map(with_token).collect();
    assert!(asked.iter_mut().all(|asked| asked.now_or_never().is_none()), "all of them are asked about");
    let refused = with_token(64).await;
    assert_eq!(refused.failure(429), "Too many requests, please try again later.");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(get(&api, "/livez").await.status, 200, "what needs no token is answered");
}

#[tokio::test]
async fn a_stranger_with_many_paths_leaves_room_for_those_who_have_credentials() {
    let api = api_with(world(), store(Vec::new()), silent(), Limits::default());
    let path = |n: usize| Box::pin(send(&api, Request::get(format!("/x/{n}")).body("".into()).unwrap()));
    let mut asked: Vec<_> = (0..64).map(path).collect();
    assert!(asked.iter_mut().all(|asked| asked.now_or_never().is_none()), "all of them are asked about");
    assert!(!path(64).await.header("retry-after").is_empty());
    path(64).await.failure(429);
    let with_token = Request::get("/apis").header("authorization", "Bearer t").body("".into()).unwrap();
    assert!(Box::pin(send(&api, with_token)).now_or_never().is_none(), "who has a token is asked about");
    drop(asked.pop());
    assert!(path(65).now_or_never().is_none(), "there is room for one again");
}

#[tokio::test]
async fn probes_are_exempt_from_the_limit_but_not_every_path_that_looks_like_one() {
    let limits = Limits { requests_inflight: 0, ..Limits::default() };
    let api = api_with(world(), store(Vec::new()), silent(), limits);
    for probe in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(get(&api, probe).await.status, 200, "{probe}");
    }
    for made_up in ["/livez/ping", "/livez/1", "/readyz/2"] {
        get(&api, made_up).await.failure(429);
    }
}
