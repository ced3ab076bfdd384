//! The recorded answers of the upstream library, replayed.
//!
//! `tests/vectors/responses` has what the upstream test-adapter (library HEAD, Kubernetes libraries 0.36) answered.
//! The same requests are put to the adapter's API with the same values and objects; each answer has to be the same, or
//! `docs/differences.md` has to say that it is not, and why. A difference that is listed and does not occur fails too.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    api::Limits,
    auth::{
        AccessVerdict, Auth, AuthSettings, BearerToken, Question, ReviewError, ReviewFailure, Reviews,
        TokenVerdict, Trust, User,
    },
    model::{GroupResource, ObjectRef},
    store::{Store, Write},
    version,
};
use futures::future::BoxFuture;
use http::{HeaderName, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::world::{Answer, World, api_with, cluster_scoped, external, namespaced, pod, send, store, value};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/responses");
const DIFFERENCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md");

/// A recorded answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    route: String,
    status: u16,
    headers: BTreeMap<String, serde_json::Value>,
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
    body_hex: Option<String>,
    #[serde(default)]
    body_ends_with_newline: bool,
}

/// A row of the table in `docs/differences.md`.
struct Difference {
    patterns: Vec<String>,
    status: u16,
}

#[tokio::test]
async fn every_recorded_answer_is_the_same_or_a_listed_difference() {
    let differences = differences();
    let (mut wrong, mut changed, mut used) = (Vec::new(), String::new(), vec![false; differences.len()]);
    for name in names() {
        let recorded: Recorded = serde_json::from_str(&read(&format!("{name}.response.json"))).unwrap();
        let answer = send(&router(&name), request(&name, &recorded)).await;
        let listed =
            differences.iter().position(|it| it.patterns.iter().any(|pattern| matches(pattern, &name)));
        wrong.extend(forgotten_words(&name, &recorded, &answer));
        match (deviation(&recorded, &answer), listed) {
            (None, None) => {}
            (None, Some(_)) => wrong.push(format!("{name}: listed as a difference, but it is none")),
            (Some(what), None) => wrong.push(format!("{name}: {what}")),
            (Some(_), Some(at)) => {
                used[at] = true;
                let listed = differences[at].status;
                let other = listed != answer.status.as_u16();
                wrong.extend(other.then(|| format!("{name}: {}, listed as {listed}", answer.status)));
                changed += &format!("{name}: {} {}\n", answer.status.as_u16(), summary(&answer));
            }
        }
    }
    for (difference, _) in differences.iter().zip(used).filter(|(_, used)| !used) {
        wrong.push(format!("{:?}: listed as differences, but do not occur", difference.patterns));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!("differences", changed);
}

#[tokio::test]
async fn without_a_metric_discovery_is_what_upstream_says() {
    let router = api_with(World::new(), store(Vec::new()), auth(), Limits::default());
    for name in names().into_iter().filter(|name| {
        ["disc-cm-v1beta", "disc-em-v1beta", "kube-v1beta1"].iter().any(|it| name.starts_with(it))
    }) {
        let recorded: Recorded = serde_json::from_str(&read(&format!("{name}.response.json"))).unwrap();
        let answer = send(&router, request(&name, &recorded)).await;
        assert_eq!(deviation(&recorded, &answer), None, "{name}");
    }
}

/// What is different about `answer`, if anything that counts.
fn deviation(recorded: &Recorded, answer: &Answer) -> Option<String> {
    if answer.status.as_u16() != recorded.status {
        return Some(format!("{} instead of {}: {}", answer.status, recorded.status, summary(answer)));
    }
    for name in ["Content-Type", "Cache-Control", "Retry-After", "X-Content-Type-Options", "Vary"] {
        let Some(expected) = recorded.headers.get(name) else { continue };
        // Through kube-apiserver some come doubled.
        let expected = expected.as_array().and_then(|values| values.first()).unwrap_or(expected);
        if answer.header(name) != expected.as_str().unwrap() {
            return Some(format!("{name}: {:?} instead of {expected}", answer.header(name)));
        }
    }
    let (ours, theirs) = bodies(recorded, answer);
    (ours != theirs).then(|| format!("\n  ours   {ours}\n  theirs {theirs}"))
}

/// Whatever is added to a message of upstream's, it begins with its words, so that it is recognised.
fn forgotten_words(name: &str, recorded: &Recorded, answer: &Answer) -> Option<String> {
    // There the words are those of a Go function that lists the preferred versions of resources.
    if name.ends_with("unknown-resource-star") || answer.status.is_success() {
        return None;
    }
    let theirs: serde_json::Value = serde_json::from_str(recorded.body.as_ref()?.get()).unwrap();
    let theirs = theirs["message"].as_str()?;
    let ours = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    (!ours.starts_with(theirs)).then(|| format!("{name}: {ours:?} does not begin with {theirs:?}"))
}

fn bodies(recorded: &Recorded, answer: &Answer) -> (String, String) {
    if let Some(body) = &recorded.body {
        let ending = if recorded.body_ends_with_newline { "\n" } else { "" };
        let newline = if answer.body.ends_with(b"\n") { "\n" } else { "" };
        let length = recorded.headers["Content-Length"].as_str().unwrap_or_default();
        let theirs = format!("{}{ending} {length} bytes", compact(body.get()));
        return (format!("{}{newline} {} bytes", compact(answer.text()), answer.body.len()), theirs);
    }
    if let Some(hex) = &recorded.body_hex {
        let ours = answer.body.iter().map(|byte| format!("{byte:02x}")).collect();
        return (ours, hex.clone());
    }
    (answer.text().to_owned(), recorded.body_text.clone().unwrap_or_default())
}

/// JSON without blanks between its tokens, fields in their order, strings without needless escapes.
fn compact(json: &str) -> String {
    let mut compact = String::new();
    let mut rest = json.trim();
    while let Some(first) = rest.chars().next() {
        let token = if first == '"' { string_token(rest) } else { first.to_string() };
        let (_, behind) = rest.split_at(token.len());
        rest = behind;
        match first {
            '"' => compact += &serde_json::to_string(&text_of(&token)).unwrap(),
            _ => compact += token.trim(),
        }
    }
    compact
}

fn text_of(literal: &str) -> String {
    serde_json::from_str(literal).unwrap()
}

/// The string literal that `json` begins with.
fn string_token(json: &str) -> String {
    let mut strings = serde_json::Deserializer::from_str(json).into_iter::<&RawValue>();
    strings.next().unwrap().unwrap().get().to_owned()
}

fn summary(answer: &Answer) -> String {
    match answer.header("content-type") {
        "application/json" => without_build(&compact(answer.text())),
        protobuf if protobuf.contains("protobuf") => answer.body.escape_ascii().to_string(),
        _ => answer.text().to_owned(),
    }
}

/// An answer without what differs from build to build.
fn without_build(json: &str) -> String {
    let fields = [("gitCommit", version::COMMIT), ("buildDate", version::DATE.as_str())];
    fields.into_iter().fold(json.to_owned(), |json, (name, value)| {
        json.replace(&format!("{name:?}:{value:?}"), &format!(r#"{name:?}:"[{name}]""#))
    })
}

fn read(file: &str) -> String {
    fs::read_to_string(format!("{VECTORS}/{file}")).unwrap()
}

fn names() -> Vec<String> {
    let files = fs::read_dir(VECTORS).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".request").map(str::to_owned)).collect();
    // Those of the write port are replayed by a test of their own.
    names.retain(|name| !name.starts_with("write-"));
    names.sort();
    assert!(names.len() > 150, "the recorded answers are gone: {} left", names.len());
    names
}

/// The rows of the table whose first column names recorded requests and whose third begins with our status.
fn differences() -> Vec<Difference> {
    let text = fs::read_to_string(DIFFERENCES).unwrap();
    let rows =
        text.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `write-")).map(|line| {
            let columns: Vec<&str> = line.split(" | ").collect();
            let patterns = columns[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let status = columns[2].split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
            Difference { patterns, status }
        });
    rows.collect()
}

/// Whether `name` fits a pattern with at most one `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// The recorded request. Who asks was a client certificate there and is a token here.
fn request(name: &str, recorded: &Recorded) -> Request<Body> {
    let text = read(&format!("{name}.request"));
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri.trim());
    let mut user = match &*recorded.route {
        "adapter" | "kube" => Some("masters".to_owned()),
        _ => None,
    };
    for (key, value) in lines.filter_map(|line| line.split_once(": ")) {
        match key {
            "X-Remote-User" | "Impersonate-User" => user = Some(value.to_owned()),
            key => request = request.header(key.parse::<HeaderName>().unwrap(), value),
        }
    }
    if name == "timeout-504" {
        user = Some("stuck".to_owned());
    }
    if let Some(user) = user {
        request = request.header("authorization", format!("Bearer user:{user}"));
    }
    request.body(body.to_owned().into()).unwrap()
}

/// The API as it was when `name` was recorded.
fn router(name: &str) -> Router {
    let limits = match name {
        name if name.starts_with("limit-") => Limits { requests_inflight: 0, ..Limits::default() },
        "timeout-504" => Limits { request_timeout: Duration::from_millis(50), ..Limits::default() },
        _ => Limits::default(),
    };
    let late = ["metric-trailing-slash", "pod-msel-empty", "pod-msel-repeat", "unknown-param"];
    let values = recorded_values(late.iter().any(|late| name == format!("cm-b2-{late}")));
    api_with(recorded_world(), values, auth(), limits)
}

fn deployment(name: &str) -> ObjectRef {
    ObjectRef { resource: GroupResource::new("apps", "deployments"), ..namespaced("", name) }
}

fn recorded_world() -> World {
    let may_not = |group: &str, resource: &str, place: &str| {
        let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        format!(
            "{qualified} is forbidden: User \"system:serviceaccount:custom-metrics:custom-metrics-apiserver\" cannot list \
             resource \"{resource}\" in API group \"{group}\" {place}"
        )
    };
    World::new()
        .with(pod("web-0"), "app=web")
        .with(pod("web-1"), "app=web")
        .with(pod("db-0"), "app=db")
        .with(namespaced("services", "web"), "")
        .with(cluster_scoped("namespaces", "default"), "")
        .forbidding(
            GroupResource::new("apps", "deployments"),
            &may_not("apps", "deployments", "in the namespace \"default\""),
        )
        .forbidding(GroupResource::new("", "nodes"), &may_not("", "nodes", "at the cluster scope"))
}

/// What the writes among the recorded requests had stored, as far as this adapter stores it too.
fn recorded_values(late: bool) -> Store {
    let at = "2026-11-24T08:44:11Z";
    let later = "2026-11-24T09:17:24Z";
    let (web_0_labels, web_0_at) = if late { ("env=prod", "2026-11-24T10:18:53Z") } else { ("", at) };
    let mut values: Vec<Write> = vec![
        value(&pod("web-0"), "qps", "42", web_0_labels, web_0_at),
        value(&pod("web-1"), "qps", "1500m", "env=prod,zone=a", at),
        value(&pod("db-0"), "qps", "7", "", at),
        value(&pod("db-0"), "qps2", "7.25", "", at),
        value(&pod("nope"), "qps", "9", "", at),
        value(&namespaced("services", "web"), "rps", "10", "", at),
        value(&deployment("web-d"), "rps", "11", "", at),
        value(&deployment("web-d"), "rps2", "12", "", at),
        value(&cluster_scoped("nodes", "node-1"), "load", "3", "", at),
        value(&cluster_scoped("persistentvolumes", "pv1"), "load", "3", "", at),
        value(&cluster_scoped("namespaces", "default"), "nsm", "77", "", at),
        external("default", "my-external-metric", "42", "foo=bar", "2026-11-24T08:46:19Z"),
        external("default", "my-external-metric", "43", "foo=baz", "2026-11-24T08:46:19Z"),
        external("default", "other-external-metric", "44", "", "2026-11-24T08:46:19Z"),
    ];
    for (metric, text) in [
        ("dec", "1.001"),
        ("a.b:c_d-e", "5"),
        ("ki", "1.5Ki"),
        ("neg", "-2.5"),
        ("plus", "+5"),
        ("a b", "5"),
        ("mé", "5"),
    ] {
        values.push(value(&pod("web-0"), metric, text, "", later));
    }
    store(values)
}

fn auth() -> Auth {
    let data = BTreeMap::from([("requestheader-client-ca-file".to_owned(), front_proxy_ca())]);
    let trust = Trust::parse(&data).unwrap();
    Auth::with_reviews(trust, Arc::new(Script), AuthSettings::default(), Arc::new(())).unwrap()
}

fn front_proxy_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.self_signed(&key).unwrap().pem()
}

