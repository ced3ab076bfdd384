//! The follower: applies every record of the stream in its order, from wherever it was.
//!
//! A consumer lives on one server and ends with it. A new one begins behind the last record that has come, so nothing is
//! missed and nothing comes twice.

use std::{
    collections::{BTreeSet, HashSet},
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{
    header::{NATS_BATCH_COMMIT, NATS_BATCH_ID, NATS_BATCH_SEQUENCE},
    jetstream::{Context, Message, consumer::pull, stream::Info},
};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::{
    Load, NatsOptions, Shared,
    apply::apply,
    consume,
    grouped::{Group, Grouping, Part, Piece},
    held::Held,
    pulse::Pulse,
    stream::{self, StreamError},
};
use crate::{
    journal::record::{self, Recorded},
    model::GroupResource,
    store::Store,
};

/// Why a consumer is given up.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("{0}")]
    Consumer(String),
    #[error("the server that this replica follows has stalled")]
    Stalled,
    #[error("a record is missing between those that were delivered")]
    Hole,
}

/// The one task that applies records.
pub(super) struct Follower {
    context: Context,
    options: NatsOptions,
    shared: Arc<Shared>,
    store: Store,
    /// Behind the last record that has come.
    next: u64,
    /// When the stream was made, in nanoseconds since 1970: a stream made anew counts from one again.
    created: Option<i128>,
    grouping: Grouping<Recorded>,
    held: Held<Recorded>,
    replay: Option<Replay>,
}

/// A reading of the whole stream.
struct Replay {
    /// The pulse that ends it.
    until: u64,
    /// The series that have come, where older values may be left over.
    seen: Option<HashSet<Arc<str>>>,
}

impl Follower {
    pub(super) fn new(context: Context, options: NatsOptions, shared: Arc<Shared>, store: Store) -> Self {
        let (grouping, held) = Default::default();
        Self { context, options, shared, store, next: 1, created: None, grouping, held, replay: None }
    }

    /// Follows for ever.
    pub(super) async fn run(mut self) {
        loop {
            let Err(error) = self.follow().await;
            if let FollowError::Stream(StreamError::Unfit(unfit)) = error {
                self.shared.failed(&unfit.to_string());
                self.shared.loaded.send_if_modified(|load| load.refuse(unfit));
                sleep(RETRY_UNFIT).await;
            } else {
                tracing::debug!(%error, next = self.next, "the journal is followed anew");
                sleep(RETRY).await;
            }
        }
    }

    async fn follow(&mut self) -> Result<Infallible, FollowError> {
        let stream = stream::ensure(&self.context, &self.options).await?;
        self.look_at(stream.cached_info());
        let messages = consume::from(&stream, self.next).await.map_err(FollowError::Consumer)?;
        let mut chunks = messages.ready_chunks(consume::CHUNK);
        let (shared, mut consumed) = (self.shared.clone(), 0);
        let stalled = shared.pulse.stalled();
        tokio::pin!(stalled);
        loop {
            tokio::select! {
                chunk = chunks.next() => match chunk {
                    Some(chunk) => self.take_chunk(chunk, &mut consumed)?,
                    None => return Err(FollowError::Consumer("the consumer has ended".to_owned())),
                },
                () = &mut stalled => return Err(FollowError::Stalled),
            }
        }
    }

    /// Begins a replay at the first look, and where records may have gone that this replica still has.
    fn look_at(&mut self, info: &Info) {
        self.shared.bytes.store(info.state.bytes, Ordering::Relaxed);
        let created = info.created.unix_timestamp_nanos();
        let is_anew = self.created.is_some_and(|before| before != created)
            || info.state.last_sequence.saturating_add(1) < self.next;
        if self.created.is_none() {
            self.replay(None);
        } else if is_anew {
            tracing::error!(
                stream = self.options.stream,
                "the journal's stream was made anew: written values that it does not have end"
            );
            self.resync();
        } else if self.was_away_too_long() {
            tracing::warn!(
                "the journal was away for so long that removals may have been missed: it is read anew"
            );
            self.resync();
        }
        self.created = Some(created);
    }

    fn was_away_too_long(&self) -> bool {
        let current = self.shared.pulse.current();
        current.is_some_and(|current| Timestamp::now().duration_since(current) > REMOVALS_MISSED)
    }

    fn resync(&mut self) {
        self.shared.resyncs.fetch_add(1, Ordering::Relaxed);
        (self.grouping, self.held) = Default::default();
        self.next = 1;
        self.shared.applied.send_replace(0);
        self.replay(Some(HashSet::new()));
    }

    fn replay(&mut self, seen: Option<HashSet<Arc<str>>>) {
        self.replay = Some(Replay { until: self.shared.pulse.next(), seen });
    }

