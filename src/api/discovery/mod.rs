//! Discovery: which metrics exist.
//!
//! kube-apiserver probes `/apis/G/V` five times every 30 s for each version, and every client that does discovery
//! downloads what kube-apiserver makes of it. So the list is capped, in metrics and in bytes, and its bytes are made once
//! for each change of the store's catalog, not for each request.
//!
//! The list is never empty: clients up to 1.27 report an empty group version as a failure (`Got empty response`).
//! Without any metric it has upstream's own placeholder, `/custommetrics` or `externalmetrics`, which have lived in
//! clusters for years: their only verb, `get`, keeps them out of namespace deletion, as it does every metric.

mod aggregated;
mod asked;
mod documents;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use jiff::Timestamp;

use crate::{
    model::{GroupResource, MetricName, Scope},
    store::{Catalog, Store},
};

use super::{
    encode::{EncodeError, Format},
    error::ApiError,
    group::{Group, GroupVersion},
    negotiation::{Asked, GroupsForm, Offer},
    not_found::Names,
    reply::{Content, etag},
    route::Probe,
    view::ClusterView,
};
use aggregated::Aggregated;
pub(super) use asked::AskedFor;
use documents::{GroupDocument, GroupList, Paths, Resource, ResourceList};

/// The discovery documents of the metrics that exist now.
pub(super) struct Discovery {
    store: Store,
    cluster: Arc<dyn ClusterView>,
    max_metrics: usize,
    listing: ArcSwap<Listing>,
    asked: AskedFor,
}

/// What one generation of the catalog becomes.
#[derive(Default)]
struct Listing {
    /// Of the catalog, of what is computed from pods, and of the names of the cluster's resources.
    generations: Option<(u64, u64, u64)>,
    metrics: Metrics,
    /// External metrics that are not listed because of their names.
    hidden: Vec<MetricName>,
    aggregated: Option<(Bytes, HeaderValue)>,
    legacy: Vec<(GroupVersion, Bytes)>,
}

/// What is listed of each group.
#[derive(Default)]
struct Metrics {
    custom: Vec<Resource>,
    external: Vec<Resource>,
}

impl Metrics {
    fn of(&self, group: Group) -> &[Resource] {
        match group {
            Group::Custom => &self.custom,
            Group::External => &self.external,
        }
    }
}

impl Discovery {
    /// Lists at most `max_metrics` of the metrics in `store`, and at most [`MAX_BYTES`], of each group.
    pub(super) fn new(store: Store, cluster: Arc<dyn ClusterView>, max_metrics: usize) -> Self {
        Self { store, cluster, max_metrics, listing: ArcSwap::default(), asked: AskedFor::default() }
    }

    /// Where reads say what they have computed.
    pub(super) fn asked_for(&self) -> &AskedFor {
        &self.asked
    }

