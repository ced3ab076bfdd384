//! What the adapter makes Kubernetes Events of.

use std::sync::Arc;

use super::parts::Parts;
use crate::{
    cluster::Cluster,
    config::Config,
    events::{Events, Kind, Occurrence, Regarding},
    hpa::{Report, State},
    insight::Insight,
    model::Uid,
    scrape::{Scraper, TargetStatus},
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
        let refused = self.scraper.as_ref().map(Scraper::refused).unwrap_or_default();
        let refused = refused.into_iter().filter_map(|(uid, target)| of_target(uid, target));
        let reports = self.insight.reports();
        refused.chain(reports.iter().filter_map(|report| self.of_hpa(report))).collect()
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

fn of_target(uid: Uid, target: TargetStatus) -> Option<Occurrence> {
    let note = format!("it asks to be scraped and is not: {}", target.problems.first()?);
    let regarding = Regarding { kind: Kind::Pod, namespace: target.namespace, name: target.pod, uid };
    Some(Occurrence { regarding, reason: "ScrapeRefused", note })
}
