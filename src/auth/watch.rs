//! Loads and follows ConfigMap `kube-system/extension-apiserver-authentication`.

use std::{collections::BTreeMap, error::Error as _, pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use tokio::time::{Instant, sleep, timeout};

use super::{AuthError, AuthKube, Delegated, Trust, Trusted};
use crate::{
    kubernetes::{Backoff, Class, root_cause, telling_of_opened_watches},
    notice::Incident,
};

type ConfigMapData = BTreeMap<String, String>;

/// The ConfigMap's data. A kube-apiserver that is not there yet, and RBAC rules that are applied a moment after the
/// Deployment, are waited for.
pub(super) async fn load(kube: &AuthKube, deadline: Duration) -> Result<ConfigMapData, AuthError> {
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), NAMESPACE);
    let started = Instant::now();
    let incident = Incident::default();
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
        let hint = problem.hint();
        if started.elapsed() + delay >= deadline {
            let waited = Duration::from_secs(started.elapsed().as_secs());
            return Err(AuthError::Load { waited, problem: problem.text, hint });
        }
        if incident.fails(problem.class.as_str()) {
            problem.warn("waiting for ConfigMap kube-system/extension-apiserver-authentication");
        }
        let text = &problem.text;
        kube.waiting.send_replace(Some(format!("waiting for ConfigMap {NAMESPACE}/{NAME}: {text}{hint}")));
        sleep(delay).await;
        delay = (delay * 2).min(LAST_DELAY);
    }
}

/// Follows the ConfigMap for ever: what it says is trusted at once; what cannot be used is reported, and the trust
/// from before stays in force. The problem ends with its cause: with a list, an event, or a watch that is resumed.
pub(super) async fn follow(kube: AuthKube, delegated: Arc<Delegated>, mut data: ConfigMapData) {
    let AuthKube { client, server, .. } = kube;
    let opened = delegated.clone();
    let client = telling_of_opened_watches(client, Arc::new(move || opened.trust_watch.works()));
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}")).timeout(WATCH_SECONDS);
    let mut events = pin!(watcher(api, config));
    let mut backoff = Backoff::new(FIRST_DELAY, LAST_DELAY);
    let mut listed = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if let Some(now) = seen(event, &mut listed) {
                    delegated.trust_watch.works();
                    delegated.report(apply(&delegated, &mut data, now));
                }
            }
            Err(error) => {
                delegated.trust_watch.fails(&Problem::of_watch(&error, &server));
                sleep(backoff.pause()).await;
            }
        }
    }
}

/// What an event shows of the ConfigMap: nothing, that it is gone, or its data.
fn seen(event: Event<ConfigMap>, listed: &mut Option<ConfigMapData>) -> Option<Option<ConfigMapData>> {
    match event {
        Event::Init => *listed = None,
        Event::InitApply(config_map) => *listed = Some(config_map.data.unwrap_or_default()),
        Event::InitDone => return Some(listed.take()),
        Event::Apply(config_map) => return Some(Some(config_map.data.unwrap_or_default())),
        Event::Delete(_) => return Some(None),
    }
    None
}

/// Trusts new data, or says why not.
fn apply(delegated: &Delegated, data: &mut ConfigMapData, now: Option<ConfigMapData>) -> Option<String> {
    let Some(new) = now else { return Some(format!("ConfigMap {NAMESPACE}/{NAME} is gone")) };
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

impl Delegated {
    /// Trusts other authorities from now on.
    fn trust(&self, trust: Trust) {
        let generation = self.trust.load().generation + 1;
        self.trust.store(Arc::new(Trusted { generation, trust }));
    }

    /// Records why the ConfigMap cannot be used, or that it can, and logs what is new of it.
    fn report(&self, problem: Option<String>) {
        if **self.problem.load() == problem {
            return;
        }
        match &problem {
            Some(problem) => {
                tracing::warn!(problem, "still trusting the certificate authorities that were loaded before");
            }
            None => tracing::info!("the ConfigMap of the certificate authorities can be used again"),
        }
        self.problem.store(Arc::new(problem));
    }
}

/// How the watch is: whether kube-apiserver shows us the ConfigMap at all.
#[derive(Default)]
pub(super) struct TrustWatch {
    problem: ArcSwapOption<String>,
    incident: Incident,
}

impl TrustWatch {
    /// Why the ConfigMap cannot be followed, if it cannot.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.load().as_deref().cloned()
    }

    fn works(&self) {
        self.problem.store(None);
        if let Some(failed) = self.incident.works() {
            tracing::info!(
                failed_for_seconds = failed.as_secs(),
                "ConfigMap kube-system/extension-apiserver-authentication can be watched again"
            );
        }
    }

    fn fails(&self, problem: &Problem) {
        let text = format!("ConfigMap {NAMESPACE}/{NAME} cannot be watched: {}", problem.text);
        self.problem.store(Some(Arc::new(text)));
        if self.incident.fails(problem.class.as_str()) {
            problem.warn(
                "ConfigMap kube-system/extension-apiserver-authentication cannot be watched: still trusting the \
                 certificate authorities that were loaded before",
            );
        }
    }
}

struct Problem {
    text: String,
    class: Class,
}

impl Problem {
    fn of(error: &kube::Error, server: &str) -> Self {
        let text = match error {
            kube::Error::Api(status) => status.message.clone(),
            other => format!("no answer from kube-apiserver at {server}: {}", causes(other)),
        };
        Self { text, class: Class::of(error) }
    }

    fn of_watch(error: &watcher::Error, server: &str) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Self::of(error, server),
            other => Self { text: root_cause(other), class: Class::of(other) },
        }
    }

    fn silence(server: &str) -> Self {
        let seconds = CALL_DEADLINE.as_secs();
        let text = format!("no answer from kube-apiserver at {server} within {seconds} s");
        Self { text, class: Class::Timeout }
    }

    /// What to do about it; starts with a separator, or is empty.
    fn hint(&self) -> &'static str {
        match self.class {
            Class::Forbidden => {
                "; bind Role kube-system/extension-apiserver-authentication-reader to this service account"
            }
            Class::Unreachable | Class::Timeout => UNREACHABLE,
            _ => "",
        }
    }

    fn warn(&self, message: &'static str) {
        let (class, remedy) = (self.class.as_str(), self.hint().trim_start_matches("; "));
        tracing::warn!(class, error = self.text, remedy, "{message}");
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
/// Shorter than the time that the client waits for a stream to bring something: a quiet watch has to end first.
const WATCH_SECONDS: u32 = 60;
const CALL_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(5);