    fn take_chunk(
        &mut self,
        chunk: Vec<Result<Message, pull::MessagesError>>,
        consumed: &mut u64,
    ) -> Result<(), FollowError> {
        let mut ready = Vec::new();
        let mut taken = Ok(());
        for message in chunk {
            taken = message
                .map_err(|error| FollowError::Consumer(error.to_string()))
                .and_then(|message| self.take(&message, consumed, &mut ready));
            if taken.is_err() {
                break;
            }
        }
        // Also of a chunk that ends with an error: its records have come.
        self.apply(ready);
        taken
    }

    fn take(
        &mut self,
        message: &Message,
        consumed: &mut u64,
        ready: &mut Vec<Piece<Recorded>>,
    ) -> Result<(), FollowError> {
        let info = message.info().map_err(|error| FollowError::Consumer(error.to_string()))?;
        *consumed += 1;
        if info.consumer_sequence != *consumed {
            return Err(FollowError::Hole);
        }
        let (sequence, published) = (info.stream_sequence, info.published.unix_timestamp_nanos());
        self.next = sequence + 1;
        if self.shared.pulse.is_own(&message.subject) {
            self.deliver(message, ready);
        } else if !self.shared.is_pulse(&message.subject) {
            let change = self.decode(message, published);
            let piece = Piece { sequence, series: message.subject.as_str().into(), change };
            self.group(piece, part(message), ready);
        }
        Ok(())
    }

    fn decode(&self, message: &Message, published: i128) -> Option<Recorded> {
        let received = Timestamp::from_nanosecond(published).ok()?;
        match record::decode_change(&message.payload) {
            // One clock for all replicas: that of the stream.
            Ok(Recorded::Put(put)) => Some(Recorded::Put(record::Received { at: received, ..put })),
            Ok(removed) => Some(removed),
            Err(error) => {
                self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, subject = %message.subject, "a record of the journal");
                None
            }
        }
    }

    fn group(&mut self, piece: Piece<Recorded>, part: Option<Part>, ready: &mut Vec<Piece<Recorded>>) {
        if let Some(Replay { seen: Some(seen), .. }) = &mut self.replay {
            seen.insert(piece.series.clone());
        }
        for group in self.grouping.feed(piece, part) {
            self.hold(group, ready);
        }
    }

    /// Before the first replay has ended nobody reads, so nothing need wait.
    fn hold(&mut self, group: Group<Recorded>, ready: &mut Vec<Piece<Recorded>>) {
        if let Group::Torn(pieces) = group {
            if matches!(self.replay, Some(Replay { seen: None, .. })) {
                return ready.extend(pieces);
            }
            self.shared.torn.fetch_add(1, Ordering::Relaxed);
            return ready.extend(self.held.take(Group::Torn(pieces), || self.shared.pulse.next()));
        }
        ready.extend(self.held.take(group, || self.shared.pulse.next()));
    }

    fn deliver(&mut self, message: &Message, ready: &mut Vec<Piece<Recorded>>) {
        if let Some(torn) = self.grouping.interrupt() {
            self.hold(torn, ready);
        }
        let Some(number) = Pulse::number(&message.payload) else { return };
        ready.extend(self.held.deliver(number));
        // Whoever waits for the pulse waits for what stands before it in the store.
        self.apply(std::mem::take(ready));
        self.end_replay(number);
        self.shared.pulse.deliver(number);
    }

    fn end_replay(&mut self, pulse: u64) {
        let Some(Replay { seen, .. }) = self.replay.take_if(|replay| replay.until <= pulse) else { return };
        if let Some(seen) = seen {
            self.store.retain_written(|subject, metric, labels| {
                seen.contains(self.shared.subject_of(subject, metric, labels).as_str())
            });
        }
        self.shared.loaded.send_if_modified(Load::finish);
    }

    fn apply(&self, pieces: Vec<Piece<Recorded>>) {
        let resources = if pieces.is_empty() { BTreeSet::new() } else { apply(&self.store, pieces) };
        self.name(resources);
        let kept_back = [self.held.first(), self.grouping.first()].into_iter().flatten().min();
        self.shared.applied.send_replace(kept_back.unwrap_or(self.next) - 1);
    }

    fn name(&self, resources: BTreeSet<GroupResource>) {
        self.shared.resources.send_if_modified(|known| {
            let before = known.len();
            known.extend(resources);
            known.len() > before
        });
    }
}

/// Of a batch, if it is one of several records.
fn part(message: &Message) -> Option<Part> {
    let headers = message.headers.as_ref()?;
    Some(Part {
        batch: headers.get(NATS_BATCH_ID)?.as_str().into(),
        number: headers.get(NATS_BATCH_SEQUENCE)?.as_str().parse().ok()?,
        is_last: headers.get(NATS_BATCH_COMMIT).is_some(),
    })
}

const RETRY: Duration = Duration::from_millis(300);
const RETRY_UNFIT: Duration = Duration::from_secs(10);

/// Removals stay in the stream for twice as long.
const REMOVALS_MISSED: SignedDuration = SignedDuration::from_hours(12);
