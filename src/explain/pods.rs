//! The pods of a scale target, as kube-apiserver lists them.

use serde_json::Value;

use crate::{
    cluster::{LookupError, Lookups, query},
    hpa::Counting,
};

/// What the HPA controller looks at of a pod.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) counting: Counting,
    pub(super) ready: bool,
}

pub(super) async fn selected(
    lookups: &Lookups,
    namespace: &str,
    selector: &str,
) -> Result<Vec<Pod>, LookupError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?{}", query(&[("labelSelector", selector)]));
    let list = lookups.get(&path).await?;
    let items = list.pointer("/items").and_then(Value::as_array);
    Ok(items.into_iter().flatten().map(pod).collect())
}

fn pod(pod: &Value) -> Pod {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let phase = text("/status/phase");
    let counting = match phase {
        _ if pod.pointer("/metadata/deletionTimestamp").is_some() => Counting::Ignored,
        "Failed" => Counting::Ignored,
        "Pending" => Counting::Pending,
        _ => Counting::Counted,
    };
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = |condition: &Value| {
        condition.pointer("/type").is_some_and(|is| is == "Ready")
            && condition.pointer("/status").is_some_and(|is| is == "True")
    };
    let ready = phase == "Running" && conditions.into_iter().flatten().any(ready);
    Pod { name: text("/metadata/name").to_owned(), counting, ready }
}
