use std::collections::HashSet;

use serde_json::Value;

use super::*;
use crate::auth::{User, review};

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn reviews() -> Vec<Value> {
    let all = vectors(include_str!("../../../tests/vectors/reviews-sent-by-upstream.json"));
    all.into_iter()
        .filter(|review| review["kind"] == "SubjectAccessReview")
        .map(|r| r["spec"].clone())
        .collect()
}

fn of(method: &str, uri: &str) -> Attributes {
    Attributes::of(&method.parse().unwrap(), &uri.parse().unwrap())
}

fn resource(method: &str, uri: &str) -> ResourceAttributes {
    match of(method, uri) {
        Attributes::Resource(resource) => resource,
        path @ Attributes::Path { .. } => panic!("{uri} is no resource: {path:?}"),
    }
}

/// A URI that has a review's attributes, built by hand.
fn uri_of(spec: &Value) -> String {
    let Some(attributes) = spec["resourceAttributes"].as_object() else {
        return spec["nonResourceAttributes"]["path"].as_str().unwrap().to_owned();
    };
    let text = |key: &str| attributes.get(key).and_then(Value::as_str);
    let mut uri = format!("/apis/{}/{}", text("group").unwrap(), text("version").unwrap());
    if let Some(namespace) = text("namespace") {
        uri = format!("{uri}/namespaces/{namespace}");
    }
    uri = format!("{uri}/{}", text("resource").unwrap());
    let pinned = attributes.contains_key("fieldSelector");
    for part in [text("name").filter(|_| !pinned), text("subresource")].into_iter().flatten() {
        uri = format!("{uri}/{part}");
    }
    if pinned {
        uri.push_str("?fieldSelector=metadata.name%3Dx");
    }
    if attributes.contains_key("labelSelector") {
        uri.push_str(if text("name").is_some() { "&" } else { "?" });
        uri.push_str(&selector_of(&attributes["labelSelector"]["requirements"]));
    }
    uri
}

fn selector_of(requirements: &Value) -> String {
    let terms = requirements.as_array().unwrap().iter().map(|requirement| {
        let value = requirement["values"][0].as_str().unwrap();
        let sign = if requirement["operator"] == "In" { "=" } else { "!=" };
        format!("{}{sign}{value}", requirement["key"].as_str().unwrap())
    });
    let text = terms.collect::<Vec<_>>().join(",");
    form_urlencoded::Serializer::new(String::new()).append_pair("labelSelector", &text).finish()
}

fn method_of(spec: &Value) -> &'static str {
    match spec["resourceAttributes"]["verb"].as_str() {
        Some("create") => "POST",
        _ => "GET",
    }
}

fn user_of(spec: &Value) -> User {
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    User {
        name: spec["user"].as_str().unwrap().to_owned(),
        uid: spec["uid"].as_str().unwrap_or_default().to_owned(),
        groups: texts(&spec["groups"]),
        extra: spec["extra"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), texts(v))).collect(),
    }
}

#[test]
fn every_review_that_upstream_sent_is_sent_word_for_word() {
    let recorded = reviews();
    assert!(recorded.len() > 40, "the vectors are there");
    for spec in recorded {
        let attributes = of(method_of(&spec), &uri_of(&spec));
        assert_eq!(review::access_spec(&user_of(&spec), &attributes), spec, "{}", uri_of(&spec));
    }
}

#[test]
fn what_kubernetes_asked_becomes_a_review_that_upstream_sent() {
    let strip = |spec: &Value| {
        let mut bare = spec.clone();
        let fields = bare.as_object_mut().unwrap();
        fields.retain(|key, _| key.ends_with("Attributes"));
        bare.to_string()
    };
    let known: HashSet<String> = reviews().iter().map(strip).collect();
    let requests = vectors(include_str!("../../../tests/vectors/requests-from-kubernetes.json"));
    let hpa = requests.iter().filter(|r| r["headers"]["X-Remote-Uid"].is_array() && r["status"] == 200);
    let mut compared = 0;
    for request in hpa {
        let attributes = of(request["method"].as_str().unwrap(), request["uri"].as_str().unwrap());
        let spec = strip(&review::access_spec(&User::anonymous(), &attributes));
        // The recording of reviews is a sample: only the metrics that it has can be compared.
        if request["uri"].as_str().unwrap().contains("/hq")
            || request["uri"].as_str().unwrap().contains("/rps")
        {
            assert!(known.contains(&spec), "{spec} is none that upstream sent");
            compared += 1;
        }
    }
    assert!(compared >= 3, "only {compared} requests were compared");
}

