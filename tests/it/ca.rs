//! The adapter's own CA: a Secret, APIServices, and handshakes that trust nothing but what the Secret says.

use std::{sync::Arc, time::Duration};

use axum::Router;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use custom_metrics_adapter::{
    auth::Auth,
    ca::{CaOptions, ServingCa},
    serve::{self, Listener, ServeOptions, ServiceNames, ServingCertificate, Tls},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{eventually, kube_api::KubeApi, seen};

const NAME: &str = "serving-cert";
const APISERVICES: &str = "apiservices.apiregistration.k8s.io";
const OURS: &str = "v1beta2.custom.metrics.k8s.io";
const KEDAS: &str = "v1beta1.external.metrics.k8s.io";

/// A cluster with an empty Secret, an APIService that is ours and one that is KEDA's.
async fn cluster() -> KubeApi {
    let api = KubeApi::start().await;
    api.serve("", "v1", "secrets", "Secret");
    api.serve("apiregistration.k8s.io", "v1", "apiservices", "APIService");
    fill(&api, &json!({}), &json!({}));
    api.apply(APISERVICES, registration(OURS, "adapter"));
    api.apply(APISERVICES, registration(KEDAS, "keda"));
    api
}

fn fill(api: &KubeApi, data: &Value, annotations: &Value) {
    let metadata = json!({ "namespace": "cm", "name": NAME, "annotations": annotations });
    api.apply("secrets", json!({ "metadata": metadata, "data": data, "type": "Opaque" }));
}

fn registration(name: &str, service: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "service": { "namespace": "cm", "name": service, "port": 443 },
        "insecureSkipTLSVerify": true, "groupPriorityMinimum": 100, "versionPriority": 100 } })
}

/// A replica that keeps its CA.
struct Replica {
    certificate: Arc<ServingCertificate>,
    keeper: JoinHandle<()>,
}

impl Replica {
    async fn start(api: &KubeApi) -> Self {
        let (ca, _) = start(api, Duration::from_secs(60)).await;
        let ca = ca.unwrap_or_else(|error| panic!("{error}"));
        Self { certificate: ca.certificate(), keeper: tokio::spawn(ca.run()) }
    }

