//! Kubernetes Events: those that the adapter makes, and those that its messages make the HPA controller write.

use serde_json::{Value, json};

use crate::harness::{Adapter, ControlPlane, Hpa, Namespace, SOON, eventually};

/// The Events on an object, as kubectl gets them.
fn events(namespace: &Namespace<'_>, object: &str) -> Vec<Value> {
    let command = format!("get events --field-selector=involvedObject.name={object} --output json");
    let list: Value = serde_json::from_str(&namespace.kubectl(&command)).expect("kubectl prints JSON");
    list["items"].as_array().expect("a list").clone()
}

fn made_by_us(namespace: &Namespace<'_>, object: &str, reason: &str) -> Option<String> {
    let ours =
        |event: &Value| event["reason"] == reason && event["reportingComponent"] == "custom-metrics-adapter";
    let event = events(namespace, object).into_iter().find(ours)?;
    Some(event["message"].as_str()?.to_owned())
}

#[test]
fn a_refused_annotation_is_an_event_on_its_pod_and_on_the_hpa_that_needs_it() {
    Adapter::shared();
    let namespace = ControlPlane::shared().namespace("events-of-refusals");
    let refused = json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "metrix" });
    namespace.annotated_deployment("web", 1, &refused);
    let _hpa = Hpa::of("web", &namespace).on_pods("queue_depth", "10");
    let pod = eventually("there is a pod", SOON, || {
        let pods = namespace.kubectl("get pods --output jsonpath={.items[*].metadata.name}");
        if pods.is_empty() { Err(pods) } else { Ok(pods) }
    });
    for (object, reason) in [(&*pod, "ScrapeRefused"), ("web", "MetricMissing")] {
        let message = eventually(reason, SOON, || {
            made_by_us(&namespace, object, reason).ok_or_else(|| format!("{:#?}", events(&namespace, object)))
        });
        assert!(message.contains("metrix"), "{message}");
    }
    let described = namespace.kubectl(&format!("describe pod {pod}"));
    assert!(
        described.contains("ScrapeRefused") && described.contains("custom-metrics-adapter"),
        "{described}"
    );
}

/// How often the HPA controller has said that the metric is missing, by how many Events, and the version of the HPA.
fn said(namespace: &Namespace<'_>, hpa: &str) -> (u64, usize, String) {
    let failed: Vec<Value> = events(namespace, hpa)
        .into_iter()
        .filter(|event| event["reason"].as_str().is_some_and(|reason| reason.starts_with("FailedGet")))
        .collect();
    let times = |event: &Value| event["count"].as_u64().or(event["series"]["count"].as_u64()).unwrap_or(1);
    let version =
        namespace.kubectl(&format!("get hpa {hpa} --output jsonpath={{.metadata.resourceVersion}}"));
    (failed.iter().map(times).sum(), failed.len(), version)
}

#[test]
fn a_metric_that_stays_missing_makes_no_new_event_and_no_write_of_the_hpa_with_each_sync() {
    let adapter = Adapter::shared();
    let namespace = ControlPlane::shared().namespace("events-of-syncs");
    for (name, annotations) in [
        ("down", json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "1" })),
        ("unwritten", json!({})),
        ("expired", json!({})),
    ] {
        namespace.annotated_deployment(name, 1, &annotations);
    }
    let path = format!("/namespaces/{}/deployments/expired/depth", namespace.name);
    adapter.write(&path, r#"{"value": "3", "ttl": "1s"}"#);
    let expired = crate::harness::Described { api_version: "apps/v1", kind: "Deployment", name: "expired" };
    // The controller's own limit lets a dozen Events of an HPA through, so each is made when it is looked at.
    for hpa in ["down", "unwritten", "expired"] {
        let made = Hpa::of(hpa, &namespace);
        let _made = match hpa {
            "expired" => made.on_object(&expired, "depth", "10"),
            _ => made.on_pods("queue_depth", "10"),
        };
        // The first syncs have other reasons: no pod yet, no scrape yet.
        let settled = eventually("the controller says the same three times", 3 * SOON, || {
            let (before, events, version) = said(&namespace, hpa);
            std::thread::sleep(std::time::Duration::from_secs(4));
            let after = said(&namespace, hpa);
            if before > 0 && after.0 > before && (after.1, &after.2) == (events, &version) {
                Ok(after)
            } else {
                Err(format!("{hpa}: {before} {events} {version}, then {after:?}"))
            }
        });
        let later = eventually("it has said it three times more", 3 * SOON, || {
            let now = said(&namespace, hpa);
            if now.0 >= settled.0 + 3 { Ok(now) } else { Err(format!("{hpa}: {now:?} after {settled:?}")) }
        });
        assert_eq!((later.1, later.2), (settled.1, settled.2), "{hpa}: {:#?}", events(&namespace, hpa));
    }
}
