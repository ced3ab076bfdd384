//! How the objects that there are come at the begin of a watch.
//!
//! Streamed, they come as the first events of the watch ([KEP-3157], `sendInitialEvents`): kube-apiserver then builds no
//! page in its memory and reads nothing from etcd. Servers that do not do so by default (before 1.32, and 1.33) refuse it, or
//! do not know it (before 1.27) and never mark the end of the list; these are asked for pages. So is every server when a watch has to begin anew: a stream may begin from
//! a cache that is older than what was seen already, and an object that is there would seem gone for a moment.
//!
//! [KEP-3157]: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/3157-watch-list

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{Config, Error, Event};
use tokio::time::{Instant, timeout_at};

use super::watch::status;

/// How a list comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    /// As the first events of the watch; the list is not complete yet.
    Streamed {
        /// When it has to be complete; `None` until it has begun.
        until: Option<Instant>,
    },
    /// In pages before the watch, or not at all any more: it is complete.
    Paged,
}

impl List {
    /// The first one of a resource.
    pub(super) const FIRST: Self = Self::Streamed { until: None };

    pub(super) fn config(self) -> Config {
        let config = Config::default().timeout(WATCH_SECONDS);
        match self {
            Self::Streamed { .. } => config.streaming_lists(),
            Self::Paged => config.page_size(PAGE),
        }
    }

    /// The next event; `None` if a streamed list does not go on as one does.
    ///
    /// A server that does not know the parameter sends the objects and then their changes: where pods change all the time
    /// such a watch is never silent, so a list has a deadline as well.
    pub(super) async fn next<T>(
        &mut self,
        events: &mut Pin<&mut impl Stream<Item = Result<Event<T>, Error>>>,
        silence: Duration,
    ) -> Option<Result<Event<T>, Error>> {
        let Self::Streamed { until } = self else { return events.next().await };
        let silent = Instant::now() + silence;
        let end = until.map_or(silent, |until| until.min(silent));
        let event = timeout_at(end, events.next()).await.ok().flatten()?;
        match event {
            // The stream ended too early: kube begins another one.
            Ok(Event::Init) if until.is_some() => return None,
            Ok(Event::Init) => *until = Some(Instant::now() + silence * LONGEST),
            // From here on this watch is as any other; a new one gets its list in pages.
            Ok(Event::InitDone) => *self = Self::Paged,
            Ok(_) | Err(_) => {}
        }
        Some(event)
    }

    /// Whether `error` is the end of a streamed list that had begun. Pages are read one by one, so a connection that breaks
    /// after a while gets further with them.
    pub(super) fn broke(self, error: &Error) -> bool {
        self.is_streamed() && matches!(error, Error::WatchFailed(_) | Error::WatchError(_))
    }

    /// Whether `error` says that the server cannot stream lists.
    pub(super) fn is_unknown_to_the_server(self, error: &Error) -> bool {
        let refused = |code| matches!(code, 400 | 405 | 415 | 422 | 501);
        self.is_streamed() && status(error).is_some_and(|status| refused(status.code))
    }

    fn is_streamed(self) -> bool {
        matches!(self, Self::Streamed { .. })
    }
}

/// The server ends a watch after so long, and so a connection that died unnoticed (a node that vanished) is known
/// for dead five seconds later; a new watch a minute costs neither side anything to speak of.
const WATCH_SECONDS: u32 = 60;

/// Objects a page of a list, as client-go has it.
const PAGE: u32 = 500;

/// A streamed list may take so many times as long as it may be silent.
const LONGEST: u32 = 6;
