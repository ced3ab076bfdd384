//! The pulse: a record without a value that this replica writes again and again, and waits for as a follower.
//!
//! All that was acknowledged before a pulse was sent stands before it in the stream. So a replica to which its own pulse is
//! delivered has everything up to then, whichever server it follows; that nothing is pending there proves nothing, because
//! the server may be behind itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use super::publish::{Message, Publisher};
use crate::journal::CommitError;

/// The pulses of this process, which are numbered from one.
pub(super) struct Pulse {
    subject: String,
    sent: AtomicU64,
    /// The newest that a quorum has, and since when.
    kept: Mutex<Option<(u64, Instant)>>,
    delivered: watch::Sender<u64>,
    /// When the newest delivered one was sent.
    current: Mutex<Option<Timestamp>>,
    sent_at: Mutex<(u64, Option<Timestamp>)>,
    hurry: Notify,
}

impl Pulse {
    /// `subjects` is what pulses of all replicas are under.
    pub(super) fn new(subjects: &str) -> Self {
        Self {
            subject: format!("{subjects}.{}", uuid::Uuid::new_v4().simple()),
            sent: AtomicU64::default(),
            kept: Mutex::default(),
            delivered: watch::Sender::default(),
            current: Mutex::default(),
            sent_at: Mutex::default(),
            hurry: Notify::default(),
        }
    }

    /// Whether a record of this subject is a pulse of ours.
    pub(super) fn is_own(&self, subject: &str) -> bool {
        self.subject == subject
    }

    /// Sends pulses for ever; `heard` learns whether each was kept.
    pub(super) async fn run(&self, publisher: &Publisher, heard: impl Fn(Result<(), CommitError>)) {
        loop {
            heard(self.send(publisher).await);
            tokio::select! {
                () = self.hurry.notified() => {}
                () = sleep(PERIOD) => {}
            }
        }
    }

    async fn send(&self, publisher: &Publisher) -> Result<(), CommitError> {
        let number = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        *self.sent_at.lock() = (number, Some(Timestamp::now()));
        let payload = Bytes::from(number.to_string());
        let message = Message { subject: self.subject.clone(), payload, ttl: Some(TTL), replaces: None };
        publisher.publish(vec![message]).await?;
        let mut kept = self.kept.lock();
        if kept.is_none_or(|(before, _)| before < number) {
            *kept = Some((number, Instant::now()));
        }
        Ok(())
    }

    /// The number of a pulse that is sent after this call. It is sent at once.
    pub(super) fn next(&self) -> u64 {
        let next = self.sent.load(Ordering::SeqCst) + 1;
        self.hurry.notify_one();
        next
    }

    /// The number of a pulse of ours.
    pub(super) fn number(payload: &[u8]) -> Option<u64> {
        std::str::from_utf8(payload).ok()?.parse().ok()
    }

    /// A pulse of ours has come to us.
    pub(super) fn deliver(&self, number: u64) {
        let (sent, at) = *self.sent_at.lock();
        if sent == number {
            *self.current.lock() = at;
        }
        self.delivered.send_modify(|delivered| *delivered = number.max(*delivered));
    }

    /// The newest pulse that was delivered.
    pub(super) fn delivered(&self) -> u64 {
        *self.delivered.borrow()
    }

    /// Up to when everything that was acknowledged is known to be here.
    pub(super) fn current(&self) -> Option<Timestamp> {
        *self.current.lock()
    }

    /// Returns when everything that was acknowledged before the call has been delivered.
    pub(super) async fn barrier(&self) {
        let number = self.next();
        let mut delivered = self.delivered.subscribe();
        // Fails when the journal ends, and the caller with it.
        let _ = delivered.wait_for(|delivered| *delivered >= number).await;
    }

    /// Returns when a pulse that a quorum has is not delivered for too long: the server that we follow has stalled.
    pub(super) async fn stalled(&self) {
        let begun = Instant::now();
        loop {
            sleep(LOOK).await;
            let kept = *self.kept.lock();
            let late = kept
                .is_some_and(|(number, at)| number > self.delivered() && at.max(begun).elapsed() > PATIENCE);
            if late {
                return;
            }
        }
    }
}

/// How often a pulse is sent when nobody waits for one.
const PERIOD: Duration = Duration::from_secs(5);

/// A pulse of a process that has ended leaves the stream by itself.
const TTL: Duration = Duration::from_secs(60);

/// Longer than a delivery takes in the worst of weathers, shorter than a sync of the HPA.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_secs(1);
