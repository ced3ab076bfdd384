//! The ports of a pod that an endpoint of a monitor means.

use crate::{
    cluster::{Container, ContainerPort, Pod, Protocol, Service, ServicePort, TargetPort},
    monitor::{Endpoint, Port},
};

/// A port, and the way to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) number: u16,
    /// The container that declares it, if one does.
    pub(super) declared: Option<(&'a Container, &'a ContainerPort)>,
    /// The port of the Service that leads to it.
    pub(super) service: Option<(&'a Service, &'a ServicePort)>,
}

/// All of them, each once.
pub(super) fn find<'a>(pod: &'a Pod, endpoint: &Endpoint, service: Option<&'a Service>) -> Vec<Found<'a>> {
    let found = match service {
        None => declared(pod).filter(|found| is_meant(found.1, &endpoint.port)).map(of_pod).collect(),
        Some(service) => of_service(pod, endpoint, service),
    };
    let mut once: Vec<Found<'a>> = Vec::new();
    for port in found {
        if once.iter().all(|known| known.number != port.number) {
            once.push(port);
        }
    }
    once
}

fn of_pod<'a>(declared: (&'a Container, &'a ContainerPort)) -> Found<'a> {
    Found { number: declared.1.number, declared: Some(declared), service: None }
}

fn of_service<'a>(pod: &'a Pod, endpoint: &Endpoint, service: &'a Service) -> Vec<Found<'a>> {
    let ports = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    let led_to = ports.flat_map(|port| {
        behind(pod, port).into_iter().map(move |found| Found { service: Some((service, port)), ..found })
    });
    let is_meant = |found: &Found<'a>| match &endpoint.port {
        Port::Named(name) => found.service.is_some_and(|(_, port)| port.name.as_deref() == Some(name)),
        port => found.declared.is_some_and(|(_, declared)| is_meant(declared, port)),
    };
    led_to.filter(is_meant).collect()
}

/// The ports of the pod behind a port of a Service.
fn behind<'a>(pod: &'a Pod, port: &ServicePort) -> Vec<Found<'a>> {
    match &port.target {
        TargetPort::Number(number) => {
            let declared = declared(pod).find(|(_, declared)| declared.number == *number);
            vec![Found { number: *number, declared, service: None }]
        }
        TargetPort::Name(name) => {
            let named = declared(pod).filter(|(_, port)| port.name.as_ref() == Some(name));
            named.map(of_pod).collect()
        }
    }
}

fn is_meant(declared: &ContainerPort, port: &Port) -> bool {
    match port {
        Port::Container(number) => declared.number == *number,
        Port::Named(name) | Port::ContainerNamed(name) => declared.name.as_deref() == Some(name),
    }
}

fn declared(pod: &Pod) -> impl Iterator<Item = (&Container, &ContainerPort)> {
    let all =
        pod.containers.iter().flat_map(|container| container.ports.iter().map(move |port| (container, port)));
    all.filter(|(_, port)| port.protocol == Protocol::Tcp)
}
