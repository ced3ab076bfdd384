//! Writes by Kubernetes identity, decided by a real kube-apiserver.

use crate::harness::{API, Adapter, Answer, Caller, ControlPlane, Namespace, SOON, eventually};

/// Binds the writers' role to an account in a namespace.
fn allow_writing(namespace: &Namespace<'_>, account: &str) {
    let role = "--clusterrole=custom-metrics-adapter:metrics-writer";
    namespace.kubectl(&format!(
        "create rolebinding {account} {role} --serviceaccount={}:{account}",
        namespace.name
    ));
}

/// A refusal is remembered for ten seconds, so what was granted takes a moment.
fn eventually_written(what: &str, mut write: impl FnMut() -> Answer) {
    eventually(what, SOON, || {
        let answer = write();
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}

#[test]
fn a_token_writes_what_its_account_may_and_is_told_what_would_allow_the_rest() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let (namespace, other) = (plane.namespace("writers"), plane.namespace("writers-elsewhere"));
    namespace.pod("web", "web");
    let token = namespace.token_of_new_account("worker");
    let writer = Caller::Token(&token);
    let path = namespace.pod_metric("web", "sessions");

    let refused = adapter.post_as(&path, "7", &writer);
    assert_eq!(refused.status, 403, "{refused:?}");
    let grant = "kubectl -n writers create rolebinding metrics-writer \
                 --clusterrole=custom-metrics-adapter:metrics-writer --serviceaccount=writers:worker";
    assert!(refused.json()["error"].as_str().is_some_and(|error| error.ends_with(grant)), "{refused:?}");
    assert_eq!(plane.curl(&[], &format!("{API}{path}")).status, 404, "nothing was stored");
    plane.kubectl(grant.trim_start_matches("kubectl "));
    eventually_written("it may write", || adapter.post_as(&path, "7", &writer));
    let read = plane.curl(&[], &format!("{API}{path}"));
    assert_eq!(read.values(), [("web".to_owned(), "7".to_owned())]);

    let line = |namespace: &str| {
        format!(
            r#"{{"namespace":"{namespace}","resource":"pods","name":"web","metric":"sessions","value":9}}"#
        )
    };
    let batch = format!("{}\n{}", line(&namespace.name), line(&other.name));
    let refused = adapter.post_as("", &batch, &writer);
    assert_eq!((refused.status, &refused.json()["lines"][0]["line"]), (403, &2.into()), "{refused:?}");
    assert_eq!(plane.curl(&[], &format!("{API}{path}")).values()[0].1, "7", "nothing of it was stored");
    assert_eq!(adapter.post_as("", &line(&namespace.name), &writer).status, 200);
    assert_eq!(adapter.delete_as(&path, &writer).status, 200);
    assert_eq!(plane.curl(&[], &format!("{API}{path}")).status, 404);
    let refusals =
        adapter.log_lines(&["refused a write", "system:serviceaccount:writers:worker", "pods/sessions"]);
    assert!(refusals.len() >= 2, "{refusals:?}");
}

#[test]
fn a_client_certificate_is_an_identity_and_a_stranger_is_none() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("writers-by-certificate");
    namespace.pod("web", "web");
    let path = namespace.pod_metric("web", "sessions");
    let written = adapter.post_as(&path, "7", &Caller::Certificate("admin"));
    assert!(written.status == 200, "{written:?}");
    for stranger in [Caller::Anonymous, Caller::Impostor("admin"), Caller::Token("made.up.token")] {
        let refused = adapter.post_as(&path, "8", &stranger);
        assert_eq!(refused.status, 401, "{refused:?}");
    }
    assert_eq!(plane.curl(&[], &format!("{API}{path}")).values(), [("web".to_owned(), "7".to_owned())]);
}

#[test]
fn a_plain_port_that_is_closed_leads_to_the_other_one() {
    let plane = ControlPlane::shared();
    let adapter = Adapter::start(plane, "secure-writes", &["--write-auth=kubernetes"]);
    let namespace = plane.namespace("secure-writes");
    namespace.pod("web", "web");
    let path = namespace.pod_metric("web", "sessions");
    let refused = adapter.post(&path, "7");
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.body.contains("--write-auth=kubernetes"), "{refused:?}");
    let token = namespace.token_of_new_account("worker");
    allow_writing(&namespace, "worker");
    eventually_written("it may write", || adapter.post_as(&path, "7", &Caller::Token(&token)));
    let read = adapter.read(&format!("{API}{path}"), &Caller::AGGREGATOR);
    assert_eq!(read.values(), [("web".to_owned(), "7".to_owned())]);
}

#[test]
fn a_pods_token_writes_about_the_pod_and_its_controllers_and_not_about_its_neighbours() {
    let plane = ControlPlane::shared();
    let adapter = Adapter::start(plane, "write-self-only", &["--write-auth=kubernetes", "--write-self-only"]);
    let namespace = plane.namespace("write-self-only");
    ["web", "db"].into_iter().for_each(|name| namespace.deployment(name, 2));
    allow_writing(&namespace, "default");
    let pods = pods_with_an_account(&namespace, "web");
    let (own, neighbour) = (&pods[0], &pods[1]);
    let bound = format!(
        "--bound-object-kind=Pod --bound-object-name={own} --bound-object-uid={}",
        namespace.uid_of(own)
    );
    let token = namespace.kubectl(&format!("create token default {bound}"));
    let write = |path: &str| adapter.post_as(path, "7", &Caller::Token(&token));
    let of =
        |resource: &str, name: &str| format!("/namespaces/{}/{resource}/{name}/sessions", namespace.name);

    eventually_written("a pod writes about itself", || write(&of("pods", own)));
    eventually_written("and about its Deployment", || write(&of("deployments.apps", "web")));
    eventually_refused("not about the Deployment beside it", || write(&of("deployments.apps", "db")));
    for foreign in [
        of("pods", neighbour),
        of("services", "web"),
        format!("/namespaces/{}/external/jobs", namespace.name),
    ] {
        eventually_refused(&foreign, || write(&foreign));
        let refused = write(&foreign);
        assert!(refused.body.contains("--write-self-only"), "{refused:?}");
    }
    let unbound = namespace.kubectl("create token default");
    let written = adapter.post_as(&of("pods", neighbour), "7", &Caller::Token(&unbound));
    assert_eq!(written.status, 200, "RBAC alone decides about a writer that is no pod: {written:?}");
}

/// The pods of a Deployment after each has the account that tokens are bound with.
fn pods_with_an_account(namespace: &Namespace<'_>, deployment: &str) -> Vec<String> {
    namespace.kubectl(&format!("set serviceaccount deployment/{deployment} default"));
    namespace.kubectl(&format!("rollout status deployment/{deployment} --timeout=180s"));
    let chosen = format!("--selector app={deployment} --field-selector spec.serviceAccountName=default");
    let names =
        namespace.kubectl(&format!("get pods {chosen} --output jsonpath={{.items[*].metadata.name}}"));
    names.split_whitespace().map(str::to_owned).collect()
}

/// Until the watches that tell are in sync, the answer is 503.
fn eventually_refused(what: &str, mut write: impl FnMut() -> Answer) {
    eventually(what, SOON, || {
        let answer = write();
        if answer.status == 403 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}