    /// Whether a client that trusts `authorities` alone takes the adapter for its Service.
    async fn is_verified_by(&self, authorities: &str) -> bool {
        let tls = Tls::new(self.certificate.clone(), Auth::disabled()).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address();
        let options = ServeOptions {
            tls: Some(tls),
            limits: serve::Limits::default(),
            heads: serve::head_budget(),
            counters: Arc::default(),
            spans: None,
        };
        let end = CancellationToken::new();
        let listens = tokio::spawn(listener.run(Router::new(), options, end.clone()));
        let trusted = reqwest::Certificate::from_pem_bundle(authorities.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only(trusted);
        let client = client.resolve("adapter.cm.svc", address).build().unwrap();
        let answer = client.get(format!("https://adapter.cm.svc:{}", address.port())).send().await;
        end.cancel();
        listens.await.unwrap();
        answer.is_ok()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn start(
    api: &KubeApi,
    deadline: Duration,
) -> (Result<ServingCa, custom_metrics_adapter::ca::CaError>, watch::Receiver<Option<String>>) {
    let kubeconfig = Kubeconfig::read_from(api.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let (waiting, reason) = watch::channel(None);
    let names = ServiceNames { service: "adapter".to_owned(), namespace: "cm".to_owned() };
    let client = Client::try_from(config).unwrap();
    let options = CaOptions { client, secret: NAME.to_owned(), names, deadline, waiting };
    (ServingCa::start(options).await, reason)
}

/// What the Secret has under `key`.
fn kept(api: &KubeApi, key: &str) -> Option<String> {
    decoded(&api.object("secrets", "cm", NAME)["data"][key])
}

/// The CAs by which kube-apiserver verifies this APIService.
fn published(api: &KubeApi, name: &str) -> Option<String> {
    decoded(&api.object(APISERVICES, "", name)["spec"]["caBundle"])
}

fn decoded(value: &Value) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(value.as_str()?).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

fn certificates(bundle: &str) -> usize {
    bundle.matches("BEGIN CERTIFICATE").count()
}

#[tokio::test]
async fn replicas_that_start_together_agree_on_one_ca_which_their_apiservice_has() {
    let api = cluster().await;
    let (one, other) = tokio::join!(Replica::start(&api), Replica::start(&api));
    let authority = kept(&api, "ca.crt").unwrap();
    assert_eq!(published(&api, OURS), Some(authority.clone()));
    assert_eq!(api.object(APISERVICES, "", OURS)["spec"].get("insecureSkipTLSVerify"), None);
    assert!(one.is_verified_by(&authority).await && other.is_verified_by(&authority).await);

    let late = Replica::start(&api).await;
    assert!(late.is_verified_by(&authority).await, "one that comes later takes what there is");
    assert_eq!(kept(&api, "ca.crt"), Some(authority));
    let stranger = serve::Authority::generate(Duration::from_secs(60), jiff::Timestamp::now());
    assert!(!one.is_verified_by(&stranger.unwrap().certificate).await);
}

#[tokio::test]
async fn an_apiservice_of_another_server_is_left_as_it_is_and_is_no_problem_of_the_certificate() {
    let api = cluster().await;
    let replica = Replica::start(&api).await;
    assert_eq!(api.object(APISERVICES, "", KEDAS)["spec"], registration(KEDAS, "keda")["spec"]);
    assert_eq!(replica.certificate.status().problem, None);
}

#[tokio::test]
async fn what_somebody_else_changes_is_put_right() {
    let api = cluster().await;
    let _replica = Replica::start(&api).await;
    let (authority, key) = (kept(&api, "ca.crt"), kept(&api, "tls.key"));
    api.apply(APISERVICES, registration(OURS, "adapter"));
    seen("the CA is in the APIService again", || (published(&api, OURS) == authority).then_some(())).await;
    for spoilt in [json!({}), json!({ "tls.crt": BASE64_STANDARD.encode("garbage") })] {
        fill(&api, &spoilt, &json!({}));
        seen("the Secret is whole again", || (kept(&api, "tls.key") == key).then_some(())).await;
    }
    assert_eq!(kept(&api, "ca.crt"), authority);
}

#[tokio::test]
async fn a_pair_is_replaced_when_somebody_asks_for_it_and_every_replica_shows_the_new_one() {
    let api = cluster().await;
    let (one, other) = (Replica::start(&api).await, Replica::start(&api).await);
    let (authority, pair) = (kept(&api, "ca.crt").unwrap(), kept(&api, "tls.crt"));
    annotate(&api, "pair");
    seen("there is another pair", || (kept(&api, "tls.crt") != pair).then_some(())).await;
    let shown = |replica: &Replica| replica.certificate.status().generation == 2;
    eventually("both show it", async || shown(&one) && shown(&other)).await;
    assert!(one.is_verified_by(&authority).await && other.is_verified_by(&authority).await);
    assert_eq!(api.object("secrets", "cm", NAME)["metadata"]["annotations"], json!({}), "it was done once");
}

#[tokio::test]
async fn another_ca_in_the_secret_is_known_beside_the_first_before_anything_of_it_is_shown() {
    let api = cluster().await;
    let replica = Replica::start(&api).await;
    let authority = kept(&api, "ca.crt").unwrap();
    let elsewhere = cluster().await;
    let _stranger = Replica::start(&elsewhere).await;
    fill(&api, &elsewhere.object("secrets", "cm", NAME)["data"].clone(), &json!({}));
    let both = || published(&api, OURS).filter(|bundle| certificates(bundle) == 2);
    let bundle = seen("the APIService has both", both).await;
    assert!(bundle.starts_with(&kept(&elsewhere, "ca.crt").unwrap()) && bundle.ends_with(&authority));
    assert_eq!(kept(&api, "former-ca.crt").as_ref(), Some(&authority), "the other replicas publish the same");
    assert!(replica.is_verified_by(&authority).await, "kube-apiserver knows no other yet");
}

#[tokio::test]
async fn a_new_ca_is_in_the_apiservice_before_it_issues_anything() {
    let api = cluster().await;
    let replica = Replica::start(&api).await;
    let (authority, pair) = (kept(&api, "ca.crt").unwrap(), kept(&api, "tls.crt"));
    annotate(&api, "ca");
    let both = || published(&api, OURS).filter(|bundle| certificates(bundle) == 2);
    let bundle = seen("the APIService has both", both).await;
    assert!(
        bundle.starts_with(&authority) && bundle.ends_with(&kept(&api, "next-ca.crt").unwrap()),
        "{bundle}"
    );
    assert_eq!(kept(&api, "tls.crt"), pair);
    assert!(replica.is_verified_by(&authority).await, "who has only the first is still served");
}

fn annotate(api: &KubeApi, what: &str) {
    let data = api.object("secrets", "cm", NAME)["data"].clone();
    fill(api, &data, &json!({ "custom-metrics-adapter/rotate": what }));
}

#[tokio::test]
async fn a_start_without_the_secret_or_the_right_to_it_says_what_is_missing() {
    let api = cluster().await;
    api.delete("secrets", "cm", NAME);
    let (refused, reason) = start(&api, Duration::from_millis(1)).await;
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.contains("Secret cm/serving-cert does not exist; apply the adapter's manifest"),
        "{refused}"
    );
    assert_eq!(*reason.borrow(), None, "it did not wait");
    api.refuse("secrets", 403, "secrets is forbidden");
    let refused = start(&api, Duration::from_millis(1)).await.0.err().unwrap().to_string();
    assert!(
        refused.contains("secrets is forbidden; bind Role custom-metrics-adapter:serving-cert"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_secret_that_holds_something_else_is_not_overwritten_by_a_start() {
    let api = cluster().await;
    let others =
        json!({ "tls.crt": BASE64_STANDARD.encode("someone's"), "tls.key": BASE64_STANDARD.encode("own") });
    fill(&api, &others, &json!({}));
    let refused = start(&api, Duration::from_secs(60)).await.0.err().unwrap().to_string();
    assert!(
        refused.contains("Secret cm/serving-cert cannot be used: it has tls.crt and no ca.crt"),
        "{refused}"
    );
    assert_eq!(api.object("secrets", "cm", NAME)["data"], others);
}

#[tokio::test]
async fn without_the_right_to_the_apiservices_it_serves_and_says_so_until_it_has_it() {
    let api = cluster().await;
    api.refuse(APISERVICES, 403, "apiservices is forbidden");
    let replica = Replica::start(&api).await;
    let problem = replica.certificate.status().problem.unwrap();
    assert!(
        problem.contains("APIService v1beta1.custom.metrics.k8s.io: apiservices is forbidden"),
        "{problem}"
    );
    api.allow(APISERVICES);
    seen("it is published", || published(&api, OURS)).await;
    seen("nothing is wrong", || replica.certificate.status().problem.is_none().then_some(())).await;
}
