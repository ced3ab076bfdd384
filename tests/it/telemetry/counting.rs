//! What happens is counted.

use custom_metrics_adapter::app::{Addresses, App};

use super::page::standalone;
use crate::support::{client::text, within};

/// The value of a series of the page.
fn value(page: &str, series: &str) -> Option<f64> {
    let name = format!("custom_metrics_adapter_{series} ");
    page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
}

struct Running {
    addresses: Addresses,
    client: reqwest::Client,
    _directory: tempfile::TempDir,
}

impl Running {
    async fn start(flags: &[&str]) -> Self {
        let (app, directory) = standalone(flags).await;
        let addresses = app.addresses();
        tokio::spawn(App::run(app));
        let authority = std::fs::read(directory.path().join("ca.crt")).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
        Self { addresses, client, _directory: directory }
    }

    async fn write(&self, path: &str, body: &'static str) -> u16 {
        let url = format!("http://{}/write-metrics{path}", self.addresses.write.unwrap());
        within("a write", self.client.post(url).body(body).send()).await.unwrap().status().as_u16()
    }

    async fn read(&self, path: &str) -> u16 {
        self.read_in("custom.metrics.k8s.io/v1beta1", path).await
    }

    async fn read_in(&self, group_version: &str, path: &str) -> u16 {
        let url = format!("https://localhost:{}/apis/{group_version}/{path}", self.addresses.secure.port());
        within("a read", self.client.get(url).send()).await.unwrap().status().as_u16()
    }

    async fn page(&self) -> String {
        let answer = self.client.get(format!("http://{}/metrics", self.addresses.admin)).send();
        let answer = within("the page", answer).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        text(answer).await
    }
}

