//! Questions to kube-apiserver for people who look at one HPA: never on the way of a read.

use std::{path::PathBuf, time::Duration};

use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{options, options::ClusterError};
use crate::{
    hpa::{Access, ApiService, CONTROLLER_ACCOUNT, Described, MetricsGroup, ScaleTarget},
    kubernetes::root_cause,
    model::{GroupResource, ResourceType, Scope},
};

/// Asks kube-apiserver, each question with a deadline.
#[derive(Clone)]
pub struct Lookups(Client);

/// An answer that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    /// The HTTP status; 0 if there was no answer.
    pub code: u16,
    /// What kube-apiserver said, or what went wrong.
    pub message: String,
}

/// What the HPA controller would read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading<'a> {
    /// Of which API.
    pub group: MetricsGroup,
    /// In which namespace.
    pub namespace: &'a str,
    /// Of which resource; of external metrics the metric is the resource.
    pub resource: &'a str,
    /// Which metric.
    pub metric: &'a str,
}

impl Lookups {
    /// Asks by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// A client of the cluster that a kubeconfig or the environment names, and the namespace of its context.
    ///
    /// # Errors
    /// When no client can be configured.
    pub async fn connect(
        kubeconfig: Option<&PathBuf>,
        context: Option<&str>,
    ) -> Result<(Self, String), ClusterError> {
        let (client, namespace) = options::terminal(kubeconfig, context).await?;
        Ok((Self(client), namespace))
    }

    /// The resource of a kind, of the API that serves it.
    ///
    /// # Errors
    /// When kube-apiserver does not tell, with status 404 when it has no such kind.
    pub async fn resource(&self, object: &Described) -> Result<ResourceType, LookupError> {
        let (group, version) = object.api_version.rsplit_once('/').unwrap_or(("", &object.api_version));
        let version = if version.is_empty() { "v1" } else { version };
        let path =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let message = format!("the cluster has no kind {} in {}", object.kind, path.trim_start_matches('/'));
        let none = || LookupError { code: 404, message };
        let list = match self.get(&path).await {
            Ok(list) => list,
            Err(error) if error.code == 404 => return Err(none()),
            Err(error) => return Err(error),
        };
        resource_of(&list, (group, version), &object.kind).ok_or_else(none)
    }

    /// What `custom.metrics.k8s.io` has at a path below its version; the newer version first.
    ///
    /// # Errors
    /// When it has nothing there.
    pub async fn custom(&self, path: &str) -> Result<Value, LookupError> {
        let at = |version: &str| format!("/apis/custom.metrics.k8s.io/{version}/{path}");
        match self.get(&at("v1beta2")).await {
            Err(error) if error.is_not_served() => self.get(&at("v1beta1")).await,
            answer => answer,
        }
    }

    /// The JSON at a path.
    ///
    /// # Errors
    /// When there is no answer in time, or one that is not 2xx.
    pub async fn get(&self, path: &str) -> Result<Value, LookupError> {
        self.ask(Request::get(path).body(Vec::new())).await
    }

    async fn ask(&self, request: Result<Request<Vec<u8>>, http::Error>) -> Result<Value, LookupError> {
        let request = request.map_err(|error| LookupError { code: 0, message: error.to_string() })?;
        match timeout(DEADLINE, self.0.request::<Value>(request)).await {
            Ok(answer) => answer.map_err(|error| LookupError::of(&error)),
            Err(_) => {
                Err(LookupError { code: 0, message: "kube-apiserver did not answer in time".to_owned() })
            }
        }
    }

    /// The scale of an object, at `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME`.
    pub async fn scale(&self, object_path: &str) -> ScaleTarget {
        match self.get(&format!("{object_path}/scale")).await {
            Ok(scale) => scale_of(&scale),
            Err(error) if error.code == 404 => ScaleTarget::Missing(error.message),
            Err(error) => ScaleTarget::Unknown(error.message),
        }
    }

