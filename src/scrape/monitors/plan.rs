//! From the monitors that mean a pod to its targets.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr, sync::Arc};

use http::uri::{PathAndQuery, Scheme};

use super::{
    View,
    labels::{ADDRESS, Candidate, PARAM, PATH, SCHEME},
    ports,
};
use crate::{
    cluster::{Pod, Service},
    monitor::{Endpoint, Monitor},
    relabel::{LabelMap, SeriesRules, TargetLabel},
    scrape::{
        ScrapeOptions,
        annotations::{self, Request},
        targets::{self, PodPlan, Refusal, Source},
    },
};

/// Plans what monitors ask of one pod; `None` if none means a port of it.
pub(in crate::scrape) fn plan(pod: &Pod, view: &View, options: &ScrapeOptions) -> Option<PodPlan> {
    let mut plan = PodPlan { is_terminating: pod.deletion.is_some(), ..PodPlan::default() };
    for (monitor, service) in view.of(pod) {
        let source = Arc::from(monitor.title());
        for endpoint in &monitor.endpoints {
            let meant = Meant { pod, monitor, endpoint, service, source: &source };
            meant.add_to(&mut plan, options);
        }
    }
    (!plan.targets.is_empty() || !plan.refusals.is_empty()).then_some(plan)
}

/// An endpoint of a monitor that means a pod.
struct Meant<'a> {
    pod: &'a Pod,
    monitor: &'a Monitor,
    endpoint: &'a Endpoint,
    service: Option<&'a Service>,
    source: &'a Arc<str>,
}

/// What a target is after its relabelling.
struct Relabelled {
    address: SocketAddr,
    scheme: Scheme,
    path: PathAndQuery,
    series: SeriesRules,
}

impl Meant<'_> {
    fn add_to(&self, plan: &mut PodPlan, options: &ScrapeOptions) {
        for found in ports::find(self.pod, self.endpoint, self.service) {
            let ip = match targets::eligible_ip(self.pod) {
                Ok(ip) => ip,
                Err(refusal) => return plan.refuse(refusal),
            };
            let address = SocketAddr::new(ip, found.number);
            let Self { pod, monitor, endpoint, .. } = *self;
            match (Candidate { pod, monitor, endpoint, found, address }).relabelled() {
                None => {}
                Some(Err(fault)) => plan.refuse(Refusal::Monitor { monitor: self.source.clone(), fault }),
                Some(Ok(relabelled)) => self.add(plan, relabelled, options),
            }
        }
    }

    fn add(&self, plan: &mut PodPlan, relabelled: Relabelled, options: &ScrapeOptions) {
        let Relabelled { address, scheme, path, series } = relabelled;
        let request = Request {
            ports: Vec::new(),
            scheme,
            path,
            times: annotations::times((self.endpoint.interval, self.endpoint.timeout), options),
            honor_timestamps: self.endpoint.honor_timestamps,
            series: Arc::new(series),
        };
        let (settings, errors) = annotations::requested(self.pod, request, options);
        errors.into_iter().for_each(|error| plan.refuse(Refusal::Annotation(error)));
        if plan.targets.len() >= MOST_TARGETS {
            let fault = format!("the pod has {MOST_TARGETS} targets, which is the limit");
            return plan.refuse(Refusal::Monitor { monitor: self.source.clone(), fault });
        }
        plan.add((self.pod, address), (&Arc::new(settings), Source::Monitor(self.source.clone())), options);
    }
}

impl Candidate<'_> {
    /// The target after the rules of its endpoint; `None` if they drop it.
    fn relabelled(&self) -> Option<Result<Relabelled, String>> {
        let usual = self.usual();
        let mut labels = self.discovered();
        labels.extend(usual.clone());
        labels.extend(self.asked_for());
        self.endpoint.relabelings.apply(&mut labels).then(|| self.taken(labels, usual))
    }

    fn taken(&self, mut labels: LabelMap, mut usual: LabelMap) -> Result<Relabelled, String> {
        let address = self.address(labels.get(ADDRESS).map_or("", String::as_str))?;
        let scheme = match labels.get(SCHEME).map(String::as_str) {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            other => return Err(format!("relabelings make the scheme {:?}", other.unwrap_or_default())),
        };
        let path = self.path(&labels)?;
        usual.insert("instance".to_owned(), address.to_string());
        labels.entry("instance".to_owned()).or_insert_with(|| address.to_string());
        let target: BTreeMap<String, TargetLabel> = labels
            .into_iter()
            .filter(|(name, value)| !name.starts_with("__") && !value.is_empty())
            .map(|(name, value)| {
                let is_wanted = usual.get(&name) != Some(&value);
                (name, TargetLabel { value, is_wanted })
            })
            .collect();
        let rules = self.endpoint.metric_relabelings.clone();
        Ok(Relabelled {
            address,
            scheme,
            path,
            series: SeriesRules::new(rules, self.endpoint.honor_labels, target),
        })
    }

    /// Rules may choose another port. Another host they may not: the adapter asks pods alone.
    fn address(&self, text: &str) -> Result<SocketAddr, String> {
        let address = SocketAddr::from_str(text).ok().filter(|address| address.port() > 0);
        let address =
            address.ok_or_else(|| format!("relabelings make the address {text:?}, not an IP and a port"))?;
        if address.ip() != self.address.ip() {
            return Err(format!("relabelings make the address {text}: only a pod's own IP is scraped"));
        }
        Ok(address)
    }

    fn path(&self, labels: &LabelMap) -> Result<PathAndQuery, String> {
        let path = labels.get(PATH).map_or("/", String::as_str);
        let path = annotations::path(path).map_err(|rule| format!("path {path:?}: {rule}"))?;
        let mut query = form_urlencoded::Serializer::new(path.query().unwrap_or_default().to_owned());
        let first = |name: &str| labels.get(&format!("{PARAM}{name}"));
        let mut asked: Vec<&str> = Vec::new();
        for (name, value) in &self.endpoint.params {
            match first(name).filter(|_| !asked.contains(&name.as_str())) {
                Some(first) => query.append_pair(name, first),
                None if asked.contains(&name.as_str()) => query.append_pair(name, value),
                None => continue,
            };
            asked.push(name);
        }
        for (label, value) in labels {
            if let Some(name) = label.strip_prefix(PARAM).filter(|name| !asked.contains(name)) {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let whole =
            if query.is_empty() { path.path().to_owned() } else { format!("{}?{query}", path.path()) };
        PathAndQuery::from_str(&whole).map_err(|error| format!("path {whole:?}: {error}"))
    }
}

/// Each takes a place among the scrapes under way.
const MOST_TARGETS: usize = 32;
