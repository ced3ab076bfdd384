//! Pods -> targets.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::uri::Scheme;
use jiff::Timestamp;

use super::{
    ScrapeOptions,
    annotations::{self, AnnotationError, PortName, Settings, Wish},
    monitors::{self, View},
};
use crate::{
    cluster::{ContainerPort, Pod, PodPhase, Protocol},
    model::{ObjectRef, Tenant},
};

/// What tells targets apart. Two pods on one host network share addresses but not UIDs; a pod of the same name with
/// a new UID is a new target.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TargetKey {
    /// The pod's UID.
    pub uid: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub https: bool,
    /// The path with its query.
    pub path: String,
}

/// A target.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetSpec {
    /// What tells it apart.
    pub key: TargetKey,
    /// The pod.
    pub object: ObjectRef,
    /// When the pod was created.
    pub created: Timestamp,
    /// When a container of the pod started last. A counter that falls then was reset.
    pub started: Option<Timestamp>,
    /// How it is scraped.
    pub settings: Arc<Settings>,
    /// Who asks for it.
    pub source: Source,
}

/// Who asks for a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The pod, by its annotations.
    Annotations,
    /// A monitor: `PodMonitor shop/web`.
    Monitor(Arc<str>),
}

/// What is to be scraped of one pod.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PodPlan {
    /// Its targets.
    pub targets: Vec<Arc<TargetSpec>>,
    /// Whether the targets keep their last values but are not scraped any more, because the pod is terminating.
    pub is_terminating: bool,
    /// Why it wants to be scraped but is not, or not as it wants.
    pub refusals: Vec<Refusal>,
}

/// Why a pod that wants to be scraped is not, or not as it wants.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// An annotation that cannot be read.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// A monitor whose endpoint cannot be followed for this pod.
    #[error("{monitor}: {fault}")]
    Monitor {
        /// `PodMonitor shop/web`.
        monitor: Arc<str>,
        /// Why.
        fault: String,
    },
    /// Its containers do not run yet, or any more.
    #[error("the pod is {0}, not running")]
    Phase(&'static str),
    /// It has no IP.
    #[error("the pod has no IP yet")]
    NoIp,
    /// An IP that no pod of a cluster has.
    #[error("{0} is not scraped: it is {1}")]
    Address(SocketAddr, &'static str),
    /// A port of a node that the pod does not say to be its own.
    #[error(
        "port {0} is not scraped: the pod is on its node's network, and no container declares it as a TCP port"
    )]
    NodePort(u16),
    /// No annotation, and the declared ports do not tell.
    #[error("annotation {annotation} is missing, and {found}")]
    NoPort {
        /// The annotation.
        annotation: String,
        /// What the pod declares.
        found: &'static str,
    },
    /// A port name that no container declares.
    #[error("no container declares a TCP port named {0:?}")]
    UnknownPort(String),
    /// There are too many targets already.
    #[error("there are {0} targets of older pods and smaller namespaces, which is the limit")]
    TargetLimit(usize),
    /// Its namespace has too many.
    #[error(
        "{tenant} has {limit} targets of older pods, and one namespace may have no more: take annotations off pods that \
         no HPA needs, or raise --scrape-max-targets or --namespace-share"
    )]
    TargetShare {
        /// Whose.
        tenant: Tenant,
        /// How many it may have.
        limit: usize,
    },
}

/// Plans the scrapes of one pod; `None` if it does not want to be scraped.
#[must_use]
pub fn plan(pod: &Pod, options: &ScrapeOptions) -> Option<PodPlan> {
    let (settings, errors) = match annotations::read(pod, options) {
        Wish::None => return None,
        Wish::Unreadable(errors) => (None, errors),
        Wish::Scrape(settings, errors) => (Some(Arc::new(*settings)), errors),
    };
    let refusals = errors.into_iter().map(Refusal::Annotation).collect();
    let mut plan = PodPlan { refusals, is_terminating: pod.deletion.is_some(), ..PodPlan::default() };
    let Some(settings) = settings else { return Some(plan) };
    match eligible_ip(pod) {
        Ok(ip) => plan.add_targets(pod, ip, &settings, options),
        Err(refusal) => plan.refusals.push(refusal),
    }
    Some(plan)
}

