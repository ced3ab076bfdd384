//! What an error of the Kubernetes client says, and what kind of failure it is.

use std::error::Error;

use kube::core::Status;

/// A kind of failure; a closed set, for logs and pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// 401: kube-apiserver does not know the adapter.
    Unauthorized,
    /// 403: the adapter lacks a right.
    Forbidden,
    /// 404, 405, 406: there is no such resource, or not in this version.
    NotServed,
    /// 410: the changes since the last connection are no longer known.
    Expired,
    /// 429 and 5xx.
    Unavailable,
    /// Any other status.
    Refused,
    /// No answer in time.
    Timeout,
    /// No answer: refused, reset, name not found, TLS.
    Unreachable,
}

impl Class {
    /// The class of what went wrong in the end.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        match chain(error).find_map(status) {
            Some(status) => Self::of_code(status.code),
            None if chain(error).any(is_timeout) => Self::Timeout,
            None => Self::Unreachable,
        }
    }

    /// The class of an answer.
    #[must_use]
    pub fn of_code(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404..=406 => Self::NotServed,
            410 => Self::Expired,
            429 | 500..=599 => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    /// As logs and pages have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotServed => "not_served",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What an error says in the end: the message of the Kubernetes `Status`, or the innermost cause, since kube's
/// layers repeat each other.
#[must_use]
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    if let Some(status) = chain(error).find_map(status) {
        return match status.message.trim() {
            // A proxy between, which knows no Status.
            "" => format!("the answer was {} without a text", status.code),
            message => message.to_owned(),
        };
    }
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn status<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Status> {
    let boxed = error.downcast_ref::<Box<Status>>().map(|boxed| &**boxed);
    boxed.or_else(|| error.downcast_ref())
}

/// `Elapsed` of tokio is made an `io::Error` of this kind by every layer below.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_its_class_and_message_and_a_broken_connection_its_last_cause() {
        let status = Status::failure("pods is forbidden: no", "Forbidden").with_code(403);
        let error = kube::Error::Api(status.boxed());
        assert_eq!(
            (Class::of(&error), root_cause(&error).as_str()),
            (Class::Forbidden, "pods is forbidden: no")
        );
        let refused = std::io::Error::new(std::io::ErrorKind::TimedOut, "too late");
        let error = kube::Error::Service(Box::new(refused));
        assert_eq!((Class::of(&error), root_cause(&error).as_str()), (Class::Timeout, "too late"));
    }

    #[test]
    fn an_answer_without_a_text_is_named_by_its_code() {
        for empty in ["", " \n"] {
            let error = kube::Error::Api(Status::failure(empty, "").with_code(502).boxed());
            assert_eq!(root_cause(&error), "the answer was 502 without a text");
        }
    }
}