#[test]
fn paths_are_read_as_request_info_reads_them() {
    let parts = |uri: &str| {
        let r = resource("GET", uri);
        [r.verb, r.namespace, r.resource, r.name, r.subresource].join("|")
    };
    let base = "/apis/custom.metrics.k8s.io/v1beta2";
    for (path, expected) in [
        ("/namespaces/default/pods/web-0/", "get|default|pods|web-0|"),
        ("/namespaces/default/pods/%2A/qps", "get|default|pods|*|qps"),
        ("/namespaces/default/pods/a/qps/more", "get|default|pods|a|qps"),
        ("/namespaces/default", "get|default|namespaces|default|"),
        ("/namespaces/default/status", "get|default|namespaces|default|status"),
        ("/namespaces", "list||namespaces||"),
        ("/namespaces//pods/a/qps", "get||pods|a|qps"),
        ("/nodes/node-1/load", "get||nodes|node-1|load"),
        ("/pods", "list||pods||"),
        ("/%6Eamespaces/default/pods/a/qps", "get|default|pods|a|qps"),
        ("/namespaces/default%2Fpods/a/qps", "get|default|pods|a|qps"),
        ("/watch/namespaces/default/pods/a", "watch|default|pods|a|"),
        ("/watch", "watch||||"),
        ("/proxy/nodes/a/b", "proxy||nodes|a|"),
    ] {
        assert_eq!(parts(&format!("{base}{path}")), expected, "{path}");
    }
    assert_eq!(parts("/api/v1/pods/a/b"), "get||pods|a|b");
}

#[test]
fn paths_outside_of_a_group_version_are_reviewed_as_paths() {
    for path in [
        "/",
        "/metrics",
        "/apis",
        "/apis/custom.metrics.k8s.io",
        "/apis/custom.metrics.k8s.io/v1beta2/",
        "/api/v1",
    ] {
        assert_eq!(of("GET", path), Attributes::Path { verb: "get".into(), path: path.into() });
    }
    assert_eq!(of("OPTIONS", "/healthz").verb(), "options");
}

#[test]
fn verbs_follow_methods_and_queries() {
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/q";
    let verb = |method, query: &str| resource(method, &format!("{base}{query}")).verb;
    assert_eq!(verb("GET", "?watch=true"), "watch");
    assert_eq!(verb("GET", "?watch"), "watch");
    assert_eq!(verb("GET", "?watch=False"), "list");
    assert_eq!(verb("HEAD", "?watch=0"), "list");
    assert_eq!(verb("DELETE", ""), "deletecollection");
    assert_eq!(verb("DELETE", "/name"), "delete");
    assert_eq!(verb("PUT", "/name"), "update");
    assert_eq!(verb("PATCH", "/name"), "patch");
    assert_eq!(verb("GET", "/name?watch=true"), "get");
    assert_eq!(verb("OPTIONS", "/name"), "");
}

#[test]
fn a_field_selector_of_too_many_terms_selects_and_pins_nothing() {
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/q?fieldSelector=metadata.name%3Dx";
    let with = |more: usize| resource("GET", &format!("{base}{}", ",a%3Db".repeat(more)));
    let most = with(255);
    assert_eq!((most.field_selector.len(), &*most.name), (256, "x"));
    let beyond = with(256);
    assert_eq!((beyond.field_selector.len(), &*beyond.name), (0, ""));
    let long = resource("GET", &format!("{base},a%3D{}", "b".repeat(65_000)));
    assert_eq!((long.field_selector.len(), &*long.name), (2, "x"));
}

#[test]
fn a_field_selector_pins_the_name_unless_the_query_does_not_decode() {
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/q?fieldSelector=";
    let name = |query: &str| resource("GET", &format!("{base}{query}")).name;
    assert_eq!(name("metadata.name%3Dx"), "x");
    assert_eq!(name("a%3Db,metadata.name%3D%3Dx"), "x");
    for pins_nothing in [
        "metadata.name!%3Dx",
        "metadata.name%3D..",
        "metadata.name%3Da%2Fb",
        "metadata.name%3Dx&limit=ten",
        "%3D%3D%3D",
    ] {
        assert_eq!(name(pins_nothing), "", "{pins_nothing}");
    }
}

#[test]
fn field_selectors_become_requirements() {
    let base = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/q?fieldSelector=";
    let requirements = |query: &str| {
        let found = resource("GET", &format!("{base}{query}")).field_selector.into_iter();
        found.map(|r| format!("{} {} {}", r.key, r.operator.as_str(), r.values.join("|"))).collect::<Vec<_>>()
    };
    assert_eq!(requirements("a%3D1,,b!%3D2"), ["a In 1", "b NotIn 2"]);
    assert_eq!(requirements("a%3D1%5C,2%5C%3D3%5C%5C"), ["a In 1,2=3\\"]);
    for refused in ["a", "a%3D1%5Cx", "a%3D1%3D2", "a!%3D%3D2"] {
        assert_eq!(requirements(refused), Vec::<String>::new(), "{refused}");
    }
}

#[test]
fn selectors_are_reviewed_for_collections_only() {
    let base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/qps";
    let attributes = resource("GET", &format!("{base}?labelSelector=a%3Db&fieldSelector=metadata.name%3Dx"));
    assert!(attributes.label_selector.is_empty() && attributes.field_selector.is_empty());
}

proptest::proptest! {
    #[test]
    fn no_uri_panics(path in "/(apis?|[a-z%/*]{0,9})(/[a-z*%20-9A-F.]{0,12}){0,8}", query in "[ -~]{0,40}") {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        if let Ok(uri) = format!("{path}?fieldSelector={query}&labelSelector={query}&watch={query}").parse() {
            let _ = Attributes::of(&Method::GET, &uri);
        }
    }
}
