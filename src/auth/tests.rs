//! Authentication and authorization with scripted reviews; the certificate matrix is in `tests/it`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::header;
use tokio::time::advance;

use super::*;

/// Answers every review with what it holds at that moment, and counts the calls.
struct Script {
    token: parking_lot::Mutex<Result<TokenVerdict, ReviewError>>,
    access: parking_lot::Mutex<Result<AccessVerdict, ReviewError>>,
    calls: AtomicUsize,
}

impl Reviews for Script {
    fn token(&self, _: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.token.lock().clone();
        Box::pin(async move { answer })
    }

    fn access(&self, _: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.access.lock().clone();
        Box::pin(async move { answer })
    }
}

fn allowed() -> Result<AccessVerdict, ReviewError> {
    Ok(AccessVerdict { allowed: true, reason: String::new() })
}

fn denied(reason: &str) -> Result<AccessVerdict, ReviewError> {
    Ok(AccessVerdict { allowed: false, reason: reason.to_owned() })
}

fn failed<T>(failure: ReviewFailure) -> Result<T, ReviewError> {
    Err(ReviewError { message: "no route to host".to_owned(), failure })
}

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..User::default()
    }
}

struct World {
    script: Arc<Script>,
    auth: Auth,
}

/// Knows the token `known`, and thinks about all others for ever.
struct Slow;

impl Reviews for Slow {
    fn token(&self, token: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        match token.expose() {
            "known" => Box::pin(async { Ok(TokenVerdict::Authenticated(user("bob", &[]))) }),
            _ => Box::pin(std::future::pending()),
        }
    }

    fn access(&self, _: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        Box::pin(std::future::pending())
    }
}

fn trust() -> Trust {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    Trust::parse(&[("requestheader-client-ca-file".to_owned(), pem)].into()).unwrap()
}

fn world(settings: AuthSettings) -> World {
    let script = Arc::new(Script {
        token: parking_lot::Mutex::new(Ok(TokenVerdict::Authenticated(user("bob", &["devs"])))),
        access: parking_lot::Mutex::new(allowed()),
        calls: AtomicUsize::new(0),
    });
    let auth = Auth::with_reviews(trust(), Arc::clone(&script) as _, settings, Arc::new(())).unwrap();
    World { script, auth }
}

impl World {
    fn calls(&self) -> usize {
        self.script.calls.load(Ordering::SeqCst)
    }

    async fn ask(&self, name: &str, path: &str) -> Result<(), AuthorizationError> {
        let attributes = Attributes::of(&http::Method::GET, &path.parse().unwrap());
        self.auth.authorize(&user(name, &[]), &attributes).await
    }

    async fn with_authorization(&self, value: &str) -> Result<User, AuthenticationError> {
        authenticate(&self.auth, value).await
    }
}

async fn authenticate(auth: &Auth, authorization: &str) -> Result<User, AuthenticationError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
    auth.authenticate(&headers, &PeerCertificates::none()).await
}

const POD: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/a/qps";

