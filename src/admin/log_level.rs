//! `/log-level`: what is logged, asked and changed while the adapter runs. From loopback alone: whoever may port-forward to
//! the pod may also read its logs.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, State},
    http::{StatusCode, request::Parts},
    routing::get,
};

use crate::serve::Peer;

/// Puts another filter in force, asked for by this address; an error says what is wrong with it.
pub type Change = Arc<dyn Fn(&str, SocketAddr) -> Result<(), String> + Send + Sync>;

/// How the page reaches the logs.
#[derive(Clone)]
pub struct LogLevel {
    /// The filter in force.
    pub current: Arc<dyn Fn() -> String + Send + Sync>,
    /// Changes it.
    pub change: Change,
    /// The command that brings one to the port by loopback.
    pub way: String,
}

/// `GET` and `PUT /log-level`.
pub fn log_level(level: LogLevel) -> Router {
    let routes = get(current).put(change);
    Router::new().route("/log-level", routes).layer(DefaultBodyLimit::max(LONGEST)).with_state(level)
}

async fn current(_: Caller, State(level): State<LogLevel>) -> String {
    format!("{}\n", (level.current)())
}

async fn change(
    Caller(by): Caller,
    State(level): State<LogLevel>,
    filter: String,
) -> Result<String, (StatusCode, String)> {
    let filter = filter.trim();
    let changed = (level.change)(filter, by);
    changed.map(|()| format!("{filter}\n")).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

/// Somebody at a loopback address.
struct Caller(SocketAddr);

impl FromRequestParts<LogLevel> for Caller {
    type Rejection = (StatusCode, String);

    async fn from_request_parts(parts: &mut Parts, level: &LogLevel) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.address);
        peer.filter(|address| address.ip().to_canonical().is_loopback()).map(Self).ok_or_else(|| {
            let text = format!("/log-level is for loopback alone: {}, then ask localhost\n", level.way);
            (StatusCode::FORBIDDEN, text)
        })
    }
}

/// Bytes of a filter.
const LONGEST: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt as _;
    use parking_lot::Mutex;
    use tower::ServiceExt as _;

    use super::*;

    /// Status and text of the answer to a `PUT` from this address, and the filter after it.
    async fn put(from: Option<&str>, filter: &str) -> (StatusCode, String, String) {
        let kept = Arc::new(Mutex::new("info".to_owned()));
        let (read, write) = (kept.clone(), kept.clone());
        let router = log_level(LogLevel {
            current: Arc::new(move || read.lock().clone()),
            change: Arc::new(move |filter, _| {
                let wrong = filter.contains('!').then(|| "no filter".to_owned());
                wrong.map_or(Ok(()), Err)?;
                filter.clone_into(&mut write.lock());
                Ok(())
            }),
            way: "kubectl port-forward".to_owned(),
        });
        let mut request = Request::put("/log-level").body(Body::from(filter.to_owned())).unwrap();
        if let Some(address) = from {
            request.extensions_mut().insert(Peer::plain(address.parse().unwrap()));
        }
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let now = kept.lock().clone();
        (status, String::from_utf8(text.to_vec()).unwrap(), now)
    }

    #[tokio::test]
    async fn loopback_changes_the_filter_and_nobody_else() {
        for from in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(put(Some(from), "debug\n").await, (StatusCode::OK, "debug\n".into(), "debug".into()));
        }
        for from in [Some("192.0.2.1:1"), Some("[2001:db8::1]:1"), Some("[::ffff:10.0.0.1]:1"), None] {
            let (status, text, now) = put(from, "debug").await;
            assert_eq!((status, now.as_str()), (StatusCode::FORBIDDEN, "info"), "{from:?}");
            assert!(text.contains("kubectl port-forward"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_wrong_filter_or_a_long_one_keeps_the_old_one() {
        let wrong = put(Some("127.0.0.1:1"), "a!").await;
        assert_eq!(wrong, (StatusCode::BAD_REQUEST, "no filter\n".into(), "info".into()));
        let (status, _, now) = put(Some("127.0.0.1:1"), &"a".repeat(LONGEST + 1)).await;
        assert_eq!((status, now.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "info"));
    }
}
