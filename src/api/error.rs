//! Everything that can go wrong with a request, in the order in which it is looked for.

use crate::cluster::{Unavailable, UnknownResource, grant};

use super::{
    encode::EncodeError, external::NoExternalMetric, negotiation::NotAcceptable, not_found::NotFound,
    query::QueryError, status::Details,
};

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The credentials are wrong.
    #[error("Unauthorized")]
    Unauthorized,
    /// Too many requests are under way.
    #[error("Too many requests, please try again later.")]
    TooManyRequests,
    /// The user may not do this.
    #[error("{message}")]
    Forbidden {
        /// The sentence of kube-apiserver for it.
        message: String,
        /// The object that was asked for, if it was one.
        details: Details,
    },
    /// Nobody could say who the user is, or whether the user may do this.
    #[error("Internal Server Error: {path:?}: {reason}")]
    ReviewFailed {
        /// The path that was asked for.
        path: String,
        /// Why the review failed.
        reason: String,
    },
    /// The request took longer than it may.
    #[error("Timeout: request did not complete within the allotted timeout")]
    Timeout,
    /// A path of no server.
    #[error("the path has a broken percent escape or is not UTF-8")]
    MalformedPath,
    /// A path that this server does not have; answered with those that it has.
    #[error("unknown path")]
    UnknownPath,
    /// A path inside the group that nothing can have.
    #[error("the server could not find the requested resource")]
    NoSuchResource,
    /// A path that ends too early.
    #[error("invalid request path: ask for namespaces/NAMESPACE/RESOURCE/NAME/METRIC, NAME may be *")]
    IncompletePath,
    /// Anything but GET.
    #[error("the server does not allow this method on the requested resource")]
    Method,
    /// A watch of values.
    #[error("watch is not supported on resources of kind \"*.external.metrics.k8s.io\"")]
    Watch,
    /// No format fits.
    #[error(transparent)]
    NotAcceptable(#[from] NotAcceptable),
    /// A parameter is not understood.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The cluster has no such resource.
    #[error("{}", unknown_resource(.0))]
    UnknownResource(UnknownResource),
    /// The objects of a resource cannot be listed now.
    #[error("{}", unavailable(.0))]
    Unavailable(Unavailable),
    /// There is no value.
    #[error(transparent)]
    NotFound(Box<NotFound>),
    /// There is no value of an external metric.
    #[error(transparent)]
    NoExternalMetric(Box<NoExternalMetric>),
    /// The answer could not be written down.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Upstream's sentence, then the resource that may have been meant.
fn unknown_resource(unknown: &UnknownResource) -> String {
    let (resource, group) = unknown.name.split_once('.').unwrap_or((&unknown.name, ""));
    let hint = match &unknown.nearest {
        Some(nearest) => format!("; the nearest is {nearest}"),
        None => String::new(),
    };
    format!(
        "no matches for {group}/, Resource={resource}: the cluster has no resource {:?}{hint}",
        unknown.name
    )
}

fn unavailable(unavailable: &Unavailable) -> String {
    match unavailable {
        Unavailable::Standalone => "objects cannot be listed without a cluster".to_owned(),
        Unavailable::NotSynced { resource } => {
            format!("the list of {resource} is still being read from the cluster; ask again in a second")
        }
        Unavailable::Forbidden { resource, message } => {
            format!("{message}; * needs the list: {}", grant(resource))
        }
    }
}
