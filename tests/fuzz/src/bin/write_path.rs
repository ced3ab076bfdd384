//! Any text as the path of a write: no panic, a refusal is the writer's mistake, and what is taken names the same
//! object again when its parts are encoded into a path.
#![no_main]

use custom_metrics_adapter::write::WritePath;
use custom_metrics_adapter_fuzz::encoded;

libfuzzer_sys::fuzz_target!(|path: &str| match WritePath::parse(path) {
    Err(error) => {
        assert!(error.status().is_client_error());
        assert!(!error.to_string().is_empty());
    }
    Ok(parsed) => {
        let WritePath { namespace, resource, name, metric } = &parsed;
        let object = [resource, name, metric.as_str()];
        let namespaces = namespace.iter().flat_map(|namespace| ["namespaces", namespace]);
        let again = encoded("/write-metrics", namespaces.chain(object));
        assert_eq!(WritePath::parse(&again).unwrap(), parsed, "{again}");
        assert_eq!(WritePath::new(namespace.as_deref(), resource, name, metric.as_str()).unwrap(), parsed);
    }
});