    /// The APIService by which an HPA is served. `own` is our Service, `NAMESPACE/NAME`, if that is known.
    pub async fn api_service(&self, group: MetricsGroup, own: Option<&str>) -> ApiService {
        for name in group.api_services() {
            let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}");
            match self.get(&path).await {
                Ok(service) => return api_service_of(&service, own),
                Err(error) if error.code == 404 => {}
                Err(error) => return ApiService::Unknown(error.message),
            }
        }
        ApiService::Missing
    }

    /// Whether a pod other than `own` serves behind a Service of a namespace.
    ///
    /// # Errors
    /// When kube-apiserver does not tell.
    pub async fn others_serve(
        &self,
        (namespace, service): (&str, &str),
        own: &str,
    ) -> Result<bool, LookupError> {
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
        let selector = format!("kubernetes.io/service-name={service}");
        let slices = self.get(&format!("{path}?{}", query(&[("labelSelector", &selector)]))).await?;
        let slices = slices.pointer("/items").and_then(Value::as_array).into_iter().flatten();
        let endpoints = slices.filter_map(|slice| slice.pointer("/endpoints")?.as_array()).flatten();
        // Without the condition an endpoint counts as ready.
        let serves = |endpoint: &Value| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
        Ok(endpoints.filter(|endpoint| serves(endpoint)).any(|other| text(other, "/targetRef/name") != own))
    }

    /// Whether the HPA controller may read a metric.
    pub async fn access(&self, reading: Reading<'_>) -> Access {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": { "user": CONTROLLER_ACCOUNT, "groups": GROUPS, "resourceAttributes": attributes(&reading) },
        });
        let request = Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes());
        match self.ask(request).await {
            Ok(answer) if answer.pointer("/status/allowed") == Some(&Value::Bool(true)) => Access::Allowed,
            Ok(answer) => Access::Denied(text(&answer, "/status/reason")),
            Err(error) => Access::Unknown(error.message),
        }
    }
}

fn resource_of(list: &Value, (group, version): (&str, &str), kind: &str) -> Option<ResourceType> {
    let resources = list.pointer("/resources")?.as_array()?;
    let is_it = |resource: &&Value| text(resource, "/kind") == kind && !text(resource, "/name").contains('/');
    let resource = resources.iter().find(is_it)?;
    let namespaced = resource.pointer("/namespaced") == Some(&Value::Bool(true));
    Some(ResourceType {
        resource: GroupResource::new(group, text(resource, "/name")),
        version: version.into(),
        kind: kind.into(),
        singular: text(resource, "/singularName").into(),
        short_names: Vec::new(),
        scope: if namespaced { Scope::Namespaced } else { Scope::Cluster },
    })
}

/// A query string of the pairs that have a value.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

fn attributes(reading: &Reading<'_>) -> Value {
    let Reading { group, namespace, resource, metric } = reading;
    match group {
        MetricsGroup::Custom => json!({ "group": group.name(), "namespace": namespace, "verb": "get",
            "resource": resource, "subresource": metric, "name": "*" }),
        MetricsGroup::External => json!({ "group": group.name(), "namespace": namespace, "verb": "list",
            "resource": metric }),
    }
}

fn scale_of(scale: &Value) -> ScaleTarget {
    let number = |pointer: &str| {
        let number = scale.pointer(pointer).and_then(Value::as_i64);
        number.and_then(|number| number.try_into().ok()).unwrap_or_default()
    };
    ScaleTarget::Found {
        spec: number("/spec/replicas"),
        status: number("/status/replicas"),
        selector: text(scale, "/status/selector"),
    }
}

fn api_service_of(object: &Value, own: Option<&str>) -> ApiService {
    let service = match object.pointer("/spec/service") {
        None | Some(Value::Null) => "kube-apiserver itself".to_owned(),
        Some(service) => format!("{}/{}", text(service, "/namespace"), text(service, "/name")),
    };
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is_it = |condition: &&Value| text(condition, "/type") == "Available";
    let unavailable = match conditions.into_iter().flatten().find(is_it) {
        Some(condition) if text(condition, "/status") == "True" => None,
        Some(condition) => Some(format!("{}: {}", text(condition, "/reason"), text(condition, "/message"))),
        None => Some("kube-apiserver has not looked at it yet".to_owned()),
    };
    ApiService::Found { ours: own.map(|own| own == service), service, unavailable }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl LookupError {
    /// Whether there is no such API, or no such version of it.
    fn is_not_served(&self) -> bool {
        self.code == 404 && self.message.contains("could not find the requested resource")
    }

    fn of(error: &kube::Error) -> Self {
        let code = match error {
            kube::Error::Api(status) => status.code,
            _ => 0,
        };
        Self { code, message: root_cause(error) }
    }
}

const GROUPS: [&str; 3] =
    ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];

/// For a person who waits.
const DEADLINE: Duration = Duration::from_secs(3);
