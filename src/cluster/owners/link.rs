//! Where a Service, an Ingress, a route or an EndpointSlice leads to, out of the few fields of it that say so.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::{
    cluster::{Protocol, ServicePort, TargetPort},
    model::{GroupResource, Selector},
};

/// What an object that is no controller leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cluster) enum Link {
    /// A Service: the pods that its selector matches; without one those that its EndpointSlices name. And its ports.
    Pods(Option<Selector>, Vec<ServicePort>),
    /// An Ingress or a route.
    Services(Vec<Backend>),
    /// An EndpointSlice: pods of its namespace by name.
    Named(Vec<Arc<str>>),
}

/// A Service that an Ingress or a route leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::cluster) struct Backend {
    pub(in crate::cluster) service: Arc<str>,
    /// Another namespace than that of the route.
    pub(in crate::cluster) namespace: Option<Arc<str>>,
}

/// The resources that lead to pods or to Services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cluster) enum LinkKind {
    Service,
    Ingress,
    Route,
    EndpointSlice,
}

impl LinkKind {
    /// `None` for resources of which metadata is enough.
    pub(in crate::cluster) fn of(resource: &GroupResource) -> Option<Self> {
        Some(match (&*resource.group, &*resource.resource) {
            ("", "services") => Self::Service,
            ("networking.k8s.io", "ingresses") => Self::Ingress,
            ("gateway.networking.k8s.io", "httproutes" | "grpcroutes") => Self::Route,
            ("discovery.k8s.io", "endpointslices") => Self::EndpointSlice,
            _ => return None,
        })
    }
}

