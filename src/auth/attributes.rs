//! What is asked: the attributes that an access review is about, derived from method and URI alone.
//!
//! The rules are those of apiserver's RequestInfo (v1.36), so that a cluster's RBAC rules for metrics mean here what
//! they mean for every other extension server. Two of them are easy to get wrong: the path is percent-decoded
//! *before* it is split, and only one leading and trailing slash run is ignored, not an empty segment inside. A router
//! that reads the path in another way would serve something else than what was reviewed.

mod selectors;

use std::borrow::Cow;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

pub use selectors::{SelectorRequirement, asks_to_watch};

/// What a request asks for, as an access review sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Attributes {
    /// Something below `/apis/GROUP/VERSION/` or `/api/VERSION/`.
    Resource(ResourceAttributes),
    /// Anything else: discovery, health, `/metrics`, …
    Path {
        /// The method in lower case.
        verb: String,
        /// The decoded path.
        path: String,
    },
}

/// A request for a resource; an empty text means that the request has no such part.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ResourceAttributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; empty for other methods.
    pub verb: String,
    /// The API group, such as `custom.metrics.k8s.io`.
    pub group: String,
    /// The API version, such as `v1beta2`.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource as it stands in the path (`pods`, `deployments.apps`, `metrics`, an external metric's name).
    pub resource: String,
    /// The segment after the name: the metric.
    pub subresource: String,
    /// The object's name, or `*`.
    pub name: String,
    /// The `labelSelector`, for list, watch and deletecollection only.
    pub label_selector: Vec<SelectorRequirement>,
    /// The `fieldSelector`, for list, watch and deletecollection only.
    pub field_selector: Vec<SelectorRequirement>,
}

impl Attributes {
    /// The attributes of a request.
    ///
    /// Never fails: what upstream refuses to interpret (`/apis/G/V/watch` alone) has attributes that no sensible rule
    /// allows, and no route answers it.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let path = percent_decode_str(uri.path()).decode_utf8_lossy();
        match resource_segments(&path) {
            Some((group, version, rest)) => {
                let mut attributes = ResourceAttributes {
                    verb: verb_of(method).to_owned(),
                    group: group.to_owned(),
                    version: version.to_owned(),
                    ..ResourceAttributes::default()
                };
                attributes.place(&rest);
                attributes.select(uri.query().unwrap_or_default());
                Self::Resource(attributes)
            }
            None => Self::Path { verb: method.as_str().to_ascii_lowercase(), path: path.into_owned() },
        }
    }

    /// The verb that is reviewed.
    #[must_use]
    pub fn verb(&self) -> &str {
        match self {
            Self::Resource(resource) => &resource.verb,
            Self::Path { verb, .. } => verb,
        }
    }

    /// How many bytes of text the caller put in; bounds what a cache holds of it.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Path { verb, path } => verb.len() + path.len(),
            Self::Resource(r) => {
                let names =
                    [&r.verb, &r.group, &r.version, &r.namespace, &r.resource, &r.subresource, &r.name];
                let selectors = r.label_selector.iter().chain(&r.field_selector);
                names.iter().map(|name| name.len()).sum::<usize>()
                    + selectors.map(SelectorRequirement::text_bytes).sum::<usize>()
            }
        }
    }
}

impl ResourceAttributes {
    /// Reads `namespaces/NS/RESOURCE/NAME/SUBRESOURCE/…` or `RESOURCE/NAME/SUBRESOURCE/…`.
    fn place(&mut self, segments: &[&str]) {
        let segments = self.special_verb(segments);
        let segments = match segments {
            ["namespaces", namespace, rest @ ..] => {
                (*namespace).clone_into(&mut self.namespace);
                match rest {
                    // These two are subresources of the namespace itself, not resources in it.
                    [] | ["status" | "finalize", ..] => segments,
                    _ => rest,
                }
            }
            _ => segments,
        };
        let mut parts = segments.iter().map(|part| (*part).to_owned());
        self.resource = parts.next().unwrap_or_default();
        self.name = parts.next().unwrap_or_default();
        if self.verb != "proxy" {
            self.subresource = parts.next().unwrap_or_default();
        }
    }

    /// `/apis/G/V/watch/…` and `…/proxy/…` name their verb in the path.
    fn special_verb<'p, 's>(&mut self, segments: &'p [&'s str]) -> &'p [&'s str] {
        match segments {
            [verb @ ("watch" | "proxy"), rest @ ..] => {
                (*verb).clone_into(&mut self.verb);
                rest
            }
            _ => segments,
        }
    }

    /// A `get` or `delete` without a name is about a collection, and carries the selectors of the query.
    fn select(&mut self, query: &str) {
        if self.name.is_empty() && self.verb == "get" {
            let options = selectors::list_options(query);
            self.verb = if options.watch { "watch" } else { "list" }.to_owned();
            self.name = options.name.unwrap_or_default();
        }
        if self.name.is_empty() && self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
        if matches!(&*self.verb, "list" | "watch" | "deletecollection") {
            self.label_selector = selectors::label_requirements(query);
            self.field_selector = selectors::field_requirements(query);
        }
    }
}

/// Group, version and the segments behind them, when the path is one of a resource: `/api/V/x` or `/apis/G/V/x`.
fn resource_segments(path: &str) -> Option<(&str, &str, Vec<&str>)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => Some(("", *version, rest.to_vec())),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => Some((*group, *version, rest.to_vec())),
        _ => None,
    }
}

fn verb_of(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The first value of a query parameter, as Go's `url.Values.Get` gives it.
fn first<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
