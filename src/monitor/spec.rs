//! `spec` as it is sent. Unknown fields are ignored; a field that cannot be followed is named.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Endpoint, Monitor, MonitorKind, Port, Reach, meta};
use crate::{
    model::{Selector, SelectorSpec, parse_duration},
    relabel::{Chain, RuleSpec},
};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    selector: SelectorSpec,
    namespace_selector: WireNamespaces,
    job_label: Option<String>,
    pod_target_labels: Vec<String>,
    target_labels: Vec<String>,
    pod_metrics_endpoints: Vec<Value>,
    endpoints: Vec<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireNamespaces {
    any: bool,
    match_names: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireEndpoint {
    port: Option<String>,
    port_number: Option<u16>,
    target_port: Option<WirePort>,
    path: Option<String>,
    scheme: Option<String>,
    interval: Option<String>,
    scrape_timeout: Option<String>,
    params: BTreeMap<String, Vec<String>>,
    honor_labels: bool,
    honor_timestamps: Option<bool>,
    relabelings: Vec<RuleSpec>,
    metric_relabelings: Vec<RuleSpec>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WirePort {
    Number(u16),
    Name(String),
}

impl Monitor {
    /// Reads `spec`. What of it cannot be followed is among the faults.
    #[must_use]
    pub fn read(kind: MonitorKind, (namespace, name): (String, String), spec: Value) -> Self {
        let mut monitor = Self {
            kind,
            namespace,
            name,
            reach: Reach::Own,
            selector: Selector::default(),
            job_label: None,
            pod_labels: Vec::new(),
            service_labels: Vec::new(),
            endpoints: Vec::new(),
            faults: Vec::new(),
        };
        match wire::<WireSpec>("spec", spec) {
            Ok(wire) => monitor.take(wire),
            Err(fault) => monitor.faults.push(fault),
        }
        monitor
    }

    fn take(&mut self, wire: WireSpec) {
        self.reach = wire.namespace_selector.reach();
        self.job_label = wire.job_label.filter(|label| !label.is_empty());
        self.pod_labels = wire.pod_target_labels;
        self.service_labels = wire.target_labels;
        match Selector::parse(&wire.selector.text()) {
            Ok(selector) => self.selector = selector,
            // What it means is not known then.
            Err(error) => return self.faults.push(format!("spec.selector: {error}")),
        }
        let (field, endpoints) = match self.kind {
            MonitorKind::Pod => ("podMetricsEndpoints", wire.pod_metrics_endpoints),
            MonitorKind::Service => ("endpoints", wire.endpoints),
        };
        if endpoints.len() > MOST_ENDPOINTS {
            return self.faults.push(format!("spec.{field}: more than {MOST_ENDPOINTS}"));
        }
        for (at, endpoint) in endpoints.into_iter().enumerate() {
            match read_endpoint(&format!("spec.{field}[{at}]"), endpoint) {
                Ok(endpoint) => self.endpoints.push(endpoint),
                Err(fault) => self.faults.push(fault),
            }
        }
    }
}

fn wire<T: DeserializeOwned>(at: &str, value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { at.to_owned() } else { format!("{at}.{path}") };
        format!("{path}: {}", error.inner())
    })
}

fn read_endpoint(at: &str, value: Value) -> Result<Endpoint, String> {
    if let Some((field, why)) = refused(&value) {
        return Err(format!("{at}.{field}: {why}"));
    }
    let wire: WireEndpoint = wire(at, value)?;
    let relabelings = chain(&format!("{at}.relabelings"), wire.relabelings)?;
    if let Some(label) = meta::unknown(&relabelings) {
        return Err(format!(
            "{at}.relabelings: {label} is not known here, so its rule would do the wrong thing"
        ));
    }
    let port = port(wire.port, wire.port_number, wire.target_port)
        .ok_or_else(|| format!("{at}: names no port, portNumber or targetPort"))?;
    let duration = |field: &str, text: Option<String>| -> Result<Option<Duration>, String> {
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| parse_duration(&text).map_err(|rule| format!("{at}.{field}: {text:?}: {rule}")))
            .transpose()
    };
    Ok(Endpoint {
        port,
        path: wire.path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/metrics".to_owned()),
        https: https(wire.scheme.as_deref()).map_err(|rule| format!("{at}.scheme: {rule}"))?,
        interval: duration("interval", wire.interval)?,
        timeout: duration("scrapeTimeout", wire.scrape_timeout)?,
        params: pairs(wire.params),
        honor_labels: wire.honor_labels,
        honor_timestamps: wire.honor_timestamps.unwrap_or(true),
        relabelings,
        metric_relabelings: chain(&format!("{at}.metricRelabelings"), wire.metric_relabelings)?,
    })
}

/// A field that would make the scrape another one, and that is not followed.
fn refused(endpoint: &Value) -> Option<(&'static str, &'static str)> {
    // Clients send empty ones for what is not set.
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let has = |pointer: &str| endpoint.pointer(pointer).is_some_and(|value| !is_empty(value));
    REFUSED.iter().find(|(field, _)| has(&format!("/{}", field.replace('.', "/")))).copied()
}

fn chain(at: &str, rules: Vec<RuleSpec>) -> Result<Chain, String> {
    if rules.len() > MOST_RULES {
        return Err(format!("{at}: more than {MOST_RULES} rules"));
    }
    Chain::new(rules).map_err(|(place, error)| format!("{at}[{place}]: {error}"))
}

fn https(scheme: Option<&str>) -> Result<bool, String> {
    match scheme.unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "http" => Ok(false),
        "https" => Ok(true),
        other => Err(format!("{other:?}: expected http or https")),
    }
}

fn pairs(params: BTreeMap<String, Vec<String>>) -> Vec<(String, String)> {
    params
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
        .collect()
}

impl WireNamespaces {
    fn reach(self) -> Reach {
        match self {
            Self { any: true, .. } => Reach::Any,
            Self { match_names, .. } if match_names.is_empty() => Reach::Own,
            Self { match_names, .. } => Reach::Named(match_names),
        }
    }
}

/// A name goes before a number, and both before `targetPort`, as the Prometheus Operator has it.
fn port(name: Option<String>, number: Option<u16>, target: Option<WirePort>) -> Option<Port> {
    let named = name.filter(|name| !name.is_empty()).map(Port::Named);
    let target = target.map(|target| match target {
        WirePort::Number(number) => Port::Container(number),
        WirePort::Name(name) => Port::ContainerNamed(name),
    });
    named.or(number.map(Port::Container)).or(target)
}

/// Without these fields the request would go another way, or without what it has to show.
const REFUSED: [(&str, &str); 7] = [
    ("proxyUrl", "targets are asked directly, never through a proxy"),
    ("oauth2", NO_CREDENTIALS),
    ("basicAuth", NO_CREDENTIALS),
    ("authorization", NO_CREDENTIALS),
    ("bearerTokenSecret.key", NO_CREDENTIALS),
    ("bearerTokenFile", NO_CREDENTIALS),
    ("tlsConfig", NO_CREDENTIALS),
];

const NO_CREDENTIALS: &str =
    "credentials of monitors are not read; the adapter's own are those of its --scrape-* flags";

const MOST_ENDPOINTS: usize = 64;
const MOST_RULES: usize = 200;