/// kube-apiserver's answers about users, as they were.
struct Script;

impl Reviews for Script {
    fn token(&self, token: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        let user = match token.expose() {
            "user:stuck" => return Box::pin(futures::future::pending()),
            "user:masters" => Some(("system:admin", "system:masters")),
            "<token>" => Some(("system:serviceaccount:default:default", "system:serviceaccounts")),
            other => other.strip_prefix("user:").map(|name| (name, "devs")),
        };
        let user = user.map(|(name, group)| User {
            name: name.into(),
            groups: vec![group.into()],
            ..User::default()
        });
        let verdict = user.map_or(TokenVerdict::Rejected(String::new()), TokenVerdict::Authenticated);
        Box::pin(std::future::ready(Ok(verdict)))
    }

    fn access(&self, question: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        let refusal = "subjectaccessreviews.authorization.k8s.io is forbidden: User \
                       \"system:serviceaccount:custom-metrics:custom-metrics-apiserver\" cannot create resource \
                       \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope";
        let verdict = match (&*question.user.name, &question.attributes) {
            ("bob", _) => Err(ReviewError { message: refusal.to_owned(), failure: ReviewFailure::Refused }),
            (_, custom_metrics_adapter::auth::Attributes::Path { path, .. }) if path == "/version" => {
                Ok(true)
            }
            _ => Ok(false),
        };
        Box::pin(std::future::ready(verdict.map(|allowed| AccessVerdict { allowed, reason: String::new() })))
    }
}