    /// `/apis/custom.metrics.k8s.io/v1beta2`
    pub(super) fn resources(&self, group_version: GroupVersion, asked: &Asked) -> Result<Response, ApiError> {
        let format = asked.format(Offer::Documents)?;
        let listing = self.current()?;
        let ready = listing.legacy.iter().find(|(of, _)| *of == group_version);
        let content = match ready {
            Some((_, body)) if format == Format::Json && !asked.pretty => Content::json(body.clone()),
            _ => {
                let resources = listing.metrics.of(group_version.group());
                let document = ResourceList { group_version, resources };
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
    pub(super) fn group(group: Group, asked: &Asked) -> Result<Response, ApiError> {
        let format = asked.format(Offer::Documents)?;
        Ok(Content::of(&GroupDocument(group), format, asked.pretty)?.reply(StatusCode::OK, asked))
    }

    fn aggregated(&self, format: Format, asked: &Asked) -> Result<Response, ApiError> {
        let listing = self.current()?;
        let document = Aggregated { metrics: &listing.metrics };
        let (json, tag) = match &listing.aggregated {
            Some(ready) => ready.clone(),
            None => aggregated_json(&listing.metrics)?,
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
        let asked = self.asked.generation(Timestamp::now());
        let generations = (catalog.generation, asked, self.cluster.names_generation());
        let listing = self.listing.load_full();
        if listing.generations == Some(generations) {
            return Ok(listing);
        }
        let before = listing;
        let listing = Arc::new(Listing {
            generations: Some(generations),
            ..self.list(&self.asked.added_to(&catalog))?
        });
        if listing.hidden != before.hidden && !listing.hidden.is_empty() {
            tracing::info!(
                metrics = %Names(&listing.hidden),
                "external metrics are served but not listed: resources of the cluster have their names"
            );
        }
        self.listing.store(Arc::clone(&listing));
        Ok(listing)
    }

    fn list(&self, catalog: &Catalog) -> Result<Listing, EncodeError> {
        let listed = listed(
            catalog,
            self.max_metrics,
            |resource| self.cluster.find(&resource.to_string()).is_some(),
            |name| self.cluster.is_resource_name(name),
        );
        let custom =
            listed.custom.iter().map(|(of, metric)| Resource::of(of, metric, self.is_namespaced(of)));
        let metrics = Metrics {
            custom: shown(Group::Custom, custom.collect(), catalog.metrics.len()),
            external: shown(
                Group::External,
                listed.external.iter().map(|metric| Resource::external(metric)).collect(),
                catalog.external.len(),
            ),
        };
        let legacy = GroupVersion::all()
            .map(|group_version| {
                let document = ResourceList { group_version, resources: metrics.of(group_version.group()) };
                Format::Json.encode(&document, false).map(|body| (group_version, Bytes::from(body)))
            })
            .collect::<Result<_, _>>()?;
        let aggregated = Some(aggregated_json(&metrics)?);
        let hidden = listed.hidden.into_iter().cloned().collect();
        Ok(Listing { generations: None, metrics, hidden, aggregated, legacy })
    }

    /// What discovery of the cluster does not know is taken for namespaced, as almost every resource is.
    fn is_namespaced(&self, resource: &GroupResource) -> bool {
        self.cluster.find(&resource.to_string()).is_none_or(|known| known.scope == Scope::Namespaced)
    }
}

/// What discovery shows of a group: not nothing.
fn shown(group: Group, mut resources: Vec<Resource>, metrics: usize) -> Vec<Resource> {
    let omitted = metrics.saturating_sub(resources.len());
    if omitted > 0 {
        let limit = resources.len();
        tracing::debug!(group = group.as_str(), omitted, limit, "discovery does not list every metric");
    }
    if resources.is_empty() {
        resources.push(Resource::placeholder(group));
    }
    resources
}

/// The metrics that discovery lists.
pub struct Listed<'c> {
    /// Of resources.
    pub custom: Vec<&'c (GroupResource, MetricName)>,
    /// External ones.
    pub external: Vec<&'c MetricName>,
    /// External ones that are not listed because a resource of the cluster has their name.
    pub hidden: Vec<&'c MetricName>,
}

/// What discovery lists of `catalog`: at most `max_metrics` of each group, and no more than fit `MAX_BYTES`.
///
/// Metrics of resources that the cluster does not serve cannot be read and are not listed.
///
/// An external metric is listed as a resource, by its bare name. Clients look a name up in all groups, and kubectl
/// expands a short name only where no resource is called so: a metric `po` would take `kubectl get po` away from
/// everybody. `is_resource_name` tells such names; they are read all the same, since an HPA does no discovery.
#[must_use]
pub fn listed(
    catalog: &Catalog,
    max_metrics: usize,
    is_served: impl Fn(&GroupResource) -> bool,
    is_resource_name: impl Fn(&str) -> bool,
) -> Listed<'_> {
    let length = |(of, metric): &&(GroupResource, MetricName)| {
        of.resource.len() + of.group.len() + ".".len() + "/".len() + metric.as_str().len()
    };
    let custom = catalog.metrics.iter().filter(|(resource, _)| is_served(resource));
    let (hidden, external): (Vec<_>, Vec<_>) =
        catalog.external.iter().partition(|metric| is_resource_name(metric.as_str()));
    Listed {
        custom: fitting(max_metrics, custom, length),
        external: fitting(max_metrics, external.into_iter(), |metric| metric.as_str().len()),
        hidden,
    }
}

/// The first of `names` that are listed.
fn fitting<T>(max_metrics: usize, names: impl Iterator<Item = T>, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut bytes = 0;
    let fits = |name: &T| {
        bytes += length(name) + Resource::BYTES;
        bytes <= MAX_BYTES
    };
    names.take(max_metrics).take_while(fits).collect()
}

/// The list of one version of a group, as JSON: a thousand names of some thirty bytes. With names of the greatest
/// length a thousand would be three times that.
const MAX_BYTES: usize = 128 * 1024;

fn aggregated_json(metrics: &Metrics) -> Result<(Bytes, HeaderValue), EncodeError> {
    let json = Bytes::from(Format::Json.encode(&Aggregated { metrics }, false)?);
    let tag = etag(&json);
    Ok((json, tag))
}

/// The paths of this server, which `/` lists, and with a 404 every path that is not among them.
pub(super) fn paths(
    checks: impl Fn(Probe) -> Vec<std::borrow::Cow<'static, str>>,
) -> Result<Content, EncodeError> {
    let mut paths: Vec<String> =
        ["/apis", "/openapi/v2", "/openapi/v3", "/version"].map(str::to_owned).into();
    paths.extend(Group::ALL.map(|group| format!("/apis/{}", group.as_str())));
    paths.extend(GroupVersion::all().map(|version| format!("/apis/{}", version.as_str())));
    for probe in [Probe::Healthz, Probe::Livez, Probe::Readyz] {
        let root = format!("/{}", probe.as_str());
        paths.extend(checks(probe).into_iter().map(|name| format!("{root}/{name}")));
        paths.push(root);
    }
    paths.sort();
    Ok(Content::json(Format::Json.encode(&Paths { paths }, true)?))
}
