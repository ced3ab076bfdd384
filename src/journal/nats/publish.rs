//! Records to the stream, one by one or as an atomic batch (NATS ADR-50), and what an answer of the servers means.
//!
//! Nothing is sent a second time: a late repetition could overtake a newer write.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, HeaderMap, Request, RequestErrorKind,
    connection::State,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
        NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL,
    },
    jetstream::{self, ErrorCode, publish::PublishAck, response::Response},
};
use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::journal::CommitError;

/// A record on its way.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) payload: Bytes,
    /// After which the servers may drop it.
    pub(super) ttl: Option<Duration>,
    /// It is stored only in the place of the record with this sequence.
    pub(super) replaces: Option<u64>,
}

/// What became of records that the servers have answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Published {
    /// A quorum has them; the last has this sequence.
    At(u64),
    /// None is stored: one of them was to take the place of a record that another has taken already.
    Overtaken,
}

/// Sends records, and waits until a quorum has them.
#[derive(Clone)]
pub(super) struct Publisher {
    client: Client,
    timeout: Duration,
    /// Servers have fifty open batches a stream; replicas share them.
    batches: Arc<Semaphore>,
}

impl Publisher {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, batches: Arc::new(Semaphore::new(BATCHES)) }
    }

    /// Sends all of `messages` or none. They have different subjects.
    pub(super) async fn publish(&self, messages: Vec<Message>) -> Result<Published, CommitError> {
        self.connected()?;
        let deadline = Instant::now() + self.timeout;
        match <[Message; 1]>::try_from(messages) {
            Ok([message]) => {
                let headers = message.headers();
                self.ask(message, headers, deadline).await
            }
            Err(messages) => self.publish_batch(messages, deadline).await,
        }
    }

    /// What cannot be sent now would be sent later, out of its order.
    fn connected(&self) -> Result<(), CommitError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(away("no server of --journal is connected")),
        }
    }

    async fn publish_batch(
        &self,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Result<Published, CommitError> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(Published::At(0)) };
        let waited = timeout_at(deadline, self.batches.acquire()).await;
        let _permit = waited.map_err(|_| away("too many batches wait for the servers"))?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        for (at, message) in messages.into_iter().enumerate() {
            let mut headers = message.headers();
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (at + 1).to_string());
            if at == last {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
                return self.ask(message, headers, deadline).await;
            }
            if at == 0 {
                // Its answer tells whether the servers take batches at all.
                self.begin(message, headers, deadline).await?;
            } else {
                let sent = self.client.publish_with_headers(message.subject, headers, message.payload).await;
                sent.map_err(|error| away(&error.to_string()))?;
            }
        }
        Ok(Published::At(0))
    }

    /// Nothing of a batch is stored before its last message is, so an unknown outcome here is none.
    async fn begin(
        &self,
        message: Message,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<(), CommitError> {
        match self.request(message, headers, deadline).await {
            Ok(answer) if answer.is_empty() => Ok(()),
            Ok(answer) => published(&answer).map(drop),
            Err(CommitError::Unknown { problem }) => Err(CommitError::Away { problem }),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        message: Message,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Published, CommitError> {
        published(&self.request(message, headers, deadline).await?)
    }

    async fn request(
        &self,
        message: Message,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<Bytes, CommitError> {
        let request = Request::new().payload(message.payload).headers(headers).timeout(None);
        match timeout_at(deadline, self.client.send_request(message.subject, request)).await {
            Ok(Ok(answer)) => Ok(answer.payload),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                Err(away("the stream has no leader, or is not there"))
            }
            Ok(Err(error)) => Err(CommitError::Unknown { problem: error.to_string() }),
            Err(_) => Err(CommitError::Unknown { problem: format!("no answer within {:?}", self.timeout) }),
        }
    }
}

impl Message {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(ttl) = self.ttl {
            headers.insert(NATS_MESSAGE_TTL, format!("{}s", ttl.as_secs().max(1)));
        }
        if let Some(sequence) = self.replaces {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, sequence.to_string());
        }
        headers
    }
}

/// Of a quorum's acknowledgement.
fn published(answer: &[u8]) -> Result<Published, CommitError> {
    match serde_json::from_slice(answer) {
        Ok(Response::Ok(PublishAck { sequence, .. })) => Ok(Published::At(sequence)),
        Ok(Response::Err { error }) if OVERTAKEN.contains(&error.error_code()) => Ok(Published::Overtaken),
        Ok(Response::Err { error }) => Err(refusal(&error)),
        Err(error) => Err(CommitError::Unknown { problem: error.to_string() }),
    }
}

/// The servers have stored nothing.
fn refusal(error: &jetstream::Error) -> CommitError {
    let problem = error.to_string();
    match error.error_code() {
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => CommitError::Full { problem },
        ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH
        | ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM
        | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => CommitError::TooLarge { problem },
        _ => CommitError::Away { problem },
    }
}

fn away(problem: &str) -> CommitError {
    CommitError::Away { problem: problem.to_owned() }
}

/// The last is of a record before this one that is on its way.
const OVERTAKEN: [ErrorCode; 3] = [
    ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
    ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
    ErrorCode::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY,
];

/// A third of the servers' open batches, for three replicas.
const BATCHES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_where_a_record_stands_or_why_it_stands_nowhere() {
        let said = |answer: &str| match published(answer.as_bytes()) {
            Ok(Published::At(sequence)) => sequence.to_string(),
            Ok(Published::Overtaken) => "overtaken".to_owned(),
            Err(CommitError::Full { .. }) => "full".to_owned(),
            Err(CommitError::TooLarge { .. }) => "too large".to_owned(),
            Err(CommitError::Away { .. }) => "away".to_owned(),
            Err(CommitError::Unknown { .. }) => "unknown".to_owned(),
            Err(error) => error.to_string(),
        };
        let error = |code: u16, err_code: u64| {
            format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"d"}},"stream":"s","seq":0}}"#
            )
        };
        let said: Vec<String> = [
            r#"{"stream":"s","seq":7}"#.to_owned(),
            r#"{"stream":"s","seq":9,"batch":"b","count":3}"#.to_owned(),
            error(503, 10077),
            error(400, 10199),
            error(503, 10008),
            error(429, 10210),
            error(400, 10071),
            "half".to_owned(),
        ]
        .iter()
        .map(|answer| said(answer))
        .collect();
        assert_eq!(said, ["7", "9", "full", "too large", "away", "away", "overtaken", "unknown"]);
    }
}
