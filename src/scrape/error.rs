//! Why a scrape failed.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::template::{LimitError, ReadError};
use crate::{exposition, store};

/// Why a scrape failed. The values of the last good one go on being served until they are too old.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No TCP connection.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// Not done in time.
    #[error("timed out after {after:?} while {stage}")]
    Timeout {
        /// What was being done.
        stage: Stage,
        /// The timeout.
        after: Duration,
    },
    /// No TLS connection, or no certificate to make one with.
    #[error("TLS: {0}")]
    Tls(String),
    /// What came was no HTTP response, or not all of one.
    #[error("the response is not whole or not HTTP")]
    Protocol(#[source] hyper::Error),
    /// A status other than 200.
    #[error("the status is {0}, not 200{hint}", hint = hint(*.0))]
    Status(http::StatusCode),
    /// A redirect; none is followed.
    #[error("the status is {status}, a redirect to {location:?}, which is not followed")]
    Redirect {
        /// The status.
        status: http::StatusCode,
        /// Where to.
        location: String,
    },
    /// A text that ends in the middle of a line, where nothing else says that it is whole.
    #[error(
        "the body may be cut short: it ends without a newline, and only the end of the connection ends it; end the last \
         line with a newline, or send Content-Length"
    )]
    CutShort,
    /// More bytes than a body may have.
    #[error("the body has more than {limit} bytes")]
    Size {
        /// The limit.
        limit: usize,
    },
    /// The Content-Encoding is unknown, or the body does not have it.
    #[error(transparent)]
    Decode(exposition::decode::DecodeError),
    /// The body is no exposition.
    #[error(transparent)]
    Parse(exposition::ParseError),
    /// The body holds more than it may.
    #[error(transparent)]
    Limit(LimitError),
    /// The store is full.
    #[error(transparent)]
    Store(store::AppendError),
    /// We did something that cannot be: a task that parses was lost.
    #[error("the parser ended early")]
    Lost,
}

/// What is being done within a scrape's deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Connecting by TCP.
    Connecting,
    /// Shaking hands by TLS.
    Handshake,
    /// Waiting for the headers of the response.
    Headers,
    /// Reading its body.
    Body,
    /// Waiting to read the rest of a large body.
    Turn,
    /// Reading a large body while others wait to read theirs.
    Lent,
    /// Waiting until the body can be parsed.
    Parser,
    /// Taking long while others wait for a turn.
    Crowded,
}

/// The kinds of failures, for counters and pages; a closed set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// No TCP connection.
    Connect,
    /// Not done in time.
    Timeout,
    /// TLS or certificates.
    Tls,
    /// Not HTTP, or cut short.
    Protocol,
    /// A status other than 200.
    Status,
    /// A redirect.
    Redirect,
    /// Too many bytes.
    Size,
    /// Content-Encoding.
    Decode,
    /// Not an exposition.
    Parse,
    /// Too many samples or labels, or a full store.
    Limit,
}

/// Characters of an error that is told.
const LONGEST_STORY: usize = 1_000;

impl ScrapeError {
    /// Its kind.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect(_) => ErrorClass::Connect,
            Self::Timeout { .. } => ErrorClass::Timeout,
            Self::Tls(_) => ErrorClass::Tls,
            Self::Protocol(_) | Self::CutShort => ErrorClass::Protocol,
            Self::Status(_) => ErrorClass::Status,
            Self::Redirect { .. } => ErrorClass::Redirect,
            Self::Size { .. } => ErrorClass::Size,
            Self::Decode(_) => ErrorClass::Decode,
            Self::Parse(_) | Self::Lost => ErrorClass::Parse,
            Self::Limit(_) | Self::Store(_) => ErrorClass::Limit,
        }
    }

    /// The refusal, if a namespace had its share of a limit: it concerns all targets of that namespace.
    pub(super) fn share(&self) -> Option<&store::AppendError> {
        match self {
            Self::Store(refusal) if refusal.is_share() => Some(refusal),
            _ => None,
        }
    }

    /// What a read is told of it.
    #[must_use]
    pub fn failure(&self) -> store::Failure {
        // Connecting may time out because nobody is there; every later stage has met a living process.
        let timed_out = matches!(self, Self::Timeout { stage, .. } if *stage != Stage::Connecting);
        store::Failure { error: self.story().into(), timed_out }
    }

    /// The whole story in one line: the error and what caused it.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !story.ends_with(&cause_text) {
                story.push_str(": ");
                story.push_str(&cause_text);
            }
            source = cause.source();
        }
        // Errors quote what pods send.
        story.chars().take(LONGEST_STORY).collect()
    }
}

/// What a status usually means for a scraper.
fn hint(status: http::StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 421 => {
            ": many frameworks answer so to a Host that they do not know, and the Host of a scrape is the pod's IP and port; \
             allow it (Django: ALLOWED_HOSTS, ASP.NET: AllowedHosts), or serve metrics on a port of their own"
        }
        401 => {
            ": the path wants credentials; --scrape-bearer-token-file sends a bearer token, and no other kind is sent"
        }
        403 => {
            ": the path wants other rights, or the framework does not know the Host, which is the pod's IP and port (Rails: \
             config.hosts); allow it, or serve metrics on a port of their own"
        }
        _ => "",
    }
}

impl From<ReadError> for ScrapeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Parse(error) => Self::Parse(error),
            ReadError::Limit(error) => Self::Limit(error),
            ReadError::Full(error) => Self::Store(error),
        }
    }
}

impl From<exposition::decode::DecodeError> for ScrapeError {
    fn from(error: exposition::decode::DecodeError) -> Self {
        match error {
            exposition::decode::DecodeError::TooLarge(limit) => Self::Size { limit },
            error => Self::Decode(error),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Handshake => "shaking hands by TLS",
            Self::Headers => "waiting for the response",
            Self::Body => "reading the body",
            Self::Turn => "waiting for other large bodies to be read",
            Self::Lent => "reading a large body that others waited for",
            Self::Parser => "waiting for other bodies to be parsed",
            Self::Crowded => "other targets waited to be scraped",
        })
    }
}

impl ErrorClass {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Timeout,
        Self::Tls,
        Self::Protocol,
        Self::Status,
        Self::Redirect,
        Self::Size,
        Self::Decode,
        Self::Parse,
        Self::Limit,
    ];

    /// As a label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Size => "size",
            Self::Decode => "decode",
            Self::Parse => "parse",
            Self::Limit => "limit",
        }
    }
}
