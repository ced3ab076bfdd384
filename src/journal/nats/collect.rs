//! Records that nobody serves leave the stream: those of objects that have gone, whose values have no ttl.
//!
//! A replica ends the values of a deleted object by itself, and writes nothing for it. So now and then each looks through the
//! stream for old records whose series it does not hold, and replaces them with tombstones that end soon.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{Context, Message};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::{
    Shared, consume,
    publish::{self, Published},
};
use crate::{
    journal::record::{self, Place, Received, Recorded},
    store::Store,
};

/// When records of ended values are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    /// How often a replica looks.
    pub every: Duration,
    /// How old a record has to be: longer than a replica that starts takes to learn which objects there are.
    pub age: SignedDuration,
}

impl Default for Collection {
    fn default() -> Self {
        Self { every: Duration::from_secs(3_600), age: SignedDuration::from_mins(15) }
    }
}

/// The task that looks.
pub(super) struct Collector {
    pub(super) context: Context,
    pub(super) collection: Collection,
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
}

impl Collector {
    /// Looks for ever.
    pub(super) async fn run(self) {
        loop {
            // Not all replicas at once: the first leaves nothing to the others.
            sleep(self.collection.every.mul_f64(0.75 + 0.5 * chance())).await;
            match self.collect().await {
                Ok(0) => {}
                Ok(dropped) => tracing::debug!(dropped, "records of ended values left the journal"),
                Err(error) => tracing::debug!(error, "records of ended values stay in the journal for now"),
            }
        }
    }

    async fn collect(&self) -> Result<usize, String> {
        if !self.is_current() {
            return Err("this replica may not have all values".to_owned());
        }
        let stream = self.context.get_stream(&self.shared.stream).await.map_err(|error| error.to_string())?;
        let end = stream.cached_info().state.last_sequence;
        let mut messages = consume::from(&stream, 1).await?;
        let mut dropped = 0;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| error.to_string())?;
            let sequence = message.info().map_err(|error| error.to_string())?.stream_sequence;
            if let Some(place) = self.ended(&message) {
                dropped += usize::from(self.drop(&message, place, sequence).await?);
            }
            // A pulse stands at the end, if nothing else does.
            if sequence >= end {
                break;
            }
        }
        Ok(dropped)
    }

    fn is_current(&self) -> bool {
        let current = self.shared.pulse.current();
        current.is_some_and(|current| Timestamp::now().duration_since(current) < CURRENT)
    }

    /// The series of an old record that is not held.
    fn ended(&self, message: &Message) -> Option<Place> {
        let published = message.info().ok()?.published.unix_timestamp_nanos();
        let age = Timestamp::now().duration_since(Timestamp::from_nanosecond(published).ok()?);
        if age < self.collection.age || self.shared.is_pulse(&message.subject) {
            return None;
        }
        match record::decode_change(&message.payload).ok()? {
            Recorded::Put(Received { write, .. }) if !self.store.holds(&write) => {
                Some(Place { subject: write.subject, metric: write.metric, labels: write.labels })
            }
            Recorded::Put(_) | Recorded::Removed(_) => None,
        }
    }

    /// Whether it was still the newest of its series.
    async fn drop(&self, message: &Message, place: Place, sequence: u64) -> Result<bool, String> {
        let tombstone = publish::Message {
            subject: message.subject.to_string(),
            payload: record::encode_removed(&place).into(),
            ttl: Some(TTL),
            replaces: Some(sequence),
        };
        match self.shared.publisher.publish(vec![tombstone]).await {
            Ok(published) => Ok(published != Published::Overtaken),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// From nought to one.
fn chance() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Each pulse makes a replica current.
const CURRENT: SignedDuration = SignedDuration::from_secs(15);

/// Replicas end the values by themselves, so that the tombstone need not be found.
const TTL: Duration = Duration::from_secs(60);