/// The same with what monitors ask for. What the pod asks for itself goes first.
pub(super) fn plan_all(pod: &Pod, view: &View, options: &ScrapeOptions) -> Option<PodPlan> {
    match (plan(pod, options), monitors::plan(pod, view, options)) {
        (Some(mut own), Some(monitored)) => {
            own.merge(monitored);
            Some(own)
        }
        (own, monitored) => own.or(monitored),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotations => f.write_str("annotations"),
            Self::Monitor(monitor) => f.write_str(monitor),
        }
    }
}

impl PodPlan {
    fn add_targets(&mut self, pod: &Pod, ip: IpAddr, settings: &Arc<Settings>, options: &ScrapeOptions) {
        let (ports, refusals) = ports(pod, settings, options);
        self.refusals.extend(refusals);
        for port in ports {
            self.add((pod, SocketAddr::new(ip, port)), (settings, Source::Annotations), options);
        }
    }

    /// Adds a target, unless its address may not be scraped, or it is there already.
    pub(super) fn add(
        &mut self,
        (pod, address): (&Pod, SocketAddr),
        (settings, source): (&Arc<Settings>, Source),
        options: &ScrapeOptions,
    ) {
        let port = address.port();
        match refused_address(address, options) {
            Some(rule) => self.refuse(Refusal::Address(address, rule)),
            None if is_foreign(pod, port) => self.refuse(Refusal::NodePort(port)),
            None => self.take(Arc::new(target(pod, address, (settings, source)))),
        }
    }

    /// Takes what another plan has that this one lacks.
    pub(super) fn merge(&mut self, other: Self) {
        other.targets.into_iter().for_each(|target| self.take(target));
        other.refusals.into_iter().for_each(|refusal| self.refuse(refusal));
    }

    /// Two targets of a port and path would count each of its series twice.
    fn take(&mut self, target: Arc<TargetSpec>) {
        if self.targets.iter().all(|known| !known.is_same_page(&target)) {
            self.targets.push(target);
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }
}

impl TargetSpec {
    /// What the store and the pages call it beside its pod: port, path and query.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}{}", self.key.address.port(), self.key.path)
    }

    /// Whether both are one page of one pod.
    fn is_same_page(&self, other: &Self) -> bool {
        (&self.key.uid, self.key.address, &self.key.path)
            == (&other.key.uid, other.key.address, &other.key.path)
    }

    /// The URL; IPv6 in brackets.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.key.https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.key.address, self.key.path)
    }

    /// How old the last good scrape may be before its values are served no more: a scrape may fail, or two late ones.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        let Settings { interval, timeout, max_age, .. } = &*self.settings;
        max_age.unwrap_or_else(|| interval.mul_f64(2.5).max(*interval + *timeout + Duration::from_secs(5)))
    }
}

fn target(pod: &Pod, address: SocketAddr, (settings, source): (&Arc<Settings>, Source)) -> TargetSpec {
    let key = TargetKey {
        uid: pod.live.uid.0.clone(),
        address,
        https: settings.scheme == Scheme::HTTPS,
        path: settings.path.as_str().to_owned(),
    };
    TargetSpec {
        key,
        object: pod.live.object.clone(),
        created: pod.live.created,
        started: last_start(pod),
        settings: settings.clone(),
        source,
    }
}

