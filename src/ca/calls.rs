//! Calls of kube-apiserver that end in time, and what is wrong when they fail.

use std::time::Duration;

use crate::kubernetes::{Class, root_cause};

/// Why something could not be kept or published.
pub(super) struct Problem {
    /// A closed set, for [`Incident`](crate::notice::Incident).
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) remedy: &'static str,
}

impl Problem {
    pub(super) fn of(error: &Failure, right: &'static str) -> Self {
        let class = error.class();
        let remedy = if class == Class::Forbidden { right } else { "" };
        Self { class: class.as_str(), text: error.to_string(), remedy }
    }
}

/// A call without a good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", root_cause(.0))]
    Answer(kube::Error),
    #[error("no answer from kube-apiserver within {} s", DEADLINE.as_secs())]
    Silence,
}

impl Failure {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Answer(error) => Class::of(error),
            Self::Silence => Class::Timeout,
        }
    }

    /// Whether somebody else was first.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Answer(kube::Error::Api(status)) if status.code == 409)
    }
}

pub(super) async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map_err(Failure::Answer),
        Err(_) => Err(Failure::Silence),
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
