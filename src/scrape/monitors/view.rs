//! The monitors as the pods of each namespace meet them, so that a pod is compared with few of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Across, Monitored};
use crate::{
    cluster::{Pod, Service},
    monitor::{Monitor, MonitorKind, Reach},
};

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::scrape) struct View {
    /// PodMonitors that look into every namespace.
    everywhere: Vec<Arc<Monitor>>,
    namespaces: BTreeMap<String, Local>,
    /// Monitors that would look into other namespaces and may not.
    barred: BTreeSet<String>,
}

/// Those of one namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Local {
    monitors: Vec<Arc<Monitor>>,
    services: Vec<Selected>,
}

/// A Service with the monitors that select it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Selected {
    service: Arc<Service>,
    monitors: Vec<Arc<Monitor>>,
}

impl View {
    pub(in crate::scrape) fn new(monitored: &Monitored, across: &Across) -> Self {
        let mut view = Self::default();
        let mut monitors = monitored.monitors.clone();
        monitors.sort_by(|a, b| (a.kind, &a.namespace, &a.name).cmp(&(b.kind, &b.namespace, &b.name)));
        let is_barred =
            |monitor: &&Arc<Monitor>| monitor.looks_elsewhere() && !across.allows(&monitor.namespace);
        view.barred = monitors.iter().filter(is_barred).map(|monitor| monitor.title()).collect();
        let of = |kind| monitors.iter().filter(move |monitor| monitor.kind == kind);
        for monitor in of(MonitorKind::Pod) {
            view.add(monitor, across.allows(&monitor.namespace));
        }
        for service in &monitored.services {
            view.add_service(service, of(MonitorKind::Service), across);
        }
        view
    }

    /// Whether pods of `namespace` meet other monitors than in `other`.
    pub(in crate::scrape) fn differs(&self, other: &Self, namespace: &str) -> bool {
        self.everywhere != other.everywhere
            || self.namespaces.get(namespace) != other.namespaces.get(namespace)
    }

    /// The monitors that may not look where they would, and that did not in `before`.
    pub(in crate::scrape) fn newly_barred<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        self.barred.difference(&before.barred).map(String::as_str)
    }

    /// The monitors that mean `pod`, each with the Service by which it does; in an order that does not change.
    pub(super) fn of<'a>(
        &'a self,
        pod: &'a Pod,
    ) -> impl Iterator<Item = (&'a Arc<Monitor>, Option<&'a Service>)> {
        let namespace = pod.live.object.namespace.as_deref().unwrap_or_default();
        let local = self.namespaces.get(namespace);
        let monitors = local.into_iter().flat_map(|local| &local.monitors).chain(&self.everywhere);
        let meant = monitors.filter(|monitor| monitor.selector.matches(&pod.live.labels));
        let services = local.into_iter().flat_map(|local| &local.services);
        let before = services.filter(|selected| selected.service.selector.matches(&pod.live.labels));
        let by_service = before
            .flat_map(|selected| selected.monitors.iter().map(|monitor| (monitor, Some(&*selected.service))));
        meant.map(|monitor| (monitor, None)).chain(by_service)
    }

    fn add(&mut self, monitor: &Arc<Monitor>, may_cross: bool) {
        let mut local = |namespace: &str| {
            self.namespaces.entry(namespace.to_owned()).or_default().monitors.push(monitor.clone());
        };
        match &monitor.reach {
            Reach::Any if may_cross => self.everywhere.push(monitor.clone()),
            Reach::Named(names) if may_cross => names.iter().for_each(|name| local(name)),
            _ if monitor.looks_into(&monitor.namespace) => local(&monitor.namespace),
            _ => {}
        }
    }

    fn add_service<'a>(
        &mut self,
        service: &Arc<Service>,
        monitors: impl Iterator<Item = &'a Arc<Monitor>>,
        across: &Across,
    ) {
        let namespace = service.live.object.namespace.as_deref().unwrap_or_default();
        let looks = |monitor: &Monitor| {
            monitor.looks_into(namespace)
                && (monitor.namespace == namespace || across.allows(&monitor.namespace))
        };
        let selecting =
            monitors.filter(|monitor| looks(monitor) && monitor.selector.matches(&service.live.labels));
        let monitors: Vec<Arc<Monitor>> = selecting.cloned().collect();
        if !monitors.is_empty() {
            let selected = Selected { service: service.clone(), monitors };
            self.namespaces.entry(namespace.to_owned()).or_default().services.push(selected);
        }
    }
}
