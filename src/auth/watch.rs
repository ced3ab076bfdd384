//! Loads and follows ConfigMap `kube-system/extension-apiserver-authentication`.

use std::{collections::BTreeMap, error::Error as _, sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::time::{Instant, sleep, timeout};

use super::{AuthError, AuthKube, Delegated, Trust};

type ConfigMapData = BTreeMap<String, String>;

/// The ConfigMap's data. A kube-apiserver that is not there yet, and RBAC rules that are applied a moment after the
/// Deployment, are waited for.
pub(super) async fn load(kube: &AuthKube, deadline: Duration) -> Result<ConfigMapData, AuthError> {
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), NAMESPACE);
    let started = Instant::now();
    let mut delay = FIRST_DELAY;
    loop {
        let problem = match timeout(CALL_DEADLINE, api.get(NAME)).await {
            Ok(Ok(config_map)) => {
                kube.waiting.send_replace(None);
                return Ok(config_map.data.unwrap_or_default());
            }
            Ok(Err(error)) => Problem::of(&error, &kube.server),
            Err(_) => Problem::silence(&kube.server),
        };
        if started.elapsed() + delay >= deadline {
            let waited = Duration::from_secs(started.elapsed().as_secs());
            return Err(AuthError::Load { waited, problem: problem.text, hint: problem.hint });
        }
        let Problem { text, hint } = problem;
        tracing::warn!(problem = %format_args!("{text}{hint}"), "waiting for ConfigMap {NAMESPACE}/{NAME}");
        kube.waiting.send_replace(Some(format!("waiting for ConfigMap {NAMESPACE}/{NAME}: {text}{hint}")));
        sleep(delay).await;
        delay = (delay * 2).min(LAST_DELAY);
    }
}

/// Follows the ConfigMap for ever: what it says is trusted at once; what cannot be used is reported, and the trust
/// from before stays in force.
pub(super) async fn follow(client: Client, delegated: Arc<Delegated>, mut data: ConfigMapData) {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let changes = watch_object(api, NAME).default_backoff();
    pin_mut!(changes);
    while let Some(change) = changes.next().await {
        let problem = match change {
            Ok(Some(config_map)) => apply(&delegated, &mut data, config_map.data.unwrap_or_default()),
            Ok(None) => Some(format!("ConfigMap {NAMESPACE}/{NAME} is gone")),
            Err(error) => Some(format!("ConfigMap {NAMESPACE}/{NAME} cannot be watched: {error}")),
        };
        let lasting = problem.clone();
        if delegated.report(problem)
            && let Some(problem) = lasting
        {
            tracing::warn!(problem, "still trusting the certificate authorities that were loaded before");
        }
    }
}

/// Trusts new data, or says why not.
fn apply(delegated: &Delegated, data: &mut ConfigMapData, new: ConfigMapData) -> Option<String> {
    if *data == new {
        return None;
    }
    match Trust::parse(&new) {
        Ok(trust) => {
            delegated.trust(trust);
            *data = new;
            tracing::info!(
                "trusting the certificate authorities of the changed ConfigMap {NAMESPACE}/{NAME}"
            );
            None
        }
        Err(error) => Some(format!("ConfigMap {NAMESPACE}/{NAME} cannot be used: {error}")),
    }
}

struct Problem {
    text: String,
    hint: &'static str,
}

impl Problem {
    fn of(error: &kube::Error, server: &str) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => Self {
                text: status.message.clone(),
                hint: "; bind Role kube-system/extension-apiserver-authentication-reader to this service account",
            },
            kube::Error::Api(status) => Self { text: status.message.clone(), hint: "" },
            other => Self {
                text: format!("no answer from kube-apiserver at {server}: {}", causes(other)),
                hint: UNREACHABLE,
            },
        }
    }

    fn silence(server: &str) -> Self {
        let seconds = CALL_DEADLINE.as_secs();
        Self {
            text: format!("no answer from kube-apiserver at {server} within {seconds} s"),
            hint: UNREACHABLE,
        }
    }
}

/// The errors under `error`, down to the cause. Its own text only says that a call failed.
fn causes(error: &kube::Error) -> String {
    let sources = std::iter::successors(error.source(), |cause| (*cause).source());
    let mut texts: Vec<String> = sources.map(ToString::to_string).collect();
    // A wrapper often repeats what it wraps.
    texts.dedup_by(|inner, outer| outer.contains(inner.as_str()));
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

const UNREACHABLE: &str = "; check that this address answers from here, and that its certificate fits the kubeconfig or the \
                           service account";
const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
const CALL_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(5);
