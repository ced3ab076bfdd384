//! Discovery: which metrics exist.
//!
//! kube-apiserver probes `/apis/G/V` five times every 30 s for each version, and every client that does discovery
//! downloads what kube-apiserver makes of it. So the list is capped, and its bytes are made once for each change of
//! the store's catalog, not for each request.
//!
//! The list is never empty: clients up to 1.27 report an empty group version as a failure (`Got empty response`).
//! Without any metric it has upstream's own placeholder, `/custommetrics`, which has lived in clusters for years:
//! its slash keeps it out of `kubectl api-resources`, and its only verb, `get`, out of namespace deletion.

mod aggregated;
mod documents;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};

use crate::{
    model::{GroupResource, Scope},
    store::{Catalog, Store},
};

use super::{
    encode::{EncodeError, Format},
    error::ApiError,
    negotiation::{Asked, GroupsForm, Offer},
    reply::{Content, etag},
    route::{GROUP, Probe, Version},
    view::ClusterView,
};
use aggregated::Aggregated;
use documents::{Group, GroupList, Paths, Resource, ResourceList};

/// The discovery documents of the metrics that exist now.
pub(super) struct Discovery {
    store: Store,
    cluster: Arc<dyn ClusterView>,
    max_metrics: usize,
    listing: ArcSwap<Listing>,
}

/// What one generation of the catalog becomes.
struct Listing {
    generation: Option<u64>,
    resources: Vec<Resource>,
    aggregated: Option<(Bytes, HeaderValue)>,
    legacy: Vec<(Version, Bytes)>,
}

impl Discovery {
    /// Lists at most `max_metrics` of the metrics in `store`.
    pub(super) fn new(store: Store, cluster: Arc<dyn ClusterView>, max_metrics: usize) -> Self {
        let listing =
            Listing { generation: None, resources: Vec::new(), aggregated: None, legacy: Vec::new() };
        Self { store, cluster, max_metrics, listing: ArcSwap::from_pointee(listing) }
    }

    /// `/apis/custom.metrics.k8s.io/v1beta2`
    pub(super) fn resources(&self, version: Version, asked: &Asked) -> Result<Response, ApiError> {
        let format = asked.format(Offer::Documents)?;
        let listing = self.current()?;
        let ready = listing.legacy.iter().find(|(of, _)| *of == version);
        let content = match ready {
            Some((_, body)) if format == Format::Json && !asked.pretty => Content::json(body.clone()),
            _ => {
                let document = ResourceList { version, resources: &listing.resources };
                Content::of(&document, format, asked.pretty)?
            }
        };
        Ok(content.reply(StatusCode::OK, asked))
    }

    /// `/apis`, aggregated or not.
    pub(super) fn groups(&self, asked: &Asked) -> Result<Response, ApiError> {
        match asked.groups_form()? {
            GroupsForm::Plain(format) => {
                Ok(Content::of(&GroupList, format, asked.pretty)?.reply(StatusCode::OK, asked))
            }
            GroupsForm::Aggregated(format) => self.aggregated(format, asked),
        }
    }

    /// `/apis/custom.metrics.k8s.io`
    pub(super) fn group(asked: &Asked) -> Result<Response, ApiError> {
        let format = asked.format(Offer::Documents)?;
        Ok(Content::of(&Group, format, asked.pretty)?.reply(StatusCode::OK, asked))
    }

    fn aggregated(&self, format: Format, asked: &Asked) -> Result<Response, ApiError> {
        let listing = self.current()?;
        let document = Aggregated { resources: &listing.resources };
        let (json, tag) = match &listing.aggregated {
            Some(ready) => ready.clone(),
            None => aggregated_json(&listing.resources)?,
        };
        let body = match format {
            Format::Json if !asked.pretty => json,
            _ => format.encode(&document, asked.pretty)?.into(),
        };
        let media_type =
            format!("{};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", format.media_type());
        let media_type =
            HeaderValue::from_str(&media_type).unwrap_or(HeaderValue::from_static("application/json"));
        let mut response = Content { media_type, body }.reply_unless_current(&tag, asked);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        Ok(response)
    }

    /// The listing of the catalog as it is now. Two requests that see a change at once both make it; the last wins,
    /// and the next request looks again.
    fn current(&self) -> Result<Arc<Listing>, EncodeError> {
        let catalog = self.store.catalog();
        let listing = self.listing.load_full();
        if listing.generation == Some(catalog.generation) {
            return Ok(listing);
        }
        let listing = Arc::new(self.list(&catalog)?);
        self.listing.store(Arc::clone(&listing));
        Ok(listing)
    }

    fn list(&self, catalog: &Catalog) -> Result<Listing, EncodeError> {
        let omitted = catalog.metrics.len().saturating_sub(self.max_metrics);
        if omitted > 0 {
            tracing::debug!(omitted, limit = self.max_metrics, "discovery does not list every metric");
        }
        let metrics = catalog.metrics.iter().take(self.max_metrics);
        let mut resources: Vec<Resource> =
            metrics.map(|(of, metric)| Resource::of(of, metric, self.is_namespaced(of))).collect();
        if resources.is_empty() {
            resources.push(Resource::placeholder());
        }
        let legacy = Version::ALL
            .into_iter()
            .map(|version| {
                let document = ResourceList { version, resources: &resources };
                Format::Json.encode(&document, false).map(|body| (version, Bytes::from(body)))
            })
            .collect::<Result<_, _>>()?;
        let aggregated = Some(aggregated_json(&resources)?);
        Ok(Listing { generation: Some(catalog.generation), resources, aggregated, legacy })
    }

    /// What discovery of the cluster does not know is taken for namespaced, as almost every resource is.
    fn is_namespaced(&self, resource: &GroupResource) -> bool {
        self.cluster.resolve(&resource.to_string()).map_or(true, |known| known.scope == Scope::Namespaced)
    }
}

fn aggregated_json(resources: &[Resource]) -> Result<(Bytes, HeaderValue), EncodeError> {
    let json = Bytes::from(Format::Json.encode(&Aggregated { resources }, false)?);
    let tag = etag(&json);
    Ok((json, tag))
}

/// The paths of this server, which `/` lists, and with a 404 every path that is not among them.
pub(super) fn paths(
    checks: impl Fn(Probe) -> Vec<std::borrow::Cow<'static, str>>,
) -> Result<Content, EncodeError> {
    let mut paths: Vec<String> =
        ["/apis", "/openapi/v2", "/openapi/v3", "/version"].map(str::to_owned).into();
    paths.push(format!("/apis/{GROUP}"));
    paths.extend(Version::ALL.map(|version| format!("/apis/{}", version.group_version())));
    for probe in [Probe::Healthz, Probe::Livez, Probe::Readyz] {
        let root = format!("/{}", probe.as_str());
        paths.extend(checks(probe).into_iter().map(|name| format!("{root}/{name}")));
        paths.push(root);
    }
    paths.sort();
    Ok(Content::json(Format::Json.encode(&Paths { paths }, true)?))
}
