//! Objects as kube-apiserver sends them: metadata, or a little more of those that lead to others.

use std::{borrow::Cow, fmt::Debug};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Link, LinkKind,
    link::{WireEndpoint, WireLink, WireLinkSpec},
};
use crate::{
    cluster::wire::{WireMeta, slim},
    model::GroupResource,
};

/// An object that leads to pods or to Services.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::cluster) struct WireLinked {
    #[serde(deserialize_with = "slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<WireLinkSpec>,
    #[serde(default)]
    endpoints: Option<Vec<WireEndpoint>>,
}

/// An object of any resource, as much of it as is needed.
pub(in crate::cluster) trait WireObject:
    Resource<DynamicType = ApiResource> + Clone + Debug + DeserializeOwned + Send + 'static
{
    /// Its metadata, and where it leads to.
    fn parts(self, resource: &GroupResource) -> (ObjectMeta, Option<Link>);
}

impl WireObject for WireMeta {
    fn parts(self, _: &GroupResource) -> (ObjectMeta, Option<Link>) {
        (self.metadata, None)
    }
}

impl WireObject for WireLinked {
    fn parts(self, resource: &GroupResource) -> (ObjectMeta, Option<Link>) {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let wire = WireLink { spec: self.spec, endpoints: self.endpoints };
        let link = LinkKind::of(resource).map(|kind| wire.link(kind, namespace));
        (self.metadata, link)
    }
}

impl Resource for WireLinked {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
