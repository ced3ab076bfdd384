//! Logs when a limit begins to refuse something, and when it has refused nothing for a minute.

use std::time::Duration;

use tokio::time::{Instant, interval};

use super::metrics::{Listeners, Metrics};
use crate::{notice::Incident, serve::ConnectionCounters};

/// Every limit that refuses requests or connections.
pub struct Limits(Vec<Limit>);

struct Limit {
    name: &'static str,
    effect: &'static str,
    remedy: &'static str,
    /// How many it has refused since the start.
    refused: Box<dyn Fn() -> u64 + Send>,
    seen: u64,
    /// When it last refused something, and how many it had refused before it began to.
    biting: Option<(Instant, u64)>,
    incident: Incident,
}

impl Limits {
    /// The limits of the API, the write port and the three listeners.
    #[must_use]
    pub fn new(metrics: &Metrics, listeners: &Listeners) -> Self {
        let (api, write, full) = (metrics.api.clone(), metrics.write.clone(), metrics.write.clone());
        let mut limits = vec![
            Limit::new("reads in flight", "requests of the API are answered 429", READS, move || {
                api.refused()
            }),
            Limit::new("writes in flight", "writes are answered 429", WRITES, move || write.refused()),
            Limit::new("series", "writes are answered 507", SERIES, move || full.full()),
        ];
        for (all, one, counters) in [
            (
                "connections to the secure port",
                "connections of one address to the secure port",
                &listeners.secure,
            ),
            (
                "connections to the write port",
                "connections of one address to the write port",
                &listeners.write,
            ),
            (
                "connections to the admin port",
                "connections of one address to the admin port",
                &listeners.admin,
            ),
        ] {
            let counters: [std::sync::Arc<ConnectionCounters>; 2] = [counters.clone(), counters.clone()];
            let [cap, client_cap] = counters;
            limits.push(Limit::new(all, CLOSED, CONNECTIONS, move || cap.refused.get()));
            limits.push(Limit::new(one, CLOSED, CLIENT, move || client_cap.refused_client.get()));
        }
        Self(limits)
    }

    /// Looks every few seconds, for ever.
    pub async fn watch(mut self) {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            self.0.iter_mut().for_each(Limit::look);
        }
    }
}

impl Limit {
    fn new(
        name: &'static str,
        effect: &'static str,
        remedy: &'static str,
        refused: impl Fn() -> u64 + Send + 'static,
    ) -> Self {
        let refused = Box::new(refused);
        Self { name, effect, remedy, refused, seen: 0, biting: None, incident: Incident::default() }
    }

    fn look(&mut self) {
        let refused = (self.refused)();
        let before = std::mem::replace(&mut self.seen, refused);
        if refused > before {
            let since = self.biting.map_or(before, |(_, since)| since);
            self.biting = Some((Instant::now(), since));
            if self.incident.fails("limit") {
                let (limit, effect, remedy) = (self.name, self.effect, self.remedy);
                tracing::warn!(limit, refused = refused - since, effect, remedy, "limit reached");
            }
        } else if let Some((last, since)) = self.biting.filter(|(last, _)| last.elapsed() >= QUIET) {
            self.biting = None;
            if let Some(bitten) = self.incident.works() {
                let (limit, seconds) = (self.name, bitten.saturating_sub(last.elapsed()).as_secs());
                tracing::info!(limit, refused = refused - since, seconds, "limit no longer reached");
            }
        }
    }
}

const READS: &str = "raise --max-requests-inflight, or find out who asks so much";
const WRITES: &str = "write in batches, or raise --max-writes-inflight";
const SERIES: &str =
    "look for labels without bound at /series; else raise --max-series or --max-series-per-object";
const CLOSED: &str = "connections are closed unanswered";
const CONNECTIONS: &str = "let clients reuse and close connections; else raise --max-connections";
const CLIENT: &str = "one address has its share; raise --max-connections-per-client if it is a proxy";

const LOOK: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_bites_from_the_first_refusal_to_a_minute_without_one() {
        let counter = Arc::new(AtomicU64::new(0));
        let reader = counter.clone();
        let mut limit = Limit::new("series", "", "", move || reader.load(Ordering::Relaxed));
        limit.look();
        assert!(limit.biting.is_none());
        for _ in 0..40 {
            counter.fetch_add(3, Ordering::Relaxed);
            tokio::time::advance(LOOK).await;
            limit.look();
            assert!(limit.biting.is_some());
        }
        tokio::time::advance(QUIET - LOOK).await;
        limit.look();
        assert_eq!(limit.biting.map(|(_, since)| since), Some(0));
        tokio::time::advance(LOOK).await;
        limit.look();
        assert!(limit.biting.is_none());
    }
}