/// The pod's IP, if it may be scraped. Readiness is not asked for: an overloaded pod that fails its probe is just
/// when the HPA needs its values. The IP comes from the status only, which no user of the cluster writes.
pub(super) fn eligible_ip(pod: &Pod) -> Result<IpAddr, Refusal> {
    let phase = match pod.phase {
        PodPhase::Running => None,
        PodPhase::Pending => Some("pending"),
        PodPhase::Succeeded => Some("succeeded"),
        PodPhase::Failed => Some("failed"),
        PodPhase::Unknown => Some("in an unknown phase"),
    };
    match (phase, pod.ips.first()) {
        (Some(phase), _) => Err(Refusal::Phase(phase)),
        (None, None) => Err(Refusal::NoIp),
        (None, Some(ip)) => Ok(ip.to_canonical()),
    }
}

/// Why the adapter must not be made to send requests there, if so.
fn refused_address(address: SocketAddr, options: &ScrapeOptions) -> Option<&'static str> {
    let ip = address.ip();
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => is_link_local(ip),
    };
    match () {
        () if ip.is_loopback() && !options.allow_loopback => Some("a loopback address"),
        () if link_local => Some("a link-local address"),
        () if ip.is_unspecified() => Some("the unspecified address"),
        () if ip.is_multicast() => Some("a multicast address"),
        () if options.refused_addresses.contains(&address) => Some("an address that is never scraped"),
        () => None,
    }
}

/// Whether a port of a node may be that of another process: kubelet, kube-apiserver, etcd. A pod's annotations may be
/// changed by whoever may patch it; the ports that it declares are fixed by whoever was allowed to put it on its node's
/// network.
fn is_foreign(pod: &Pod, port: u16) -> bool {
    pod.host_network && tcp_ports(pod).all(|declared| declared.number != port)
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
}

fn ports(pod: &Pod, settings: &Settings, options: &ScrapeOptions) -> (Vec<u16>, Vec<Refusal>) {
    if settings.ports.is_empty() {
        return match default_port(pod) {
            Ok(port) => (vec![port], Vec::new()),
            Err(found) => {
                let annotation = format!("{}/port", options.annotation_prefix);
                (Vec::new(), vec![Refusal::NoPort { annotation, found }])
            }
        };
    }
    let mut numbers = Vec::new();
    let mut refusals = Vec::new();
    for port in &settings.ports {
        match number(pod, port) {
            Ok(number) if numbers.contains(&number) => {}
            Ok(number) => numbers.push(number),
            Err(refusal) => refusals.push(refusal),
        }
    }
    (numbers, refusals)
}

fn number(pod: &Pod, port: &PortName) -> Result<u16, Refusal> {
    match port {
        PortName::Number(number) => Ok(*number),
        PortName::Name(name) => tcp_ports(pod)
            .find(|declared| declared.name.as_deref() == Some(name))
            .map(|declared| declared.number)
            .ok_or_else(|| Refusal::UnknownPort(name.clone())),
    }
}

/// A declared port whose name says that it is for metrics, else the only one. Prometheus would scrape each declared
/// port: false errors, and sums that count twice.
fn default_port(pod: &Pod) -> Result<u16, &'static str> {
    for name in ["metrics", "http-metrics"] {
        if let Some(port) = tcp_ports(pod).find(|port| port.name.as_deref() == Some(name)) {
            return Ok(port.number);
        }
    }
    let starts_with_prom =
        |port: &&ContainerPort| port.name.as_deref().is_some_and(|name| name.starts_with("prom"));
    if let Some(port) = tcp_ports(pod).find(starts_with_prom) {
        return Ok(port.number);
    }
    let mut numbers: Vec<u16> = tcp_ports(pod).map(|port| port.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [only] => Ok(*only),
        [] => Err("no container declares a TCP port"),
        _ => Err("the pod declares several TCP ports, none of them named metrics, http-metrics or prom*"),
    }
}

fn tcp_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let ports = pod.containers.iter().flat_map(|container| &container.ports);
    ports.filter(|port| port.protocol == Protocol::Tcp)
}

/// When the last of the pod's containers started. Which of them answers is not known for sure, and a start does nothing
/// but explain a fall.
fn last_start(pod: &Pod) -> Option<Timestamp> {
    pod.containers.iter().filter_map(|container| container.started).max()
}

#[cfg(test)]
mod tests;
