//! Facts of an HPA as kube-apiserver alone tells them.

use std::{collections::HashMap, sync::Arc};

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    pods::{self, Pod},
    said,
};
use crate::{
    cluster::{LookupError, Lookups, Reading, query},
    hpa::{
        Access, Answer, ApiFact, Counting, Described, Facts, Hpa, Identifier, Lack, LackKind, Measured,
        MetricFact, MetricSource, MetricSpec, MetricsGroup, PodFact, ScaleTarget, Spec,
    },
    model::Quantity,
};

/// The HPA.
///
/// # Errors
/// When kube-apiserver does not have it, or not for us.
pub(super) async fn hpa(lookups: &Lookups, namespace: &str, name: &str) -> Result<Hpa, LookupError> {
    let path = format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{name}");
    let mut hpa = lookups.get(&path).await?;
    let mut part = |name: &str| hpa.get_mut(name).map(Value::take).unwrap_or_default();
    let parts = (part("spec"), part("status"));
    Ok(Hpa::read(namespace.to_owned(), name.to_owned(), parts))
}

pub(super) async fn facts(lookups: &Lookups, hpa: Hpa) -> Facts {
    let hpa = Arc::new(hpa);
    let mut facts = Facts {
        now: Timestamp::now(),
        target: ScaleTarget::Unknown("the spec is not understood".to_owned()),
        apis: Vec::new(),
        metrics: Vec::new(),
        ready: None,
        hpa: hpa.clone(),
    };
    let Ok(spec) = &hpa.spec else { return facts };
    let look = Look { lookups, namespace: &hpa.namespace };
    facts.target = look.scale(&spec.scale_target_ref).await;
    let pods = look.pods(&facts.target).await;
    let ready = pods.as_ref().ok().filter(|pods| !pods.is_empty());
    facts.ready = ready.and_then(|pods| pods.iter().filter(|pod| pod.ready).count().try_into().ok());
    facts.apis = look.apis(spec).await;
    facts.metrics =
        join_all(spec.metrics.iter().map(|metric| look.metric(metric, (&pods, &facts.target)))).await;
    facts
}

struct Look<'a> {
    lookups: &'a Lookups,
    namespace: &'a str,
}

