//! What the adapter makes Kubernetes Events of.

use std::sync::Arc;

use super::parts::Parts;
use crate::{
    cluster::Cluster,
    config::Config,
    events::{Events, Kind, Occurrence, Regarding},
    hpa::{Report, State},
    insight::Insight,
    model::{GroupResource, ObjectRef, Presence, Uid},
    scrape::{Health, Scraper, TargetStatus},
};

/// What is looked at.
#[derive(Clone)]
struct Watched {
    cluster: Cluster,
    insight: Insight,
    scraper: Option<Scraper>,
}

/// Makes Events for ever; without a cluster, or with `--events=false`, none.
pub(super) fn watch(config: &Config, parts: &Parts) -> impl Future<Output = ()> + use<> {
    let client = parts.cluster.client().filter(|_| config.kubernetes.events);
    let (cluster, insight) = (parts.cluster.clone(), parts.insight.clone());
    let watched = Arc::new(Watched { cluster, insight, scraper: parts.scraper.clone() });
    async move {
        let Some(client) = client else { return };
        Events::new(client).run(|| look(watched.clone())).await;
    }
}

/// With many targets it takes a while, which no answer to an HPA should wait for.
async fn look(watched: Arc<Watched>) -> Vec<Occurrence> {
    tokio::task::spawn_blocking(move || watched.occurrences()).await.unwrap_or_default()
}

impl Watched {
    fn occurrences(&self) -> Vec<Occurrence> {
        let targets = self.scraper.as_ref().map(Scraper::targets).unwrap_or_default();
        let refused = targets.iter().filter_map(|target| self.of_target(target));
        let reports = self.insight.reports();
        refused.chain(reports.iter().filter_map(|report| self.of_hpa(report))).collect()
    }

    fn of_target(&self, target: &TargetStatus) -> Option<Occurrence> {
        let note = target.problems.first().filter(|_| target.health == Health::Refused)?;
        let regarding = Regarding {
            kind: Kind::Pod,
            namespace: target.namespace.clone(),
            name: target.pod.clone(),
            uid: self.uid(&pod(target))?,
        };
        Some(Occurrence {
            regarding,
            reason: "ScrapeRefused",
            note: format!("it asks to be scraped and is not: {note}"),
        })
    }

    fn uid(&self, pod: &ObjectRef) -> Option<Uid> {
        match self.cluster.presence(pod) {
            Presence::Live(live) => Some(live.uid.clone()),
            Presence::Absent | Presence::Unknown => None,
        }
    }

    fn of_hpa(&self, report: &Report) -> Option<Occurrence> {
        if !report.cause?.is_seen_here_alone() {
            return None;
        }
        let reason = match report.state {
            State::PartlyBlind => "MetricOfSomePodsMissing",
            State::Unknown => "MetricMissing",
            _ => return None,
        };
        let hpa = self.cluster.hpa(&report.namespace, &report.name)?;
        let regarding = Regarding {
            kind: Kind::HorizontalPodAutoscaler,
            namespace: hpa.namespace.clone(),
            name: hpa.name.clone(),
            uid: hpa.uid.clone()?,
        };
        let fix = report.fix.as_ref().map(|fix| format!("; to mend it: {fix}")).unwrap_or_default();
        Some(Occurrence { regarding, reason, note: format!("{}{fix}", report.reason) })
    }
}

fn pod(target: &TargetStatus) -> ObjectRef {
    let TargetStatus { namespace, pod, .. } = target;
    ObjectRef {
        resource: GroupResource::pods(),
        namespace: Some(namespace.as_str().into()),
        name: pod.as_str().into(),
    }
}