#[tokio::test(start_paused = true)]
async fn an_allowed_question_is_asked_once_in_ten_seconds() {
    let world = world(AuthSettings::default());
    for _ in 0..5 {
        world.ask("alice", POD).await.unwrap();
        advance(Duration::from_millis(1_900)).await;
    }
    assert_eq!(world.calls(), 1);
    advance(Duration::from_secs(1)).await;
    world.ask("alice", POD).await.unwrap();
    assert_eq!(world.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_user_or_another_object_is_another_question() {
    let world = world(AuthSettings::default());
    world.ask("alice", POD).await.unwrap();
    world.ask("bob", POD).await.unwrap();
    world.ask("alice", "/metrics").await.unwrap();
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn a_refusal_carries_the_reason_of_the_review() {
    let world = world(AuthSettings::default());
    *world.script.access.lock() = denied("not on Sundays");
    let AuthorizationError::Forbidden(refusal) = world.ask("alice", "/metrics").await.unwrap_err() else {
        panic!("not a refusal")
    };
    assert_eq!(refusal.message, r#"forbidden: User "alice" cannot get path "/metrics": not on Sundays"#);
}

#[tokio::test]
async fn masters_and_health_need_no_review() {
    let world = world(AuthSettings::default());
    *world.script.access.lock() = failed(ReviewFailure::Unreachable);
    let pod = Attributes::of(&http::Method::GET, &POD.parse().unwrap());
    world.auth.authorize(&user("admin", &["system:masters"]), &pod).await.unwrap();
    for path in ["/healthz", "/livez", "/readyz"] {
        world.ask("system:anonymous", path).await.unwrap();
    }
    assert_eq!(world.calls(), 0);
    assert!(world.ask("system:anonymous", "/readyz/ping").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_failing_review_never_lets_anyone_in_after_the_verdict_has_run_out() {
    let world = world(AuthSettings::default());
    world.ask("alice", POD).await.unwrap();
    *world.script.access.lock() = failed(ReviewFailure::Unreachable);
    advance(Duration::from_millis(9_999)).await;
    world.ask("alice", POD).await.unwrap();
    advance(Duration::from_millis(1)).await;
    let error = world.ask("alice", POD).await.unwrap_err();
    assert!(matches!(error, AuthorizationError::ReviewFailed(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn with_an_outage_ttl_what_was_allowed_stays_allowed_through_an_outage() {
    let settings = AuthSettings { outage_ttl: Duration::from_secs(60), ..AuthSettings::default() };
    let world = world(settings);
    world.ask("alice", POD).await.unwrap();
    *world.script.access.lock() = failed(ReviewFailure::Timeout);
    advance(Duration::from_secs(30)).await;
    world.ask("alice", POD).await.unwrap();
    assert!(world.ask("mallory", POD).await.is_err(), "nobody allowed mallory before");
    *world.script.access.lock() = failed(ReviewFailure::Refused);
    advance(Duration::from_secs(2)).await;
    assert!(world.ask("alice", POD).await.is_err(), "kube-apiserver answers: this is no outage");
}

#[tokio::test]
async fn very_long_paths_are_asked_about_each_time() {
    let world = world(AuthSettings::default());
    let path = format!("{POD}{}", "x".repeat(10_000));
    world.ask("alice", &path).await.unwrap();
    world.ask("alice", &path).await.unwrap();
    assert_eq!(world.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_reviewed_once_in_ten_seconds_whatever_the_answer() {
    let world = world(AuthSettings::default());
    let bob = world.with_authorization("Bearer good").await.unwrap();
    assert_eq!(bob, user("bob", &["devs", "system:authenticated"]));
    world.with_authorization("bearer good").await.unwrap();
    assert_eq!(world.calls(), 1);
    *world.script.token.lock() = Ok(TokenVerdict::Rejected("invalid bearer token".to_owned()));
    for _ in 0..2 {
        let error = world.with_authorization("Bearer bad").await.unwrap_err();
        assert_eq!(error, AuthenticationError::Token { problem: "invalid bearer token".to_owned() });
    }
    assert_eq!(world.calls(), 2);
    advance(Duration::from_secs(10)).await;
    world.with_authorization("Bearer good").await.unwrap_err();
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn a_token_that_cannot_be_reviewed_is_not_accepted_and_not_remembered() {
    let world = world(AuthSettings::default());
    *world.script.token.lock() = failed(ReviewFailure::Unreachable);
    assert!(matches!(world.with_authorization("Bearer t").await, Err(AuthenticationError::ReviewFailed(_))));
    *world.script.token.lock() = Ok(TokenVerdict::Authenticated(user("bob", &[])));
    world.with_authorization("Bearer t").await.unwrap();
}

#[tokio::test]
async fn made_up_tokens_cause_so_many_reviews_at_once_and_no_more() {
    let auth = Auth::with_reviews(trust(), Arc::new(Slow), AuthSettings::default(), Arc::new(())).unwrap();
    let asked = |token: String| {
        let auth = auth.clone();
        Box::pin(async move { authenticate(&auth, &format!("Bearer {token}")).await })
    };
    asked("known".to_owned()).await.unwrap();
    let mut made_up: Vec<_> = (0..TOKEN_REVIEWS).map(|n| asked(n.to_string())).collect();
    assert!(made_up.iter_mut().all(|asked| asked.now_or_never().is_none()), "each is asked about");

    assert_eq!(asked("another".to_owned()).await, Err(AuthenticationError::Crowded(TOKEN_REVIEWS)));
    asked("known".to_owned()).await.unwrap();
    assert!(asked("7".to_owned()).now_or_never().is_none(), "it waits with those who have asked already");

    drop(made_up.pop());
    assert!(asked("another".to_owned()).now_or_never().is_none(), "there is room for one again");
}

#[tokio::test]
async fn what_is_no_bearer_token_is_anonymous() {
    let world = world(AuthSettings::default());
    for value in ["Basic YTpi", "Bearer", "Bearer  two-blanks", "", "Token x"] {
        assert_eq!(world.with_authorization(value).await.unwrap(), User::anonymous(), "{value:?}");
    }
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn remote_user_headers_without_a_certificate_are_ignored() {
    let world = world(AuthSettings::default());
    let mut headers = HeaderMap::new();
    headers.insert("x-remote-user", "admin".parse().unwrap());
    headers.insert("x-remote-group", "system:masters".parse().unwrap());
    let user = world.auth.authenticate(&headers, &PeerCertificates::none()).await.unwrap();
    assert_eq!(user, User::anonymous());
}

#[tokio::test]
async fn disabled_authentication_lets_everyone_in() {
    let auth = Auth::disabled();
    let user = auth.authenticate(&HeaderMap::new(), &PeerCertificates::none()).await.unwrap();
    auth.authorize(&user, &Attributes::of(&http::Method::GET, &POD.parse().unwrap())).await.unwrap();
    assert!(auth.certificate_hints().is_none() && auth.trust_status().is_none());
}

#[test]
fn digests_are_sha256() {
    let hex: String = sha256(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_token_is_never_shown() {
    assert_eq!(format!("{:?}", BearerToken("secret".into())), "BearerToken(…)");
}
