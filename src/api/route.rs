//! The path of a request, as a value. A pure function of the text, so that it can be fuzzed.
//!
//! A path is split at its slashes first and each segment decoded after that, so an encoded slash never becomes a
//! separator: what was authorised by one reading of a path cannot be served by another.

use percent_encoding::percent_decode_str;

pub use super::group::{Group, GroupVersion, Version};

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// `/`: the list of paths.
    Root,
    /// `/healthz`, `/livez`, `/readyz`, or one check of theirs.
    Health(Probe, Option<String>),
    /// `/version`
    Version,
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    OpenApiV3,
    /// `/apis`
    Groups,
    /// `/apis/custom.metrics.k8s.io`
    Group(Group),
    /// `/apis/custom.metrics.k8s.io/v1beta2`: the metrics that exist.
    Resources(GroupVersion),
    /// Values of objects.
    Metrics(Version, MetricsPath),
    /// Values of an external metric.
    External(ExternalPath),
    /// A path inside a group that nothing can have.
    NoSuchResource,
    /// A path inside a group version that ends too early: `…/namespaces/default/pods`.
    Incomplete,
    /// A path that is not of this server.
    Unknown,
    /// A path that is no path: a broken percent escape or bytes that are not UTF-8.
    Malformed,
}

/// The health endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// `/healthz`
    Healthz,
    /// `/livez`
    Livez,
    /// `/readyz`
    Readyz,
}

/// Whose values, and of which metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricsPath {
    /// The namespace in the path. The HPA puts its own there for cluster-scoped objects too.
    pub namespace: Option<String>,
    /// The resource as it was written: `pods`, `deployments.apps`.
    pub resource: String,
    /// Which object, or every one.
    pub objects: Objects,
    /// Which metric; `None` is every metric of the object.
    pub metric: Option<String>,
}

/// Which external metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalPath {
    /// The namespace that has it.
    pub namespace: String,
    /// Its name.
    pub metric: String,
}

/// The name segment of a metrics path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Objects {
    /// This object.
    Named(String),
    /// `*`: every object that the selector selects.
    All,
}

impl Route {
    /// Reads `path`: the path of a URI, still percent-encoded, without a query.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let Some(segments) = decode(path) else { return Self::Malformed };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some((last, front)) = segments.split_last() else { return Self::Unknown };
        let trailing_slash = last.is_empty();
        let segments = if trailing_slash { front } else { &segments };
        match *segments {
            [] => Self::Root,
            ["apis", ref rest @ ..] => Self::of_apis(rest),
            ["openapi", "v2"] => Self::OpenApiV2,
            ["openapi", "v3"] => Self::OpenApiV3,
            ["version"] => Self::Version,
            [endpoint, ref check @ ..] if !trailing_slash => Self::of_health(endpoint, check),
            _ => Self::Unknown,
        }
    }

    fn of_health(endpoint: &str, check: &[&str]) -> Self {
        let probe = match endpoint {
            "healthz" => Probe::Healthz,
            "livez" => Probe::Livez,
            "readyz" => Probe::Readyz,
            _ => return Self::Unknown,
        };
        Self::Health(probe, (!check.is_empty()).then(|| check.join("/")))
    }

    fn of_apis(segments: &[&str]) -> Self {
        match *segments {
            [] => Self::Groups,
            [group, ref rest @ ..] => {
                Group::parse(group).map_or(Self::Unknown, |group| Self::of_group(group, rest))
            }
        }
    }

    fn of_group(group: Group, segments: &[&str]) -> Self {
        let Some((version, rest)) = segments.split_first() else { return Self::Group(group) };
        let known = group.versions().iter().find(|known| known.version() == *version);
        known.map_or(Self::NoSuchResource, |known| known.route(rest))
    }
}