#[tokio::test]
async fn reads_are_counted_by_route_version_and_code_and_misses_by_reason() {
    let adapter = Running::start(&[]).await;
    let old = r#"{"value":"7","timestamp":"2020-01-01T00:00:00Z"}"#;
    assert_eq!(adapter.write("/namespaces/default/pods/web-0/qps", old).await, 200);
    assert_eq!(adapter.read("namespaces/default/pods/web-0/qps").await, 200);
    assert_eq!(adapter.read("namespaces/default/pods/*/qps").await, 200);
    assert_eq!(adapter.read("namespaces/default/pods/web-0/rps").await, 404);
    assert_eq!(adapter.read("namespaces/default/podz/web-0/rps").await, 404);
    assert_eq!(adapter.read("namespaces/default/pods/web-0/qps?metricLabelSelector=a%3Db").await, 404);
    let page = adapter.page().await;
    let requests = |route: &str, code: u16| {
        let labels =
            format!(r#"code="{code}",group_version="custom.metrics.k8s.io/v1beta1",route="{route}""#);
        value(&page, &format!("api_requests_total{{{labels}}}"))
    };
    assert_eq!(
        (requests("value", 200), requests("values", 200), requests("value", 404)),
        (Some(1.0), Some(1.0), Some(3.0))
    );
    for reason in ["unknown_metric", "unknown_resource", "no_series"] {
        assert_eq!(
            value(&page, &format!(r#"api_reads_without_value_total{{reason="{reason}"}}"#)),
            Some(1.0)
        );
    }
    assert_eq!(value(&page, "api_values_served_total"), Some(2.0));
    assert_eq!(value(&page, "api_value_age_seconds_count"), Some(2.0));
    assert_eq!(value(&page, r#"api_value_age_seconds_bucket{le="3600"}"#), Some(0.0), "years old");
    assert_eq!(value(&page, r#"api_request_duration_seconds_count{route="value"}"#), Some(4.0));
    assert_eq!(value(&page, "api_requests_in_flight"), Some(0.0));
    assert_eq!(value(&page, r#"api_discovery_metrics{group="custom.metrics.k8s.io"}"#), Some(1.0));
}

#[tokio::test]
async fn reads_of_external_metrics_are_counted_and_series_shows_what_they_are() {
    let adapter = Running::start(&[]).await;
    for labels in ["queue=a", "queue=b"] {
        assert_eq!(
            adapter.write(&format!("/namespaces/shop/external/depth?labels={labels}"), "7").await,
            200
        );
    }
    for (path, status) in [("depth", 200), ("depht", 404), ("depth?watch=true", 405)] {
        let path = format!("namespaces/shop/{path}");
        assert_eq!(adapter.read_in("external.metrics.k8s.io/v1beta1", &path).await, status, "{path}");
    }
    let page = adapter.page().await;
    for code in [200, 404, 405] {
        let labels =
            format!(r#"code="{code}",group_version="external.metrics.k8s.io/v1beta1",route="external""#);
        assert_eq!(value(&page, &format!("api_requests_total{{{labels}}}")), Some(1.0), "{code}");
    }
    for reason in ["unknown_metric", "invalid"] {
        let missed = format!(r#"api_reads_without_value_total{{reason="{reason}"}}"#);
        assert_eq!(value(&page, &missed), Some(1.0), "{reason}");
    }
    assert_eq!(value(&page, "api_values_served_total"), Some(2.0));
    assert_eq!(value(&page, r#"api_discovery_metrics{group="external.metrics.k8s.io"}"#), Some(1.0));
    assert_eq!((value(&page, "store_metrics"), value(&page, "store_objects")), (Some(1.0), Some(1.0)));

    let url = format!("http://{}/series?object=shop&format=json", adapter.addresses.admin);
    let series: serde_json::Value =
        serde_json::from_str(&text(within("series", adapter.client.get(url).send()).await.unwrap()).await)
            .unwrap();
    let row = &series["series"][0];
    assert_eq!(series["total"], 2, "{series}");
    assert_eq!((&row["group"], &row["namespace"]), (&"external.metrics.k8s.io".into(), &"shop".into()));
    assert_eq!((&row["metric"], &row["labels"]), (&"depth".into(), &serde_json::json!({"queue": "a"})));
    assert!(row.get("resource").is_none() && row.get("name").is_none(), "{row}");
}

#[tokio::test]
async fn writes_are_counted_by_operation_and_samples_by_their_fate() {
    let adapter = Running::start(&["--max-series=2", "--namespace-share=100"]).await;
    let batch = concat!(
        r#"{"namespace":"default","resource":"pods","name":"web-0","metric":"a","value":"1"}"#,
        "\n",
        r#"{"namespace":"default","resource":"pods","name":"web-0","metric":"b","value":"1"}"#,
        "\n"
    );
    assert_eq!(adapter.write("", batch).await, 200);
    assert_eq!(adapter.write("/namespaces/default/pods/web-0/c", "1").await, 507);
    assert_eq!(adapter.write("/namespaces/default/pods/web-0/a", "many").await, 400);
    assert_eq!(adapter.write("/namespaces/default/pods/web-0/a", "").await, 400);
    let page = adapter.page().await;
    assert_eq!(value(&page, "write_samples_appended_total"), Some(2.0));
    for reason in ["full", "quantity", "empty"] {
        assert_eq!(
            value(&page, &format!(r#"write_samples_rejected_total{{reason="{reason}"}}"#)),
            Some(1.0),
            "{reason}"
        );
    }
    assert_eq!(value(&page, r#"write_requests_total{code="507",operation="write"}"#), Some(1.0));
    assert_eq!(value(&page, r#"write_requests_total{code="200",operation="batch"}"#), Some(1.0));
    assert_eq!(value(&page, r#"store_series{source="written"}"#), Some(2.0));
    assert_eq!(value(&page, r#"store_series_limit{source="written"}"#), Some(2.0));
    assert_eq!(value(&page, r#"serve_connections_accepted_total{listener="admin"}"#), Some(1.0));
    assert!(value(&page, "serve_certificate_not_after_timestamp_seconds") > Some(1.7e9));
}