/// What says where an object leads to; all else is skipped by the parser.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cluster) struct WireLink {
    pub(in crate::cluster) spec: Option<WireLinkSpec>,
    pub(in crate::cluster) endpoints: Option<Vec<WireEndpoint>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct WireLinkSpec {
    selector: Option<BTreeMap<String, String>>,
    default_backend: Option<WireBackend>,
    rules: Option<Vec<WireRule>>,
    ports: Option<Vec<WireServicePort>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireServicePort {
    name: Option<String>,
    protocol: Option<String>,
    port: i64,
    target_port: Option<WireTargetPort>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum WireTargetPort {
    Number(i64),
    Name(String),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireRule {
    http: Option<WireHttp>,
    backend_refs: Option<Vec<WireReference>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireHttp {
    paths: Option<Vec<WirePath>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WirePath {
    backend: Option<WireBackend>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireBackend {
    service: Option<WireReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireReference {
    group: Option<String>,
    kind: Option<String>,
    name: String,
    namespace: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct WireEndpoint {
    target_ref: Option<WireReference>,
}

impl WireLink {
    /// Where an object of this kind in `namespace` leads to.
    pub(in crate::cluster) fn link(self, kind: LinkKind, namespace: &str) -> Link {
        let spec = self.spec.unwrap_or_default();
        match kind {
            LinkKind::Service => {
                let ports = spec.ports.into_iter().flatten().filter_map(WireServicePort::port).collect();
                Link::Pods(selector(spec.selector.unwrap_or_default()), ports)
            }
            LinkKind::Ingress | LinkKind::Route => Link::Services(backends(spec, namespace)),
            LinkKind::EndpointSlice => {
                let endpoints = self.endpoints.into_iter().flatten();
                let pods = endpoints.filter_map(|endpoint| endpoint.target_ref).filter(|target| {
                    target.kind.as_deref() == Some("Pod")
                        && target.namespace.as_deref().is_none_or(|other| other == namespace)
                });
                Link::Named(pods.map(|pod| pod.name.into()).collect())
            }
        }
    }
}

impl WireServicePort {
    fn port(self) -> Option<ServicePort> {
        let number = |number: i64| u16::try_from(number).ok().filter(|number| *number > 0);
        let target = match self.target_port {
            Some(WireTargetPort::Name(name)) => TargetPort::Name(name.into()),
            Some(WireTargetPort::Number(target)) => TargetPort::Number(number(target).or(number(self.port))?),
            None => TargetPort::Number(number(self.port)?),
        };
        let protocol = Protocol::named(self.protocol.as_deref())?;
        Some(ServicePort { name: self.name.map(Into::into), protocol, target })
    }
}

/// `None` for a Service without one.
fn selector(labels: BTreeMap<String, String>) -> Option<Selector> {
    let text: Vec<String> = labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    if text.is_empty() { None } else { Selector::parse(&text.join(",")).ok() }
}

/// The Services of all rules, each once.
fn backends(spec: WireLinkSpec, namespace: &str) -> Vec<Backend> {
    let rules = spec.rules.into_iter().flatten();
    let named = rules.flat_map(|rule| {
        let paths = rule.http.and_then(|http| http.paths).unwrap_or_default();
        let of_ingress = paths.into_iter().filter_map(|path| path.backend?.service);
        of_ingress.chain(rule.backend_refs.unwrap_or_default()).collect::<Vec<_>>()
    });
    let default = spec.default_backend.and_then(|backend| backend.service);
    let mut backends: Vec<Backend> = named
        .chain(default)
        .filter(WireReference::is_service)
        .map(|reference| Backend {
            service: reference.name.into(),
            namespace: reference.namespace.filter(|other| other != namespace).map(Into::into),
        })
        .collect();
    backends.sort();
    backends.dedup();
    backends
}

impl WireReference {
    fn is_service(&self) -> bool {
        self.group.as_deref().unwrap_or_default().is_empty()
            && self.kind.as_deref().is_none_or(|kind| kind == "Service")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn link(kind: LinkKind, object: Value) -> Link {
        serde_json::from_value::<WireLink>(object).unwrap().link(kind, "shop")
    }

    fn services(names: &[&str]) -> Link {
        let backend = |name: &&str| Backend { service: (*name).into(), namespace: None };
        Link::Services(names.iter().map(backend).collect())
    }

    #[test]
    fn a_service_leads_to_the_pods_of_its_selector_or_of_its_endpoint_slices() {
        let selected =
            json!({"spec": {"selector": {"app": "web", "tier": "front"}, "ports": [{"port": 80}]}});
        let selector = Selector::parse("app=web,tier=front").unwrap();
        let port = ServicePort { name: None, protocol: Protocol::Tcp, target: TargetPort::Number(80) };
        assert_eq!(link(LinkKind::Service, selected), Link::Pods(Some(selector), vec![port]));
        for without in [json!({"spec": {"selector": {}}}), json!({"spec": {}}), json!({})] {
            assert_eq!(link(LinkKind::Service, without), Link::Pods(None, Vec::new()));
        }
    }

    #[test]
    fn a_port_of_a_service_leads_to_a_port_of_its_pods_by_number_or_name() {
        let ports = json!([
            {"name": "web", "port": 80, "targetPort": 8080}, {"name": "named", "port": 81, "targetPort": "metrics"},
            {"name": "same", "port": 82}, {"name": "dns", "protocol": "UDP", "port": 53}, {"port": 0},
        ]);
        let Link::Pods(_, ports) = link(LinkKind::Service, json!({"spec": {"ports": ports}})) else {
            panic!()
        };
        let targets: Vec<&TargetPort> = ports.iter().map(|port| &port.target).collect();
        let number = TargetPort::Number;
        assert_eq!(targets, [&number(8080), &TargetPort::Name("metrics".into()), &number(82), &number(53)]);
        assert_eq!(ports[3].protocol, Protocol::Udp);
    }

    #[test]
    fn an_ingress_and_a_route_lead_to_each_of_their_services_once() {
        let path =
            |name: &str| json!({"path": "/", "backend": {"service": {"name": name, "port": {"number": 80}}}});
        let ingress = json!({"spec": {
            "defaultBackend": {"service": {"name": "fallback"}},
            "rules": [
                {"host": "a", "http": {"paths": [path("web"), path("api")]}},
                {"host": "b", "http": {"paths": [path("web")]}},
                {"host": "c", "http": {"paths": [{"backend": {"resource": {"kind": "Bucket", "name": "b"}}}]}},
                {"host": "d"},
            ],
        }});
        assert_eq!(link(LinkKind::Ingress, ingress), services(&["api", "fallback", "web"]));
        let route = json!({"spec": {"rules": [
            {"backendRefs": [{"name": "web", "port": 80, "weight": 9}, {"name": "canary", "kind": "Service", "group": ""}]},
            {"backendRefs": [{"name": "pool", "kind": "InferencePool", "group": "inference.networking.k8s.io"}]},
            {"matches": []},
        ]}});
        assert_eq!(link(LinkKind::Route, route), services(&["canary", "web"]));
    }

    #[test]
    fn a_backend_in_another_namespace_is_told_apart() {
        let reference = |namespace: &str| json!({"spec": {"rules": [{"backendRefs": [{"name": "web", "namespace": namespace}]}]}});
        assert_eq!(link(LinkKind::Route, reference("shop")), services(&["web"]));
        let foreign = Backend { service: "web".into(), namespace: Some("bank".into()) };
        assert_eq!(link(LinkKind::Route, reference("bank")), Link::Services(vec![foreign]));
    }

    #[test]
    fn an_endpoint_slice_names_pods_of_its_own_namespace_alone() {
        let target = |kind: &str, namespace: &str, name: &str| json!({"targetRef": {"kind": kind, "namespace": namespace, "name": name}});
        let slice = json!({"endpoints": [
            target("Pod", "shop", "web-0"), target("Pod", "bank", "vault-0"), target("Node", "shop", "n"),
            {"addresses": ["192.0.2.1"]},
        ]});
        assert_eq!(link(LinkKind::EndpointSlice, slice), Link::Named(vec!["web-0".into()]));
    }
}