impl GroupVersion {
    fn route(self, segments: &[&str]) -> Route {
        if segments.iter().any(|segment| segment.is_empty() || segment.contains('/')) {
            return Route::NoSuchResource;
        }
        match (self, segments) {
            (_, []) => Route::Resources(self),
            // Access reviews read these segments as a verb or a subresource (RequestInfo), so no resource is here.
            (_, ["watch" | "proxy", ..] | ["namespaces", _, "status" | "finalize", ..]) => {
                Route::NoSuchResource
            }
            (Self::Custom(version), segments) => version.route(segments),
            (Self::External, ["namespaces", namespace, metric]) => Route::External(ExternalPath {
                namespace: (*namespace).to_owned(),
                metric: (*metric).to_owned(),
            }),
            (Self::External, _) => Route::NoSuchResource,
        }
    }
}

impl Version {
    fn route(self, segments: &[&str]) -> Route {
        match *segments {
            ["namespaces", _, _] => Route::Incomplete,
            ["namespaces", name, "metrics", metric] => self.path(None, "namespaces", name, Some(metric)),
            ["namespaces", namespace, resource, name] => self.path(Some(namespace), resource, name, None),
            ["namespaces", namespace, resource, name, metric] => {
                self.path(Some(namespace), resource, name, Some(metric))
            }
            [resource, name] => self.path(None, resource, name, None),
            [resource, name, metric] => self.path(None, resource, name, Some(metric)),
            _ => Route::NoSuchResource,
        }
    }

    fn path(self, namespace: Option<&str>, resource: &str, name: &str, metric: Option<&str>) -> Route {
        let objects = match name {
            // Every metric of every object has no use that is worth its size.
            "*" if metric.is_none() => return Route::Incomplete,
            "*" => Objects::All,
            name => Objects::Named(name.to_owned()),
        };
        let namespace = namespace.map(str::to_owned);
        let metric = metric.map(str::to_owned);
        Route::Metrics(self, MetricsPath { namespace, resource: resource.to_owned(), objects, metric })
    }
}

impl Probe {
    /// `readyz`
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }
}

