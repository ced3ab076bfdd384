//! Readiness waits for the first scrapes where another replica serves meanwhile.

use ::std::sync::Arc;

use super::{parts::Parts, std};
use crate::{cluster::Lookups, config::Config, scrape::Scraper, warming::Warming};

/// Ends once the replica is warm, or need not be.
pub(super) fn up(config: &Config, parts: &Parts, scraper: Scraper) -> impl Future<Output = ()> + use<> {
    let (lookups, cluster) = (parts.cluster.client().map(Lookups::new), parts.cluster.clone());
    let warming = parts.readiness.warming();
    let service = (config.tls.service_namespace.clone(), config.tls.service_name.clone());
    // The name of a pod is its host's.
    let asked = Arc::new((lookups, service, ::std::env::var("HOSTNAME").unwrap_or_default()));
    let others = move || others_serve(asked.clone());
    let are_known =
        move || cluster.checks().iter().all(|check| check.failure.is_none()) && cluster.knows_monitors();
    let cold = move || are_known().then(|| scraper.cold());
    let finished = Warming { others, cold, wait: std(config.scrape.wait_for_scrapes) };
    async move {
        finished.finish(|reason| drop(warming.send_replace(Some(reason)))).await;
        warming.send_replace(None);
    }
}

type Asked = (Option<Lookups>, (String, String), String);

async fn others_serve(asked: Arc<Asked>) -> Result<bool, String> {
    let (Some(lookups), (namespace, service), own) = &*asked else { return Ok(false) };
    lookups.others_serve((namespace, service), own).await.map_err(|error| error.message)
}
