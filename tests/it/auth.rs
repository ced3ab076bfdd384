//! Who may read: certificates, headers and tokens on real connections, decided by a scripted Kubernetes API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::State};
use custom_metrics_adapter::{
    api,
    auth::{Attributes, Auth, AuthError, AuthOptions, AuthSettings, AuthorizationError},
    serve::{ConnectionCounters, Limits, Listener, Peer, ServeOptions, ServingCertificate, Tls},
};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    support::{
        client, eventually,
        fake_kube::FakeKube,
        log::Log,
        pki::{Authority, Identity},
        seen, within,
    },
    world::{World as Cluster, api_with, path, send, store},
};

const POD: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/web-0/qps";

/// An adapter that answers every request with who asked, behind delegated authentication.
struct World {
    kube: FakeKube,
    front_proxy: Authority,
    cluster: Authority,
    serving: Authority,
    url: String,
    auth: Auth,
    shutdown: CancellationToken,
    _files: TempDir,
}

impl World {
    async fn start() -> Self {
        Self::with(AuthSettings::default()).await
    }

    async fn with(settings: AuthSettings) -> Self {
        let (front_proxy, cluster) = (Authority::new("front-proxy-ca"), Authority::new("cluster-ca"));
        let kube = FakeKube::start(config_map(&front_proxy, &cluster)).await;
        kube.script(|_| (201, json!({"allowed": true})));
        let shutdown = CancellationToken::new();
        let auth = delegated(&kube, settings, &shutdown).await.unwrap();
        let serving = Authority::new("serving-ca");
        let (certificate, files) = serving_certificate(&serving.server(&["localhost"])).await;
        let tls = Tls::new(certificate, auth.clone()).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("https://localhost:{}", listener.local_address().port());
        let router = Router::new().fallback(who).with_state(auth.clone());
        let counters = Arc::new(ConnectionCounters::default());
        let options = ServeOptions {
            tls: Some(tls),
            limits: Limits::default(),
            heads: custom_metrics_adapter::serve::head_budget(),
            counters,
            spans: None,
        };
        TaskTracker::new().spawn(listener.run(router, options, shutdown.clone()));
        Self { kube, front_proxy, cluster, serving, url, auth, shutdown, _files: files }
    }

    fn front_proxy_client(&self) -> reqwest::Client {
        client::https(&self.serving, Some(&self.front_proxy.client("front-proxy-client", &[])))
    }

