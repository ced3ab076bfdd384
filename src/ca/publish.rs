//! The CAs in the APIServices: kube-apiserver verifies the adapter by `spec.caBundle`.

use k8s_openapi::{ByteString, kube_aggregator::pkg::apis::apiregistration::v1::APIService as Registration};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{Problem, calls::within};
use crate::{notice::Incident, serve::ServiceNames};

/// One of the adapter's APIServices.
pub(super) struct ApiService {
    pub(super) name: &'static str,
    pub(super) api: Api<Registration>,
    incident: Incident,
}

/// What an APIService is like.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    /// It has the CAs.
    Published,
    /// It is ours, and has others or none.
    Stale,
    /// It leads to another Service.
    Foreign(String),
    /// cert-manager writes its CA.
    Injected,
}

impl ApiService {
    /// Those that the adapter may be registered by.
    pub(super) fn all(client: &Client) -> Vec<Self> {
        let service = |name| Self { name, api: Api::all(client.clone()), incident: Incident::default() };
        NAMES.into_iter().map(service).collect()
    }

    /// Sees to it that the APIService has the CAs, unless it is absent or somebody else's: whether it had others until now,
    /// or why it has not.
    pub(super) async fn publish(&self, bundle: &str, names: &ServiceNames) -> Result<bool, String> {
        match self.published(bundle, names).await {
            Ok(is_written) => {
                if self.incident.works().is_some() {
                    tracing::info!(
                        apiservice = self.name,
                        "the APIService has the CA of the serving certificate"
                    );
                }
                Ok(is_written)
            }
            Err(problem) => {
                if self.incident.fails(problem.class) {
                    let (apiservice, error, remedy) = (self.name, &problem.text, problem.remedy);
                    tracing::warn!(
                        apiservice,
                        error,
                        remedy,
                        "the APIService has not the CA of the serving certificate"
                    );
                }
                // Another adapter may serve an API, as KEDA does: nothing is wrong with our certificate then.
                if problem.class == FOREIGN {
                    return Ok(false);
                }
                Err(format!("APIService {}: {}", self.name, problem.text))
            }
        }
    }

    async fn published(&self, bundle: &str, names: &ServiceNames) -> Result<bool, Problem> {
        let failed = |error| {
            Problem::of(&error, "bind ClusterRole custom-metrics-adapter:apiservices to this service account")
        };
        let Some(found) = within(self.api.get_opt(self.name)).await.map_err(failed)? else {
            return Ok(false);
        };
        match look(&found, bundle, names) {
            Found::Published => Ok(false),
            Found::Stale => {
                let patch = Patch::Merge(patch(&found, bundle));
                within(self.api.patch(self.name, &PatchParams::default(), &patch)).await.map_err(failed)?;
                tracing::info!(
                    apiservice = self.name,
                    "wrote the CA of the serving certificate into the APIService"
                );
                Ok(true)
            }
            Found::Foreign(service) => Err(Problem::foreign(&service)),
            Found::Injected => Err(Problem::injected()),
        }
    }
}

fn look(found: &Registration, bundle: &str, names: &ServiceNames) -> Found {
    let Some(spec) = &found.spec else { return Found::Foreign("no Service".to_owned()) };
    let service = spec.service.clone().unwrap_or_default();
    let (name, namespace) = (service.name.unwrap_or_default(), service.namespace.unwrap_or_default());
    if (name.as_str(), namespace.as_str()) != (names.service.as_str(), names.namespace.as_str()) {
        return Found::Foreign(format!("Service {namespace}/{name}"));
    }
    if found.metadata.annotations.iter().flatten().any(|(key, _)| key.starts_with(INJECTED)) {
        return Found::Injected;
    }
    let has = spec.ca_bundle.as_ref().is_some_and(|has| has.0 == bundle.as_bytes());
    if has && !spec.insecure_skip_tls_verify.unwrap_or_default() { Found::Published } else { Found::Stale }
}

/// The resource version has it refused if the APIService became another's meanwhile.
fn patch(found: &Registration, bundle: &str) -> serde_json::Value {
    json!({
        "metadata": { "resourceVersion": found.metadata.resource_version },
        "spec": { "caBundle": ByteString(bundle.as_bytes().to_vec()), "insecureSkipTLSVerify": null },
    })
}

impl Problem {
    fn foreign(service: &str) -> Self {
        Self {
            class: FOREIGN,
            text: format!("it leads to {service}, which is not this adapter: its caBundle is left as it is"),
            remedy: "delete the APIService and apply the adapter's manifest, if this adapter is to serve that API",
        }
    }

    fn injected() -> Self {
        Self {
            class: "injected",
            text: "cert-manager writes its caBundle".to_owned(),
            remedy: "use deploy/k8s/components/cert-manager whole, or take cert-manager's annotation off the APIService",
        }
    }
}

pub(super) const NAMES: [&str; 3] =
    ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"];

const FOREIGN: &str = "foreign";

/// `cert-manager.io/inject-ca-from` and its kin.
const INJECTED: &str = "cert-manager.io/inject-";

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ServiceNames {
        ServiceNames { service: "adapter".to_owned(), namespace: "custom-metrics".to_owned() }
    }

    fn registration(spec: &serde_json::Value, annotation: &str) -> Registration {
        let metadata =
            json!({ "name": NAMES[0], "resourceVersion": "7", "annotations": { annotation: "x" } });
        serde_json::from_value(json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": metadata, "spec": spec }))
        .unwrap()
    }

    fn found(service: &str, bundle: Option<&str>, skip: bool) -> Found {
        let bundle = bundle.map(|bundle| ByteString(bundle.as_bytes().to_vec()));
        let spec = json!({ "service": { "namespace": "custom-metrics", "name": service }, "caBundle": bundle,
            "insecureSkipTLSVerify": skip, "groupPriorityMinimum": 1, "versionPriority": 1 });
        look(&registration(&spec, "a"), "CA", &names())
    }

    #[test]
    fn only_an_api_service_of_ours_without_the_ca_is_written() {
        assert_eq!(found("adapter", Some("CA"), false), Found::Published);
        assert_eq!(found("adapter", Some("CA"), true), Found::Stale);
        assert_eq!(found("adapter", Some("other"), false), Found::Stale);
        assert_eq!(found("adapter", None, true), Found::Stale);
        let foreign = Found::Foreign("Service custom-metrics/prometheus-adapter".to_owned());
        assert_eq!(found("prometheus-adapter", None, true), foreign);
        let local = json!({ "groupPriorityMinimum": 1, "versionPriority": 1 });
        assert!(matches!(look(&registration(&local, "a"), "CA", &names()), Found::Foreign(_)));
    }

    #[test]
    fn what_cert_manager_writes_is_left_to_it() {
        let spec = json!({ "service": { "namespace": "custom-metrics", "name": "adapter" },
            "groupPriorityMinimum": 1, "versionPriority": 1 });
        let injected = registration(&spec, "cert-manager.io/inject-ca-from");
        assert_eq!(look(&injected, "CA", &names()), Found::Injected);
        assert_eq!(patch(&injected, "CA")["metadata"]["resourceVersion"], "7");
    }
}
