//! `get`: values as a table.

use serde_json::Value;

use super::{ExplainError, Wanted};
use crate::{
    cluster::{LookupError, Lookups},
    hpa::text::aligned,
};

pub(super) async fn get(lookups: &Lookups, namespace: &str, wanted: &Wanted) -> Result<String, ExplainError> {
    let list = list(lookups, namespace, wanted).await?.map_err(ExplainError::Values)?;
    if wanted.json {
        return Ok(serde_json::to_string_pretty(&list).unwrap_or_default() + "\n");
    }
    let items = list.pointer("/items").and_then(Value::as_array);
    let head = ["OBJECT", "METRIC", "VALUE", "TIMESTAMP", "WINDOW"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(items.into_iter().flatten().map(row)).collect();
    Ok(aligned(&rows))
}

async fn list(
    lookups: &Lookups,
    namespace: &str,
    wanted: &Wanted,
) -> Result<Result<Value, LookupError>, ExplainError> {
    let needed = || wanted.metric.clone().ok_or_else(|| ExplainError::NoMetric(wanted.object.clone()));
    Ok(match wanted.object.split_once('/') {
        None if wanted.object == "external" => {
            let metric = needed()?;
            lookups
                .get(&format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}"))
                .await
        }
        None => {
            let metric = needed()?;
            lookups.custom(&format!("namespaces/{namespace}/{}/*/{metric}", wanted.object)).await
        }
        Some(("namespace" | "namespaces" | "ns", name)) => {
            let metric = needed()?;
            lookups.custom(&format!("namespaces/{name}/metrics/{metric}")).await
        }
        Some((resource, name)) => {
            let metric = wanted.metric.as_deref().unwrap_or_default();
            lookups.custom(&format!("namespaces/{namespace}/{resource}/{name}/{metric}")).await
        }
    })
}

fn row(item: &Value) -> [String; 5] {
    let text = |pointers: &[&str]| {
        let found = pointers.iter().find_map(|pointer| item.pointer(pointer));
        found.map(shown).unwrap_or_default()
    };
    let object = match item.pointer("/describedObject/name") {
        Some(name) => format!("{}/{}", text(&["/describedObject/kind"]), shown(name)),
        None => labels(item),
    };
    let metric = text(&["/metric/name", "/metricName"]);
    let window = text(&["/windowSeconds", "/window"]);
    [object, metric, text(&["/value"]), text(&["/timestamp"]), window]
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The label set of an external metric.
fn labels(item: &Value) -> String {
    let labels = item.pointer("/metricLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten().map(|(name, value)| format!("{name}={}", shown(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
