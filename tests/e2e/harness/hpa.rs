use serde_json::{Value, json};

use super::{Namespace, SOON, answer::number, eventually, eventually_equals};

/// The object that an HPA metric of type Object describes.
pub(crate) struct Described<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

/// A HorizontalPodAutoscaler of the Deployment of the same name.
pub(crate) struct Hpa<'a> {
    namespace: &'a Namespace<'a>,
    deployment: &'a str,
    replicas: (u32, u32),
}

impl<'a> Hpa<'a> {
    pub(crate) fn of(deployment: &'a str, namespace: &'a Namespace<'a>) -> Self {
        Self { namespace, deployment, replicas: (1, 10) }
    }

    pub(crate) fn between(mut self, least: u32, most: u32) -> Self {
        self.replicas = (least, most);
        self
    }

    /// As many replicas as hold `metric` of one object, divided by their number, at `average`.
    pub(crate) fn on_object(self, object: &Described<'_>, metric: &str, average: &str) -> Self {
        self.on_object_where(object, (metric, &json!({})), average)
    }

    /// The same for the series of `metric` that have these labels.
    pub(crate) fn on_object_where(
        self,
        object: &Described<'_>,
        (metric, labels): (&str, &Value),
        average: &str,
    ) -> Self {
        self.create(&json!({
            "type": "Object",
            "object": {
                "describedObject": {
                    "apiVersion": object.api_version, "kind": object.kind, "name": object.name,
                },
                "metric": { "name": metric, "selector": { "matchLabels": labels } },
                "target": { "type": "AverageValue", "averageValue": average },
            },
        }));
        self
    }

    /// As many replicas as hold the mean of `metric` over the Deployment's own pods at `average`.
    pub(crate) fn on_pods(self, metric: &str, average: &str) -> Self {
        self.on_pods_metric(&json!({ "name": metric }), average)
    }

    /// The same for the series of `metric` that have these labels.
    pub(crate) fn on_pods_where(self, metric: &str, labels: &Value, average: &str) -> Self {
        self.on_pods_metric(&json!({ "name": metric, "selector": { "matchLabels": labels } }), average)
    }

    /// As many replicas as hold the sum of an external metric, over the label sets with `labels`, divided by their
    /// number, at `average`.
    pub(crate) fn on_external_average(self, metric: &str, labels: &Value, average: &str) -> Self {
        let target = json!({ "type": "AverageValue", "averageValue": average });
        self.on_external(&json!({ "name": metric, "selector": { "matchLabels": labels } }), &target)
    }

    /// As many replicas as bring the sum of an external metric to `value`.
    pub(crate) fn on_external_value(self, metric: &str, value: &str) -> Self {
        self.on_external(&json!({ "name": metric }), &json!({ "type": "Value", "value": value }))
    }

    fn on_external(self, metric: &Value, target: &Value) -> Self {
        self.create(&json!({ "type": "External", "external": { "metric": metric, "target": target } }));
        self
    }

    /// What `kubectl describe` says of it, once it says `words`.
    pub(crate) fn eventually_says(&self, words: &str) -> String {
        eventually(&format!("the HPA says {words:?}"), SOON, || {
            let description = self.namespace.kubectl(&format!("describe hpa {}", self.deployment));
            if description.contains(words) { Ok(description) } else { Err(description) }
        })
    }

    fn on_pods_metric(self, metric: &Value, average: &str) -> Self {
        self.create(&json!({
            "type": "Pods",
            "pods": { "metric": metric, "target": { "type": "AverageValue", "averageValue": average } },
        }));
        self
    }

    /// The average over the pods that the HPA saw last, once it has.
    pub(crate) fn pod_average(&self) -> Option<f64> {
        let seen = "{.status.currentMetrics[0].pods.current.averageValue}";
        let text = self.namespace.kubectl(&format!("get hpa {} --output jsonpath={seen}", self.deployment));
        (!text.is_empty()).then(|| number(&text))
    }

    /// Waits until the HPA says that it sees this average over the pods.
    pub(crate) fn eventually_sees_pod_average(&self, average: &str) {
        let seen = "{.status.currentMetrics[0].pods.current.averageValue}";
        let get = format!("get hpa {} --output jsonpath={seen}", self.deployment);
        let what = format!("the HPA sees an average of {average}");
        eventually_equals(&what, SOON, &average.to_owned(), || self.namespace.kubectl(&get));
    }

    fn create(&self, metric: &Value) {
        let (least, most) = self.replicas;
        self.namespace.apply(json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": self.deployment },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": self.deployment },
                "minReplicas": least,
                "maxReplicas": most,
                "metrics": [metric],
                "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
            },
        }));
    }
}
