//! Any text as the path of a write: no panic, a refusal is the writer's mistake, and what is taken names the same
//! subject again when its parts are encoded into a path.
#![no_main]

use custom_metrics_adapter::write::{NamedObject, NamedSubject, WritePath};
use custom_metrics_adapter_fuzz::encoded;

libfuzzer_sys::fuzz_target!(|path: &str| match WritePath::parse(path) {
    Err(error) => {
        assert!(error.status().is_client_error());
        assert!(!error.to_string().is_empty());
    }
    Ok(parsed) => {
        let (again, from_parts) = written(&parsed);
        assert_eq!(WritePath::parse(&again).unwrap(), parsed, "{again}");
        assert_eq!(from_parts, parsed);
    }
});

/// Its path, and what its parts make.
fn written(path: &WritePath) -> (String, WritePath) {
    let metric = path.metric.as_str();
    match &path.subject {
        NamedSubject::Object(NamedObject { namespace, resource, name }) => {
            let namespaces = namespace.iter().flat_map(|namespace| ["namespaces", namespace]);
            let again = encoded("/write-metrics", namespaces.chain([&**resource, &**name, metric]));
            (again, WritePath::object(namespace.as_deref(), resource, name, metric).unwrap())
        }
        NamedSubject::External { namespace } => {
            let again = encoded("/write-metrics", ["namespaces", namespace, "external", metric]);
            (again, WritePath::external(namespace, metric).unwrap())
        }
    }
}