    /// What a caller with this certificate and these headers gets.
    async fn ask(&self, identity: Option<&Identity>, headers: &[(&str, &str)]) -> (u16, Value) {
        ask(&client::https(&self.serving, identity), &format!("{}{POD}", self.url), headers).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn config_map(front_proxy: &Authority, cluster: &Authority) -> BTreeMap<String, String> {
    [
        ("client-ca-file", &*cluster.pem),
        ("requestheader-client-ca-file", &*front_proxy.pem),
        ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
        ("requestheader-username-headers", r#"["X-Remote-User"]"#),
        ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
        ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#),
        ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

async fn delegated(
    kube: &FakeKube,
    settings: AuthSettings,
    shutdown: &CancellationToken,
) -> Result<Auth, AuthError> {
    let options = AuthOptions {
        kube: kube.delegate(),
        settings,
        load_deadline: Duration::from_secs(5),
        request_headers: None,
        observer: Arc::new(()),
        tracker: TaskTracker::new(),
        shutdown: shutdown.clone(),
    };
    within("loading the ConfigMap", Auth::delegated(options)).await
}

async fn serving_certificate(identity: &Identity) -> (Arc<ServingCertificate>, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
    std::fs::write(&certificate, &identity.chain_pem).unwrap();
    std::fs::write(&key, &identity.key_pem).unwrap();
    (ServingCertificate::from_files(certificate, key).await.unwrap(), files)
}

/// Answers 200 with the user and the client's port, or what went wrong.
async fn who(State(auth): State<Auth>, request: Request<Body>) -> Response<Body> {
    let peer = request.extensions().get::<Peer>().unwrap();
    let (code, body) = match auth.authenticate(request.headers(), &peer.certificates).await {
        Err(error) => (401, json!(error.to_string())),
        Ok(user) => {
            let attributes = Attributes::of(request.method(), request.uri());
            match auth.authorize(&user, &attributes).await {
                Ok(()) => {
                    let user = json!({
                        "name": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra,
                        "port": peer.address.port(),
                    });
                    (200, user)
                }
                Err(AuthorizationError::Forbidden(refusal)) => (403, json!(refusal.message)),
                Err(error @ AuthorizationError::Crowded(_)) => (429, json!(error.to_string())),
                Err(AuthorizationError::ReviewFailed(error)) => (500, json!(error.to_string())),
            }
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

async fn ask(client: &reqwest::Client, url: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let request =
        headers.iter().fold(client.get(url), |request, (name, value)| request.header(*name, *value));
    let answer = within("an answer", request.send()).await.unwrap();
    let code = answer.status().as_u16();
    (code, serde_json::from_str(&client::text(answer).await).unwrap())
}

#[tokio::test]
async fn the_front_proxy_passes_its_users_on_with_everything_that_kubernetes_knows_of_them() {
    let world = World::start().await;
    let proxy = world.front_proxy.client("front-proxy-client", &[]);
    let headers = [
        ("X-Remote-User", "alice"),
        ("X-Remote-Group", "devs"),
        ("X-Remote-Group", "ops"),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Extra-Scopes", "a"),
        ("X-Remote-Extra-Acme.Com%2fProject", "b"),
    ];
    let (code, mut user) = world.ask(Some(&proxy), &headers).await;
    assert_eq!(code, 200);
    user["port"].take();
    let expected = json!({
        "name": "alice",
        "uid": "u-1",
        "groups": ["devs", "ops", "system:authenticated"],
        "extra": {"acme.com/project": ["b"], "scopes": ["a"]},
        "port": null,
    });
    assert_eq!(user, expected);
    let review = &world.kube.reviews("SubjectAccessReview")[0];
    assert_eq!(review["resourceAttributes"]["subresource"], "qps");
    assert_eq!(review["groups"], json!(["devs", "ops", "system:authenticated"]));
}

#[tokio::test]
async fn the_front_proxy_without_a_user_is_nobody() {
    let world = World::start().await;
    let proxy = world.front_proxy.client("front-proxy-client", &[]);
    assert_eq!(world.ask(Some(&proxy), &[]).await.0, 401);
    assert_eq!(world.ask(Some(&proxy), &[("X-Remote-User", "")]).await.0, 401);
}

#[tokio::test]
async fn certificates_are_worth_what_their_issuer_is_trusted_for() {
    let world = World::start().await;
    let remote = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];
    let stranger = Authority::new("stranger");
    let namesake = Authority::new("front-proxy-ca");

    let (code, user) = world.ask(Some(&world.cluster.client("bob", &["devs", "ops"])), &remote).await;
    assert_eq!((code, &user["name"]), (200, &json!("bob")), "headers of ordinary users are ignored");
    assert_eq!(user["groups"], json!(["devs", "ops", "system:authenticated"]));
    let credential = user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap();
    assert!(credential.starts_with("X509SHA256=") && credential.len() == 11 + 64, "{credential}");

    for (what, identity) in [
        ("another name of the front proxy's authority", world.front_proxy.client("someone", &[])),
        ("an authority that nobody trusts", stranger.client("front-proxy-client", &[])),
        ("an authority of the same name", namesake.client("front-proxy-client", &[])),
        ("an expired certificate of the front proxy", world.front_proxy.expired_client("front-proxy-client")),
        ("an expired certificate of a user", world.cluster.expired_client("bob")),
        ("a server's certificate", world.cluster.server(&["localhost"])),
    ] {
        assert_eq!(world.ask(Some(&identity), &remote).await.0, 401, "{what}");
    }

    let (code, user) = world.ask(None, &remote).await;
    assert_eq!(
        (code, &user["name"]),
        (200, &json!("system:anonymous")),
        "without a certificate they are ignored"
    );
}

#[tokio::test]
async fn a_valid_token_makes_up_for_a_certificate_that_nobody_trusts() {
    let world = World::start().await;
    world.kube.script(|review| match review["spec"]["token"].as_str() {
        Some("good") => {
            (201, json!({"authenticated": true, "user": {"username": "robot", "groups": ["bots"]}}))
        }
        Some(_) => (201, json!({"user": {}, "error": "invalid bearer token"})),
        None => (201, json!({"allowed": true})),
    });
    let stranger = Authority::new("stranger").client("x", &[]);
    for identity in [None, Some(&stranger)] {
        let (code, user) = world.ask(identity, &[("Authorization", "Bearer good")]).await;
        assert_eq!((code, &user["name"]), (200, &json!("robot")));
        assert_eq!(world.ask(identity, &[("Authorization", "Bearer bad")]).await.0, 401);
    }
    let tokens = world.kube.reviews("TokenReview");
    assert_eq!(tokens, [json!({"token": "good"}), json!({"token": "bad"})], "each was asked about once");
}

#[tokio::test]
async fn a_denied_review_is_a_refusal_and_a_failed_one_is_never_data() {
    let world = World::start().await;
    world.kube.script(|_| (201, json!({"allowed": false, "reason": "RBAC: no rule"})));
    let bob = world.cluster.client("bob", &[]);
    let (code, message) = world.ask(Some(&bob), &[]).await;
    assert_eq!(code, 403);
    assert!(message.as_str().unwrap().ends_with(r#"in the namespace "default": RBAC: no rule"#), "{message}");

    world.kube.script(|_| (403, json!("subjectaccessreviews is forbidden")));
    let eve = world.cluster.client("eve", &[]);
    assert_eq!(world.ask(Some(&eve), &[]).await, (500, json!("subjectaccessreviews is forbidden")));

    world.kube.script(|_| (201, json!({"allowed": true, "denied": true})));
    assert_eq!(world.ask(Some(&eve), &[]).await.0, 500);
}

#[tokio::test]
async fn a_review_is_tried_again_when_kube_apiserver_stumbles() {
    let world = World::start().await;
    let stumbles = std::sync::atomic::AtomicUsize::new(0);
    world.kube.script(move |_| match stumbles.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => (500, json!("stumbled")),
        _ => (201, json!({"allowed": true})),
    });
    assert_eq!(world.ask(Some(&world.cluster.client("bob", &[])), &[]).await.0, 200);
    assert_eq!(world.kube.reviews("SubjectAccessReview").len(), 2);
}

#[tokio::test]
async fn without_kube_apiserver_what_is_remembered_goes_on_and_the_rest_waits_for_its_return() {
    let world = World::start().await;
    let client = world.front_proxy_client();
    let pod = format!("{}{POD}", world.url);
    let alice = [("X-Remote-User", "alice")];
    assert_eq!(ask(&client, &pod, &alice).await.0, 200);
    world.kube.stop().await;
    assert_eq!(ask(&client, &pod, &alice).await.0, 200, "remembered");
    assert_eq!(ask(&client, &pod, &[("X-Remote-User", "bob")]).await.0, 500, "never asked about");
    let masters = [("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters")];
    assert_eq!(ask(&client, &pod, &masters).await.0, 200, "needs no review");
    assert_eq!(ask(&client, &format!("{}/healthz", world.url), &[("X-Remote-User", "bob")]).await.0, 200);
    world.kube.restart().await;
    eventually("bob is let in", async || ask(&client, &pod, &[("X-Remote-User", "bob")]).await.0 == 200)
        .await;
}

#[tokio::test]
async fn rotated_authorities_count_at_once_on_connections_that_are_open() {
    let world = World::start().await;
    let client = world.front_proxy_client();
    let pod = format!("{}{POD}", world.url);
    let alice = [("X-Remote-User", "alice")];
    let (code, before) = ask(&client, &pod, &alice).await;
    assert_eq!(code, 200);

    let next = Authority::new("front-proxy-ca");
    world.kube.set_config_map(Some(config_map(&next, &world.cluster)));
    eventually("the old proxy is refused", async || ask(&client, &pod, &alice).await.0 == 401).await;
    let next_client = client::https(&world.serving, Some(&next.client("front-proxy-client", &[])));
    assert_eq!(ask(&next_client, &pod, &alice).await.0, 200);

    world.kube.set_config_map(Some(config_map(&world.front_proxy, &world.cluster)));
    eventually("the old proxy is trusted again", async || ask(&client, &pod, &alice).await.0 == 200).await;
    assert_eq!(
        ask(&client, &pod, &alice).await.1["port"],
        before["port"],
        "it was one connection all the time"
    );
}

#[tokio::test]
async fn an_unusable_or_deleted_config_map_changes_nothing_and_is_reported() {
    let world = World::start().await;
    let problem = || world.auth.trust_status().unwrap().problem.unwrap_or_default();
    let proxy = world.front_proxy.client("front-proxy-client", &[]);
    let alice = [("X-Remote-User", "alice")];

    let good = config_map(&world.front_proxy, &world.cluster);
    let mut broken = good.clone();
    broken.insert("requestheader-client-ca-file".to_owned(), "no PEM".to_owned());
    world.kube.set_config_map(Some(broken));
    eventually("it is reported", async || problem().contains("requestheader-client-ca-file")).await;
    assert_eq!(world.ask(Some(&proxy), &alice).await.0, 200);

    world.kube.set_config_map(None);
    eventually("it is reported", async || problem().contains("is gone")).await;
    assert_eq!(world.ask(Some(&proxy), &alice).await.0, 200);

    world.kube.set_config_map(Some(good));
    eventually("all is well again", async || problem().is_empty()).await;
    assert_eq!(world.auth.trust_status().unwrap().generation, 1, "what is trusted never changed");
}

#[tokio::test]
async fn the_watch_survives_a_restart_of_kube_apiserver() {
    let world = World::start().await;
    world.kube.stop().await;
    world.kube.restart().await;
    let next = Authority::new("front-proxy-ca");
    world.kube.set_config_map(Some(config_map(&next, &world.cluster)));
    let proxy = next.client("front-proxy-client", &[]);
    let alice = [("X-Remote-User", "alice")];
    eventually("the new authority is trusted", async || world.ask(Some(&proxy), &alice).await.0 == 200).await;
}

/// A watch that is resumed brings nothing until something changes, which for this ConfigMap may be years.
#[tokio::test]
async fn a_watch_of_the_config_map_that_is_resumed_fails_no_longer() {
    let log = Log::keep();
    let world = World::start().await;
    let problem = || world.auth.trust_status().unwrap().problem.unwrap_or_default();
    for _ in 0..2 {
        world.kube.stop().await;
        eventually("it is reported", async || problem().contains("cannot be watched")).await;
        world.kube.restart().await;
        eventually("it is over", async || problem().is_empty()).await;
    }
    assert_eq!(log.with(&["WARN", "cannot be watched", "class=\"unreachable\""]).len(), 2);
    assert_eq!(log.with(&["INFO", "can be watched again"]).len(), 2);
}

#[tokio::test]
async fn the_right_to_watch_the_config_map_that_is_taken_away_is_named_in_the_log_and_given_back() {
    let log = Log::keep();
    let world = World::start().await;
    let problem = || world.auth.trust_status().unwrap().problem.unwrap_or_default();
    world.kube.set_readable(false);
    world.kube.stop().await;
    world.kube.restart().await;
    eventually("it is reported", async || problem().contains("no Role says so")).await;
    let lines = log.with(&["WARN", "cannot be watched", "class=\"forbidden\"", "no Role says so"]);
    assert!(lines.len() == 1 && lines[0].contains("extension-apiserver-authentication-reader"), "{lines:?}");
    world.kube.set_readable(true);
    eventually("it is over", async || problem().is_empty()).await;
    assert_eq!(log.with(&["INFO", "can be watched again"]).len(), 1);
}

/// What is silent for longer than the client waits for counts as broken: 75 seconds.
#[tokio::test]
async fn a_quiet_watch_of_the_config_map_ends_before_the_client_takes_it_for_dead() {
    let world = World::start().await;
    let asked =
        || world.kube.config_map_queries().into_iter().find_map(|query| query.get("timeoutSeconds").cloned());
    let seconds = seen("the watch is asked for", asked).await;
    assert!(seconds.parse::<u32>().unwrap() < 75, "{seconds}");
}

#[tokio::test]
async fn reviews_that_fail_and_work_again_are_logged_once_each_with_what_to_do() {
    let log = Log::keep();
    let world = World::start().await;
    world.kube.script(|_| (403, json!("reviews are forbidden")));
    let token = ("Authorization", "Bearer good");
    for _ in 0..3 {
        world.ask(None, &[token]).await;
        assert_eq!(world.ask(Some(&world.cluster.client("eve", &[])), &[]).await.0, 500);
    }
    for review in ["TokenReview", "SubjectAccessReview"] {
        let lines = log.with(&["WARN", "reviews fail", &format!("review=\"{review}\""), "class=\"refused\""]);
        assert!(lines.len() == 1 && lines[0].contains("system:auth-delegator"), "{lines:?}");
    }
    world.kube.script(|_| (201, json!({"allowed": true, "authenticated": true, "user": {"username": "u"}})));
    world.ask(None, &[token]).await;
    assert_eq!(log.with(&["INFO", "reviews work again"]).len(), 2);
}

/// Its owner would take the token for a bad one, and get another that is no better.
#[tokio::test]
async fn a_token_that_nobody_could_review_is_no_bad_token() {
    let kube = FakeKube::start(config_map(&Authority::new("a"), &Authority::new("b"))).await;
    let shutdown = CancellationToken::new();
    let auth = delegated(&kube, AuthSettings::default(), &shutdown).await.unwrap();
    let api = api_with(Cluster::new(), store(Vec::new()), auth, api::Limits::default());
    let read = || {
        let request =
            Request::get(path("namespaces/default/pods/web/load")).header("authorization", "Bearer good");
        send(&api, request.body(Body::empty()).unwrap())
    };
    kube.script(|_| (403, json!("tokenreviews is forbidden")));
    let message = read().await.failure(500);
    assert!(
        message.ends_with("the bearer token could not be reviewed: tokenreviews is forbidden"),
        "{message}"
    );
    kube.stop().await;
    let message = read().await.failure(500);
    assert!(message.contains("the bearer token could not be reviewed: "), "{message}");
    kube.restart().await;
    kube.script(|_| (201, json!({"authenticated": false, "error": "unknown"})));
    assert_eq!(read().await.failure(401), "Unauthorized");
    shutdown.cancel();
}

#[tokio::test]
async fn heads_are_short_until_a_certificate_is_accepted() {
    let world = World::start().await;
    let (proxy, client) =
        (world.front_proxy.client("front-proxy-client", &[]), world.cluster.client("c", &[]));
    let stranger = Authority::new("a stranger").client("s", &[]);
    for (identity, kilobytes, taken) in [
        (None, 10, true),
        (None, 40, false),
        (Some(&stranger), 40, false),
        (Some(&client), 200, true),
        (Some(&proxy), 200, true),
        (Some(&proxy), 300, false),
    ] {
        let mut tls = client::tls(&world.serving, identity);
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
        let client = client.tls_backend_preconfigured(tls).build().unwrap();
        let request = client.get(format!("{}{POD}", world.url));
        let long =
            (0..kilobytes).fold(request, |request, n| request.header(format!("x-{n}"), "y".repeat(1_000)));
        let answer = long.send().await.ok().filter(|answer| answer.status() != 431);
        assert_eq!(answer.is_some(), taken, "{kilobytes} KB");
    }
}

#[tokio::test]
async fn starting_waits_for_the_right_to_read_the_config_map() {
    let (front_proxy, cluster) = (Authority::new("a"), Authority::new("b"));
    let kube = FakeKube::start(config_map(&front_proxy, &cluster)).await;
    kube.set_readable(false);
    let shutdown = CancellationToken::new();
    let granted = async {
        tokio::task::yield_now().await;
        kube.set_readable(true);
    };
    let (auth, ()) = tokio::join!(delegated(&kube, AuthSettings::default(), &shutdown), granted);
    assert_eq!(auth.unwrap().certificate_hints().unwrap().1.len(), 2);
    shutdown.cancel();
}

#[tokio::test]
async fn starting_without_that_right_says_which_role_is_missing() {
    let kube = FakeKube::start(BTreeMap::new()).await;
    kube.set_readable(false);
    let options = AuthOptions {
        kube: kube.delegate(),
        settings: AuthSettings::default(),
        load_deadline: Duration::from_millis(1),
        request_headers: None,
        observer: Arc::new(()),
        tracker: TaskTracker::new(),
        shutdown: CancellationToken::new(),
    };
    let error = Auth::delegated(options).await.err().unwrap().to_string();
    assert!(error.contains("no Role says so") && error.contains("authentication-reader"), "{error}");
}
