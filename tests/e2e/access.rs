//! Who may read: the front proxy's word, certificates, bearer tokens, and RBAC for each.

use crate::harness::{API, Adapter, Answer, Caller, ControlPlane, Namespace, SOON, Subject, eventually};

#[test]
fn a_user_behind_kube_apiserver_reads_what_rbac_allows_and_nothing_else() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = with_a_secret_value(plane, "guards-users");
    let get = format!("get --raw {API}{} --as alice", namespace.pod_metric("web", "secret"));
    let refusal = plane.try_kubectl(&get).expect_err("alice has no rights");
    let expected = format!(
        r#"pods.custom.metrics.k8s.io "web" is forbidden: User "alice" cannot get resource "pods/secret" in API group "custom.metrics.k8s.io" in the namespace "{}""#,
        namespace.name
    );
    assert!(refusal.contains(&expected), "{refusal}");

    namespace.allow_reading("secret", &Subject::User("alice"));
    let body = eventually("the decision's cache time passes", SOON, || plane.try_kubectl(&get));
    assert_eq!(Answer { status: 200, body }.values(), [("web".to_owned(), "42".to_owned())]);
    let others = adapter.read(&secret(&namespace), &front_proxy_for("bob"));
    assert_eq!(others.status, 403, "{}", others.body);
}

#[test]
fn the_hpa_controllers_account_reads_every_metric() {
    let plane = ControlPlane::shared();
    let namespace = with_a_secret_value(plane, "serves-the-hpa");
    let account = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
    let body =
        plane.kubectl(&format!("get --raw {API}{} --as {account}", namespace.pod_metric("*", "secret")));
    assert_eq!(Answer { status: 200, body }.values(), [("web".to_owned(), "42".to_owned())]);
}

#[test]
fn a_bearer_token_is_who_it_says_and_reads_what_rbac_allows() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = with_a_secret_value(plane, "guards-tokens");
    let token = namespace.token_of_new_account("reader");
    let read = |token: &str| adapter.read(&secret(&namespace), &Caller::Token(token));
    assert_is_status(&read("not-a-token"), 401, "Unauthorized");
    assert_is_status(&read(&token), 403, "Forbidden");

    namespace.allow_reading("secret", &Subject::ServiceAccount("reader"));
    eventually("the decision's cache time passes", SOON, || {
        let answer = read(&token);
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
}

#[test]
fn the_front_proxys_headers_count_only_with_its_certificate() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = with_a_secret_value(plane, "checks-the-front-proxy");
    let read = |caller: &Caller<'_>| adapter.read(&secret(&namespace), caller);
    assert_eq!(read(&Caller::AGGREGATOR).status, 200);
    assert_is_status(&read(&front_proxy_for("nobody-special")), 403, "Forbidden");
    assert_is_status(&read(&Caller::FrontProxyForNobody), 401, "Unauthorized");

    let impostor = read(&Caller::Impostor("system:kube-aggregator"));
    assert_is_status(&impostor, 403, "Forbidden");
    assert!(impostor.body.contains("system:anonymous"), "{}", impostor.body);
}

#[test]
fn a_certificate_of_the_clusters_ca_is_its_common_name_and_organisations() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = with_a_secret_value(plane, "checks-certificates");
    assert_eq!(adapter.read(&secret(&namespace), &Caller::Certificate("admin")).status, 200);
}

#[test]
fn the_anonymous_read_the_probes_and_nothing_else() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = with_a_secret_value(plane, "guards-against-the-anonymous");
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(adapter.read(path, &Caller::Anonymous).status, 200, "{path}");
    }
    for path in [&secret(&namespace), API, "/openapi/v2", "/readyz/ping"] {
        assert_is_status(&adapter.read(path, &Caller::Anonymous), 403, "Forbidden");
    }
}

fn with_a_secret_value(plane: &'static ControlPlane, name: &str) -> Namespace<'static> {
    let namespace = plane.namespace(name);
    namespace.pod("web", "web");
    Adapter::shared().write(&namespace.pod_metric("web", "secret"), "42");
    namespace
}

fn secret(namespace: &Namespace<'_>) -> String {
    format!("{API}{}", namespace.pod_metric("web", "secret"))
}

fn front_proxy_for(user: &str) -> Caller<'_> {
    Caller::FrontProxy { user, groups: &["system:authenticated"] }
}

fn assert_is_status(answer: &Answer, code: u16, reason: &str) {
    assert_eq!(answer.status, code, "{}", answer.body);
    let status = answer.json();
    assert_eq!((&status["kind"], &status["reason"]), (&"Status".into(), &reason.into()), "{}", answer.body);
}
