//! Reads request bodies under a byte cap and a deadline.

use std::{fmt::Display, pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::arrivals::Arrival;

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Its size.
    pub(super) bytes: usize,
    /// From now to its last byte.
    pub(super) deadline: Duration,
}

/// A body that was not read to its end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyError {
    /// Larger than allowed: 413.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// Not all there in time: 408.
    #[error("the request body was not complete within {deadline:?}")]
    Timeout {
        /// The deadline.
        deadline: Duration,
    },
    /// Still arriving when newer bodies needed its room: 429.
    #[error("too many request bodies are arriving at once, and this one has been the longest under way")]
    Displaced,
    /// The client went away, or what it sent is no body: 400, if anyone still listens.
    #[error("the request body ended early: {problem}")]
    Aborted {
        /// The transport's words.
        problem: String,
    },
}

impl BodyError {
    /// What the client can do about it; behind a colon, or empty.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => ": send a batch in parts",
            Self::Displaced => ": try again in a second",
            Self::Timeout { .. } | Self::Aborted { .. } => "",
        }
    }
}

/// Reads a whole body, or says why not.
///
/// What is over the cap is read on and thrown away, up to eight times the cap: a client that is still sending when its
/// answer comes would find a reset connection instead of the answer. A client that asks first
/// (`Expect: 100-continue`, as curl does for large bodies) is told at once.
///
/// # Errors
/// See [`BodyError`].
pub(super) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    limits: BodyLimits,
    arrival: &Arrival,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let end = Instant::now() + limits.deadline;
    let announced = body.size_hint().lower();
    let too_large = announced > u64::try_from(limits.bytes).unwrap_or(u64::MAX);
    if too_large && headers.contains_key(header::EXPECT) {
        return Err(BodyError::TooLarge { limit: limits.bytes });
    }
    tokio::select! {
        biased;
        collected = timeout_at(end, collect(body, limits.bytes, arrival)) => {
            collected.unwrap_or_else(|_| Err(overdue(limits, too_large)))
        }
        () = arrival.displaced() => Err(BodyError::Displaced),
    }
}

/// Takes and forgets what is left of a small body, for a moment. A client that asks first (`Expect: 100-continue`) sends none
/// before its answer.
pub(super) async fn discard<B>(headers: &HeaderMap, body: B)
where
    B: Body<Data = Bytes>,
{
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let mut body = pin!(body);
    let mut left = DISCARDED;
    let rest = async {
        while let Some(Ok(frame)) = body.as_mut().frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(size) else { break };
            left = less;
        }
    };
    let _ = tokio::time::timeout(DISCARDING, rest).await;
}

async fn collect<B>(body: B, limit: usize, arrival: &Arrival) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let mut body = pin!(body);
    let mut collected = BytesMut::new();
    let mut size = 0_usize;
    while let Some(frame) = body.as_mut().frame().await {
        let frame = frame.map_err(|error| BodyError::Aborted { problem: error.to_string() })?;
        let Ok(chunk) = frame.into_data() else { continue };
        size = size.saturating_add(chunk.len());
        if size <= limit {
            collected.extend_from_slice(&chunk);
        } else if size > limit.saturating_mul(DISCARD_FACTOR) {
            break;
        } else {
            collected = BytesMut::new();
        }
        arrival.holds(collected.len());
    }
    if size > limit { Err(BodyError::TooLarge { limit }) } else { Ok(collected.freeze()) }
}

fn overdue(limits: BodyLimits, too_large: bool) -> BodyError {
    if too_large {
        BodyError::TooLarge { limit: limits.bytes }
    } else {
        BodyError::Timeout { deadline: limits.deadline }
    }
}

const DISCARD_FACTOR: usize = 8;

/// What is taken of the body of a request that its head has refused, in bytes, and for how long.
const DISCARDED: usize = 64 * 1024;
const DISCARDING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use futures::{StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::{Frame, SizeHint};

    use super::*;
    use crate::write::arrivals::{Arrivals, ROOM};

    const LIMITS: BodyLimits = BodyLimits { bytes: 10, deadline: Duration::from_secs(5) };

    type Chunk = Result<Frame<Bytes>, &'static str>;

    fn chunk(text: &'static str) -> Chunk {
        Ok(Frame::data(Bytes::from(text)))
    }

    async fn read_alone<B>(headers: &HeaderMap, body: B) -> Result<Bytes, BodyError>
    where
        B: Body<Data = Bytes, Error: Display>,
    {
        read(headers, body, LIMITS, &Arrivals::new(ROOM).begin()).await
    }

    async fn read_chunks(chunks: Vec<Chunk>) -> Result<Bytes, BodyError> {
        read_alone(&HeaderMap::new(), StreamBody::new(stream::iter(chunks))).await
    }

    /// Announces one byte too many, and must not be read.
    struct Unread;

    impl Body for Unread {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Chunk>> {
            panic!("the body was read")
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(11)
        }
    }

    #[tokio::test]
    async fn a_body_within_the_cap_is_read_whole() {
        assert_eq!(read_chunks(vec![chunk("01234"), chunk("56789")]).await.unwrap(), "0123456789");
        assert_eq!(read_chunks(vec![]).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_over_the_cap_is_refused_with_the_cap() {
        let refused = Err(BodyError::TooLarge { limit: 10 });
        assert_eq!(read_chunks(vec![chunk("0123456789"), chunk("x")]).await, refused);
        assert_eq!(read_alone(&HeaderMap::new(), Full::new(Bytes::from(vec![0; 11]))).await, refused);
    }

    #[tokio::test]
    async fn an_endless_body_is_refused_without_waiting_for_its_end() {
        let endless = StreamBody::new(stream::repeat_with(|| chunk("0123456789")));
        assert_eq!(read_alone(&HeaderMap::new(), endless).await, Err(BodyError::TooLarge { limit: 10 }));
    }

    #[tokio::test]
    async fn a_client_that_asks_first_is_refused_before_it_sends() {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECT, "100-continue".parse().unwrap());
        assert_eq!(read_alone(&headers, Unread).await, Err(BodyError::TooLarge { limit: 10 }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_at_the_deadline() {
        let drip = stream::iter(0..100).then(|_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            chunk("x")
        });
        let overdue = Err(BodyError::Timeout { deadline: LIMITS.deadline });
        assert_eq!(read_alone(&HeaderMap::new(), StreamBody::new(drip)).await, overdue);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_no_empty_body() {
        let aborted = Err(BodyError::Aborted { problem: "reset".to_owned() });
        assert_eq!(read_chunks(vec![chunk("0"), Err("reset")]).await, aborted);
    }
}
