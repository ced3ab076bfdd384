//! The adapter's own page of an HPA: through a port-forward that is named, or through kube-apiserver's proxy to a pod.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cluster::Lookups,
    hpa::{ApiService, MetricsGroup, Report},
};

/// The report of the adapter.
///
/// # Errors
/// A sentence that says why there is none.
pub(super) async fn report(
    lookups: &Lookups,
    (namespace, name): (&str, &str),
    adapter: Option<&str>,
) -> Result<Report, String> {
    let page = format!("hpas/{namespace}/{name}?format=json");
    let body = match adapter {
        Some(base) => fetched(&format!("{}/{page}", base.trim_end_matches('/'))).await?,
        None => proxied(lookups, &page).await?,
    };
    serde_json::from_value(body).map_err(|error| format!("the page is not the adapter's: {error}"))
}

async fn fetched(url: &str) -> Result<Value, String> {
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build();
    let client = client.map_err(|error| error.to_string())?;
    let mut response = client.get(url).send().await.map_err(|error| format!("{url}: {error}"))?;
    if !response.status().is_success() {
        return Err(format!("{url}: the status is {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("{url}: {error}"))? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(format!("{url}: more than {MOST_BYTES} bytes"));
        }
    }
    serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
}

/// Through the first pod behind the Service of the API.
async fn proxied(lookups: &Lookups, page: &str) -> Result<Value, String> {
    let mut why = "no metrics API is registered".to_owned();
    for group in [MetricsGroup::Custom, MetricsGroup::External] {
        let ApiService::Found { service, .. } = lookups.api_service(group, None).await else { continue };
        match behind(lookups, &service, page).await {
            Ok(body) => return Ok(body),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn behind(lookups: &Lookups, service: &str, page: &str) -> Result<Value, String> {
    let (namespace, name) = service.split_once('/').ok_or_else(|| format!("{service} is no Service"))?;
    let slices = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io/service-name={name}"
    );
    let slices = lookups.get(&slices).await.map_err(|error| error.to_string())?;
    let pod = first_pod(&slices).ok_or_else(|| format!("Service {service} has no pod"))?;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy/{page}");
    lookups.get(&path).await.map_err(|error| format!("{pod}: {error}"))
}

fn first_pod(slices: &Value) -> Option<String> {
    let items = slices.pointer("/items")?.as_array()?.iter();
    let endpoints = items.filter_map(|slice| slice.pointer("/endpoints")?.as_array()).flatten();
    let mut pods =
        endpoints.filter(|endpoint| endpoint.pointer("/targetRef/kind").is_some_and(|kind| kind == "Pod"));
    Some(pods.next()?.pointer("/targetRef/name")?.as_str()?.to_owned())
}

/// `--admin-listen` of the manifest.
const ADMIN_PORT: u16 = 9090;

const DEADLINE: Duration = Duration::from_secs(5);

const MOST_BYTES: usize = 16 << 20;