/// The segments of an absolute path, decoded.
fn decode(path: &str) -> Option<Vec<String>> {
    let escapes = path.split('%').skip(1);
    let broken = |rest: &str| !rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2);
    if escapes.into_iter().any(broken) {
        return None;
    }
    let decoded = |segment| percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    path.strip_prefix('/')?.split('/').map(decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(path: &str) -> Option<String> {
        match Route::of(&format!("/apis/custom.metrics.k8s.io/v1beta2/{path}")) {
            Route::Metrics(Version::V1Beta2, path) => {
                let name = match &path.objects {
                    Objects::Named(name) => name,
                    Objects::All => "ALL",
                };
                let namespace = path.namespace.as_deref().unwrap_or("-");
                let metric = path.metric.as_deref().unwrap_or("-");
                Some(format!("{namespace} {} {name} {metric}", path.resource))
            }
            _ => None,
        }
    }

    #[test]
    fn metrics_paths_name_objects_and_metrics() {
        for (path, wanted) in [
            ("namespaces/default/pods/web-0/qps", "default pods web-0 qps"),
            ("namespaces/default/pods/web-0/qps/", "default pods web-0 qps"),
            ("namespaces/default/pods/*/qps", "default pods ALL qps"),
            ("namespaces/default/pods/%2A/qps", "default pods ALL qps"),
            ("namespaces/default/pods/%2a/a%20b", "default pods ALL a b"),
            ("namespaces/default/pods/web-0/m%C3%A9", "default pods web-0 mé"),
            (
                "namespaces/default/ingresses.networking.k8s.io/ing/rps",
                "default ingresses.networking.k8s.io ing rps",
            ),
            ("namespaces/default/pods/web-0", "default pods web-0 -"),
            ("namespaces/default/pods/web-0/", "default pods web-0 -"),
            ("namespaces/default/metrics/depth", "- namespaces default depth"),
            ("namespaces/*/metrics/depth", "- namespaces ALL depth"),
            ("namespaces/default", "- namespaces default -"),
            ("nodes/node-1/load", "- nodes node-1 load"),
            ("nodes/node-1", "- nodes node-1 -"),
            ("nodes/*/load", "- nodes ALL load"),
            ("namespaces/default/nodes/node-1/load", "default nodes node-1 load"),
            ("namespaces/default/pods/../qps", "default pods .. qps"),
        ] {
            assert_eq!(metrics(path).as_deref(), Some(wanted), "{path}");
        }
    }

    #[test]
    fn paths_that_no_metric_has_stay_inside_their_group() {
        for path in [
            "pods",
            "namespaces/default/pods/web-0/qps/x",
            "namespaces/default/pods/web-0/a%2Fb",
            "namespaces/default/pods%2Fweb-0/qps",
            "namespaces//pods/web-0/qps",
            "namespaces/default/pods/web-0/qps//",
            "watch/pods/qps",
            "namespaces/default/status/web-0/qps",
            "/",
        ] {
            let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{path}");
            assert_eq!(Route::of(&path), Route::NoSuchResource, "{path}");
        }
        assert_eq!(Route::of("/apis/custom.metrics.k8s.io/v1"), Route::NoSuchResource);
    }

    #[test]
    fn an_external_metric_is_asked_for_in_its_namespace_and_nowhere_else() {
        let route = |path: &str| Route::of(&format!("/apis/external.metrics.k8s.io/v1beta1/{path}"));
        for (path, namespace, metric) in [
            ("namespaces/shop/queue_depth", "shop", "queue_depth"),
            ("namespaces/shop/queue%20depth/", "shop", "queue depth"),
            ("namespaces/shop/metrics", "shop", "metrics"),
        ] {
            let wanted = ExternalPath { namespace: namespace.to_owned(), metric: metric.to_owned() };
            assert_eq!(route(path), Route::External(wanted), "{path}");
        }
        for path in [
            "queue_depth",
            "namespaces/shop",
            "namespaces/shop/queue_depth/x",
            "namespaces/shop/status",
            "namespaces/shop/a%2Fb",
            "namespaces//queue_depth",
            "watch/namespaces/shop/queue_depth",
        ] {
            assert_eq!(route(path), Route::NoSuchResource, "{path}");
        }
        assert_eq!(Route::of("/apis/external.metrics.k8s.io/v1beta2"), Route::NoSuchResource);
    }

    #[test]
    fn paths_that_end_too_early_are_incomplete() {
        for path in
            ["namespaces/default/pods", "namespaces/default/qps/", "namespaces/default/pods/*", "nodes/*/"]
        {
            let path = format!("/apis/custom.metrics.k8s.io/v1beta2/{path}");
            assert_eq!(Route::of(&path), Route::Incomplete, "{path}");
        }
    }

    #[test]
    fn documents_have_their_paths_with_and_without_a_slash() {
        for (path, wanted) in [
            ("/", Route::Root),
            ("/apis", Route::Groups),
            ("/apis/", Route::Groups),
            ("/apis/custom.metrics.k8s.io", Route::Group(Group::Custom)),
            ("/apis/external.metrics.k8s.io", Route::Group(Group::External)),
            (
                "/apis/custom.metrics.k8s.io/v1beta1/",
                Route::Resources(GroupVersion::Custom(Version::V1Beta1)),
            ),
            ("/apis/external.metrics.k8s.io/v1beta1", Route::Resources(GroupVersion::External)),
            ("/openapi/v2", Route::OpenApiV2),
            ("/openapi/v3/", Route::OpenApiV3),
            ("/version/", Route::Version),
        ] {
            assert_eq!(Route::of(path), wanted, "{path}");
        }
    }

    #[test]
    fn health_endpoints_have_checks_and_no_trailing_slash() {
        assert_eq!(Route::of("/healthz"), Route::Health(Probe::Healthz, None));
        assert_eq!(Route::of("/readyz/a/b"), Route::Health(Probe::Readyz, Some("a/b".into())));
        assert_eq!(Route::of("/healthz/"), Route::Unknown);
    }

    #[test]
    fn other_paths_are_unknown_and_broken_ones_malformed() {
        for path in ["/foo", "//", "/apis//custom.metrics.k8s.io", "/apis/metrics.k8s.io", "/openapi"] {
            assert_eq!(Route::of(path), Route::Unknown, "{path}");
        }
        for path in ["", "*", "/%", "/%2", "/%zz", "/%ff"] {
            assert_eq!(Route::of(path), Route::Malformed, "{path}");
        }
    }
}
