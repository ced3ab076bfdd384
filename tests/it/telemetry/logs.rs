//! Log lines.

use serde_json::Value;

use super::{collector::Collector, process::Process};
use crate::support::{seen, within};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Makes a line be logged inside a request's span: discovery that leaves something out.
async fn line_of_a_traced_request(format: &str) -> String {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let format = format!("--log-format={format}");
    let flags =
        [format.as_str(), "--log-level=info,custom_metrics_adapter=debug", "--discovery-max-metrics=1"];
    let adapter = Process::start(&flags, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]).await;
    assert_eq!(adapter.post("pods/web-0/a", "1", None).await, 200);
    assert_eq!(adapter.post("pods/web-0/b", "1", None).await, 200);
    let url = format!("https://localhost:{}/apis/custom.metrics.k8s.io/v1beta2", adapter.secure.port());
    let caller = format!("00-{TRACE}-b7ad6b7169203331-01");
    let read = adapter.client().get(url).header("traceparent", caller).send();
    assert_eq!(within("discovery", read).await.unwrap().status(), 200);
    seen("a line of discovery", || adapter.log().into_iter().find(|line| line.contains("does not list")))
        .await
}

#[tokio::test]
async fn a_text_line_inside_a_span_names_its_trace() {
    let line = line_of_a_traced_request("text").await;
    assert!(line.contains(&format!(" trace_id={TRACE} span_id=")), "{line}");
}

#[tokio::test]
async fn a_json_line_inside_a_span_names_its_trace() {
    let line = line_of_a_traced_request("json").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["span_id"].as_str().map(str::len), Some(16), "{line}");
    assert_eq!(line["limit"], 1, "{line}");
}

#[tokio::test]
async fn the_first_line_says_version_mode_and_where_it_listens() {
    let adapter = Process::start(&["--log-format=json"], &[]).await;
    let line = adapter.log().into_iter().find(|line| line.contains("listens")).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["version"], &line["mode"]), (&env!("CARGO_PKG_VERSION").into(), &"standalone".into()));
    for (name, address) in [("secure", adapter.secure), ("write", adapter.write), ("admin", adapter.admin)] {
        assert_eq!(line[name], address.to_string(), "{line}");
    }
    assert!(line.get("trace_id").is_none(), "{line}");
}

#[tokio::test]
async fn readiness_and_a_limit_that_begins_to_refuse_are_logged_once() {
    let adapter = Process::start(&["--max-series=1"], &[]).await;
    seen("it is ready", || {
        adapter.log().into_iter().find(|line| line.contains("INFO") && line.contains(" ready"))
    })
    .await;
    assert_eq!(adapter.post("pods/web-0/a", "1", None).await, 200);
    for _ in 0..3 {
        assert_eq!(adapter.post("pods/web-0/b", "1", None).await, 507);
    }
    let reached = |line: &String| line.contains("WARN") && line.contains("limit reached");
    let line = seen("the limit is logged", || adapter.log().into_iter().find(reached)).await;
    for words in ["limit=\"series\"", "answered 507", "--max-series"] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(adapter.post("pods/web-0/b", "1", None).await, 507);
    assert_eq!(adapter.log().into_iter().filter(reached).count(), 1);
}

/// Status and text of a request to `/log-level`, a `PUT` if there is a filter.
async fn log_level(adapter: &Process, filter: Option<&'static str>) -> (u16, String) {
    let (client, url) = (adapter.client(), format!("http://{}/log-level", adapter.admin));
    let request = match filter {
        Some(filter) => client.put(url).body(filter),
        None => client.get(url),
    };
    let answer = within("an answer", request.send()).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn what_is_logged_changes_at_run_time_and_who_changed_it_is_logged() {
    let adapter = Process::start(&["--discovery-max-metrics=1"], &[]).await;
    assert_eq!(log_level(&adapter, None).await, (200, "info\n".to_owned()));
    for metric in ["pods/web-0/a", "pods/web-0/b"] {
        assert_eq!(adapter.post(metric, "1", None).await, 200);
    }
    let url = format!("https://localhost:{}/apis/custom.metrics.k8s.io/v1beta2", adapter.secure.port());
    let discover = async || within("discovery", adapter.client().get(&url).send()).await.unwrap().status();
    let said = |words: &str| adapter.log().into_iter().find(|line| line.contains(words));
    assert_eq!(discover().await, 200);

    let debug = "warn,custom_metrics_adapter::api=debug";
    assert_eq!(log_level(&adapter, Some(debug)).await, (200, format!("{debug}\n")));
    let line = seen("the change is logged", || said("log filter changed")).await;
    for words in ["INFO", "by=127.0.0.1:", "from=info", debug] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(said("does not list"), None, "it was not logged at info");
    assert_eq!(log_level(&adapter, None).await.1, format!("{debug}\n"));
    assert_eq!(adapter.post("pods/web-0/c", "1", None).await, 200);
    assert_eq!(discover().await, 200);
    seen("a line of discovery", || said("does not list")).await;

    let (status, reason) = log_level(&adapter, Some("inof")).await;
    assert_eq!(status, 400);
    assert!(reason.starts_with("\"inof\" is no level: write error, warn, info"), "{reason}");
    assert_eq!(log_level(&adapter, None).await.1, format!("{debug}\n"));
}