impl Look<'_> {
    async fn scale(&self, reference: &Described) -> ScaleTarget {
        match self.lookups.resource(reference).await {
            Ok(resource) => self.lookups.scale(&resource.object_path(self.namespace, &reference.name)).await,
            Err(error) if error.code == 404 => ScaleTarget::Missing(error.message),
            Err(error) => ScaleTarget::Unknown(error.message),
        }
    }

    async fn pods(&self, target: &ScaleTarget) -> Result<Vec<Pod>, String> {
        let ScaleTarget::Found { selector, .. } = target else {
            return Err("the selector of the scale target is not known".to_owned());
        };
        pods::selected(self.lookups, self.namespace, selector).await.map_err(|error| error.message)
    }

    async fn apis(&self, spec: &Spec) -> Vec<ApiFact> {
        let groups = [MetricsGroup::Custom, MetricsGroup::External];
        let first = |group| {
            Some((group, spec.metrics.iter().find(|metric| group_of(&metric.source) == Some(group))?))
        };
        let read = groups.into_iter().filter_map(first);
        join_all(read.map(|(group, metric)| self.api(group, metric))).await
    }

    async fn api(&self, group: MetricsGroup, metric: &MetricSpec) -> ApiFact {
        let resource = match &metric.source {
            MetricSource::Object(_, object) => {
                let resource = self.lookups.resource(object).await;
                resource.map(|resource| resource.resource.to_string()).map_err(|error| error.message)
            }
            _ => Ok("pods".to_owned()),
        };
        let access = async {
            match &resource {
                Ok(resource) => {
                    let (namespace, metric) = (self.namespace, metric.name());
                    self.lookups.access(Reading { group, namespace, resource, metric }).await
                }
                Err(message) => Access::Unknown(message.clone()),
            }
        };
        let (service, access) = tokio::join!(self.lookups.api_service(group, None), access);
        ApiFact { group, service, access }
    }

    async fn metric(
        &self,
        spec: &MetricSpec,
        (pods, target): (&Result<Vec<Pod>, String>, &ScaleTarget),
    ) -> MetricFact {
        let answer = match &spec.source {
            MetricSource::Resource { .. } => Ok(Answer::NotAsked),
            MetricSource::Pods(metric) => self.of_pods(metric, (pods, target)).await,
            MetricSource::Object(metric, object) => self.of_object(metric, object).await,
            MetricSource::External(metric) => self.external(metric).await,
        };
        let nearest = answer.as_ref().err().and_then(|error| said::nearest(&error.message));
        let nearest = nearest.filter(|nearest| nearest != spec.name());
        let answer = answer.unwrap_or_else(|error| Answer::Nothing(said::lack(&error)));
        MetricFact { spec: spec.clone(), answer, nearest, others: Vec::new() }
    }

    async fn of_pods(
        &self,
        metric: &Identifier,
        (pods, target): (&Result<Vec<Pod>, String>, &ScaleTarget),
    ) -> Result<Answer, LookupError> {
        let (Ok(pods), ScaleTarget::Found { selector, .. }) = (pods, target) else {
            let text = pods.as_ref().err().cloned().unwrap_or_default();
            return Ok(Answer::Nothing(Lack { kind: LackKind::Unseen, text }));
        };
        if !pods.iter().any(|pod| pod.counting == Counting::Counted) {
            return Ok(Answer::Pods(pods.iter().map(|pod| fact(pod, &HashMap::new())).collect()));
        }
        let asked = query(&[("labelSelector", selector), ("metricLabelSelector", &metric.selector)]);
        let path = format!("namespaces/{}/pods/*/{}?{asked}", self.namespace, metric.name);
        let values = items(&self.lookups.custom(&path).await?);
        Ok(Answer::Pods(pods.iter().map(|pod| fact(pod, &values)).collect()))
    }

    async fn of_object(&self, metric: &Identifier, object: &Described) -> Result<Answer, LookupError> {
        let resource = match self.lookups.resource(object).await {
            Ok(resource) => resource,
            Err(error) if error.code == 404 => {
                return Ok(Answer::Nothing(Lack { kind: LackKind::NoObject, text: error.message }));
            }
            Err(error) => return Err(error),
        };
        let asked = query(&[("metricLabelSelector", &metric.selector)]);
        let (namespace, name, metric) = (self.namespace, &object.name, &metric.name);
        let path = match resource.resource.is_namespaces() {
            true => format!("namespaces/{namespace}/metrics/{metric}?{asked}"),
            false => format!("namespaces/{namespace}/{}/{name}/{metric}?{asked}", resource.resource),
        };
        let values = items(&self.lookups.custom(&path).await?);
        Ok(Answer::Values(values.into_values().collect()))
    }

    async fn external(&self, metric: &Identifier) -> Result<Answer, LookupError> {
        let asked = query(&[("labelSelector", &metric.selector)]);
        let path = format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/{}?{asked}",
            self.namespace, metric.name
        );
        let list = self.lookups.get(&path).await?;
        let values: Vec<Measured> = each(&list).filter_map(measured).collect();
        if values.is_empty() {
            let text = "no metrics returned from external metrics API".to_owned();
            return Ok(Answer::Nothing(Lack { kind: LackKind::NoMetric, text }));
        }
        Ok(Answer::Values(values))
    }
}

fn group_of(source: &MetricSource) -> Option<MetricsGroup> {
    match source {
        MetricSource::Pods(_) | MetricSource::Object(..) => Some(MetricsGroup::Custom),
        MetricSource::External(_) => Some(MetricsGroup::External),
        MetricSource::Resource { .. } => None,
    }
}

fn fact(pod: &Pod, values: &HashMap<String, Measured>) -> PodFact {
    let lack = || Lack { kind: LackKind::NoMetric, text: "the metrics API has no value of it".to_owned() };
    let value = values.get(&pod.name).cloned().ok_or_else(lack);
    PodFact { name: pod.name.as_str().into(), counting: pod.counting, value, target: None }
}

/// Values by the name of the described object.
fn items(list: &Value) -> HashMap<String, Measured> {
    let named = |item: &Value| {
        let name = item.pointer("/describedObject/name")?.as_str()?.to_owned();
        Some((name, measured(item)?))
    };
    each(list).filter_map(named).collect()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.pointer("/items").and_then(Value::as_array).into_iter().flatten()
}

fn measured(item: &Value) -> Option<Measured> {
    let text = item.pointer("/value")?.as_str()?;
    let at = item.pointer("/timestamp").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let milli = Quantity::parse(text).ok()?.milli();
    Some(Measured { milli, text: text.to_owned(), at: at.unwrap_or_default() })
}
