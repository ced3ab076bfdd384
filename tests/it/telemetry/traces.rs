//! Spans that leave the process by OTLP.

use tokio::{io::AsyncReadExt, net::TcpListener};

use super::{
    collector::Collector,
    otlp::{attributes, hex},
    process::Process,
};
use crate::support::within;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

#[tokio::test]
async fn a_write_and_a_read_are_spans_of_their_callers_trace() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let adapter = Process::start(&[], &environment).await;
    let client = adapter.client();
    let caller = traceparent("01");
    assert_eq!(adapter.post("pods/web-0/queue-length", "42", Some(&caller)).await, 200);
    assert_eq!(adapter.read(&client, "pods/web-0/queue-length", Some(&caller)).await, 200);
    assert_eq!(adapter.read(&client, "pods/*/queue-size", Some(&caller)).await, 404);

    let (resource, write) = collector.span("POST /write-metrics/{path}").await;
    assert_eq!(resource["service.name"], "custom-metrics-adapter");
    assert_eq!((hex(&write.trace_id), hex(&write.parent_span_id)), (TRACE.into(), CALLER.into()));
    let told = attributes(&write.attributes);
    assert_eq!(told["http.request.method"], "POST");
    assert_eq!(told["http.response.status_code"], "200");
    assert_eq!(told["http.route"], "/write-metrics/{path}");
    assert_eq!(told["custom_metrics.samples"], "1");

    let name = "GET /apis/{group}/{version}/namespaces/{namespace}/{resource}/{name}/{metric}";
    let (_, read) = collector.span(name).await;
    assert_eq!((hex(&read.trace_id), hex(&read.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!(read.kind, 2, "a server span");
    let told = attributes(&read.attributes);
    assert_eq!(told["http.response.status_code"], "200");
    assert_eq!(told["custom_metrics.group_version"], "custom.metrics.k8s.io/v1beta2");
    assert_eq!(told["custom_metrics.verb"], "get");
    assert_eq!(told["custom_metrics.metric"], "queue-length");
    assert_eq!(told["custom_metrics.objects"], "1");
    assert_eq!(told["k8s.namespace.name"], "default");
    assert!(told["url.path"].ends_with("/pods/web-0/queue-length"), "{told:?}");

    let (_, miss) = collector.span(&name.replace("{name}", "*")).await;
    let told = attributes(&miss.attributes);
    assert_eq!(
        (told["custom_metrics.verb"].as_str(), told["custom_metrics.absence"].as_str()),
        ("list", "unknown_metric")
    );
    assert_eq!(told["http.response.status_code"], "404");
}

#[tokio::test]
async fn what_the_caller_does_not_sample_is_not_exported() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let mut adapter = Process::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]).await;
    let client = adapter.client();
    assert_eq!(adapter.read(&client, "pods/web-0/a", Some(&traceparent("00"))).await, 404);
    assert_eq!(adapter.read(&client, "pods/web-0/b", Some(&traceparent("01"))).await, 404);
    assert_eq!(adapter.terminate().await, Some(0));
    assert_eq!(collector.spans(), 1);
}

#[tokio::test]
async fn what_is_not_exported_yet_is_flushed_at_the_end() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let environment = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{endpoint}/v1/traces")),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned()),
        ("OTEL_SERVICE_NAME", "hpa-numbers".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut adapter = Process::start(&[], &environment).await;
    assert_eq!(adapter.post("pods/web-0/qps", "1", None).await, 200);
    assert_eq!(adapter.terminate().await, Some(0));
    let (resource, _) = collector.span("POST /write-metrics/{path}").await;
    assert_eq!(resource["service.name"], "hpa-numbers");
}

#[tokio::test]
async fn spans_go_over_grpc_where_the_environment_says_so_also_those_of_the_end() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let mut adapter = Process::start(&[], &environment).await;
    assert_eq!(adapter.post("pods/web-0/qps", "1", Some(&traceparent("01"))).await, 200);
    let (resource, span) = collector.span("POST /write-metrics/{path}").await;
    assert_eq!(resource["service.name"], "custom-metrics-adapter");
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(adapter.read(&adapter.client(), "pods/web-0/qps", None).await, 200);
    assert_eq!(adapter.terminate().await, Some(0));
    assert_eq!(collector.spans(), 2);
}

#[tokio::test]
async fn a_collector_that_hangs_slows_no_answer_and_not_the_end() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ];
    let mut adapter = Process::start(&[], &environment).await;
    let client = adapter.client();
    assert_eq!(adapter.post("pods/web-0/qps", "1", None).await, 200);
    // The export has begun, and its answer never comes.
    let (mut hanging, _) = within("the exporter connects", collector.accept()).await.unwrap();
    let _ = within("the exporter sends", hanging.read(&mut [0; 16])).await.unwrap();
    for _ in 0..100 {
        assert_eq!(adapter.read(&client, "pods/web-0/qps", None).await, 200);
    }
    assert_eq!(adapter.terminate().await, Some(0));
}

#[tokio::test]
async fn a_protocol_that_is_not_spoken_is_an_error_at_the_start() {
    let start = std::process::Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
        .arg("--standalone")
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .output()
        .unwrap();
    let said = String::from_utf8(start.stderr).unwrap();
    assert_eq!(start.status.code(), Some(2), "{said}");
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_PROTOCOL=\"http/json\"") && said.lines().count() == 1,
        "{said}"
    );
}
