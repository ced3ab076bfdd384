//! Any text as the path of a read: no panic, and what is served is what was reviewed. A path that the router and the
//! access review read differently would let one object's reader see another's.
#![no_main]

use custom_metrics_adapter::{
    api::route::{ExternalPath, Group, GroupVersion, MetricsPath, Objects, Route, Version},
    auth::{Attributes, ResourceAttributes},
};
use custom_metrics_adapter_fuzz::encoded;
use http::{Method, Uri};

libfuzzer_sys::fuzz_target!(|path: &str| {
    let _ = Route::of(path);
    let Ok(uri) = path.parse::<Uri>() else { return };
    let attributes = Attributes::of(&Method::GET, &uri);
    match Route::of(uri.path()) {
        Route::Metrics(version, path) => {
            let Attributes::Resource(reviewed) = attributes else { panic!("{path:?} is reviewed as a path") };
            assert_eq!(served(version, &path), names(&reviewed), "{path:?}");
            assert_eq!(reviewed.verb, "get");
            assert_eq!(Route::of(&written(version, &path)), Route::Metrics(version, path));
        }
        Route::External(path) => {
            let Attributes::Resource(reviewed) = attributes else { panic!("{path:?} is reviewed as a path") };
            assert_eq!(listed(&path), names(&reviewed), "{path:?}");
            assert_eq!(reviewed.verb, "list");
            let again = encoded(
                &format!("/apis/{}", GroupVersion::External.as_str()),
                ["namespaces", &path.namespace, &path.metric],
            );
            assert_eq!(Route::of(&again), Route::External(path));
        }
        // Nothing is served, so that it does not matter what was reviewed.
        Route::NoSuchResource | Route::Incomplete | Route::Unknown | Route::Malformed => {}
        route => assert!(matches!(attributes, Attributes::Path { .. }), "{route:?} is reviewed as a resource"),
    }
});

/// Group, version, namespace, resource, name and subresource.
type Names<'a> = [&'a str; 6];

fn names(attributes: &ResourceAttributes) -> Names<'_> {
    let ResourceAttributes { group, version, namespace, resource, name, subresource, .. } = attributes;
    [group, version, namespace, resource, name, subresource]
}

/// What a review has to name for `path`. A namespace's own metrics are reviewed as upstream's clients ask for them:
/// `metrics` in that namespace, by name; the namespace object is in itself.
fn served(version: Version, path: &MetricsPath) -> Names<'_> {
    let name = name(path);
    let metric = path.metric.as_deref().unwrap_or_default();
    let (namespace, resource, name, subresource) = match (path.namespace.as_deref(), &*path.resource) {
        (None, "namespaces") if !metric.is_empty() => (name, "metrics", metric, ""),
        (None, "namespaces") => (name, "namespaces", name, ""),
        (namespace, resource) => (namespace.unwrap_or_default(), resource, name, metric),
    };
    [Group::Custom.as_str(), version.as_str(), namespace, resource, name, subresource]
}

fn listed(path: &ExternalPath) -> Names<'_> {
    let version = GroupVersion::External;
    [version.group().as_str(), version.version(), &path.namespace, &path.metric, "", ""]
}

fn name(path: &MetricsPath) -> &str {
    match &path.objects {
        Objects::Named(name) => name,
        Objects::All => "*",
    }
}

fn written(version: Version, path: &MetricsPath) -> String {
    let own = path.namespace.is_none() && path.resource == "namespaces" && path.metric.is_some();
    let namespace = path.namespace.iter().flat_map(|namespace| ["namespaces", namespace]);
    let object = [&*path.resource, name(path)].into_iter().chain(own.then_some("metrics"));
    let front = format!("/apis/{}", version.group_version());
    encoded(&front, namespace.chain(object).chain(path.metric.as_deref()))
}
