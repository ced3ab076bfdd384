//! The path of a write, before its resource is known to exist.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::MetricName;

use super::{WriteError, names};

/// What a path or a batch line names: texts checked for shape, not yet looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WritePath {
    /// What it is about.
    pub subject: NamedSubject,
    /// The metric.
    pub metric: MetricName,
}

/// What a value is about, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamedSubject {
    /// An object.
    Object(NamedObject),
    /// Nothing in the cluster; a namespace has it.
    External {
        /// The namespace.
        namespace: String,
    },
}

/// An object, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedObject {
    /// The namespace, if there is one.
    pub namespace: Option<String>,
    /// The resource: `pods`, `po`, `Pod`, `deployments.apps`.
    pub resource: String,
    /// The object's name.
    pub name: String,
}

impl WritePath {
    /// Parses the path of a request, percent-encoding included; one trailing slash is let pass.
    ///
    /// # Errors
    /// When it is none of the paths that the module lists, or a segment cannot be what its place asks for.
    pub fn parse(path: &str) -> Result<Self, WriteError> {
        let rest = path.strip_prefix(PREFIX).ok_or_else(|| WriteError::NoRoute(path.to_owned()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match *texts.as_slice() {
            ["namespaces", namespace, resource, name, metric] => {
                Self::object(Some(namespace), resource, name, metric)
            }
            ["namespaces", name, "metrics", metric] => Self::object(None, "namespaces", name, metric),
            ["namespaces", namespace, "external", metric] => Self::external(namespace, metric),
            [resource, name, metric] => Self::object(None, resource, name, metric),
            _ => Err(WriteError::NoRoute(path.to_owned())),
        }
    }

    /// Checks the parts of a batch line or of a path that names an object.
    ///
    /// # Errors
    /// When a part cannot be what its place asks for.
    pub fn object(
        namespace: Option<&str>,
        resource: &str,
        name: &str,
        metric: &str,
    ) -> Result<Self, WriteError> {
        let object = NamedObject {
            namespace: namespace.map(self::namespace).transpose()?,
            resource: segment("resource", resource)?,
            name: segment("name", name)?,
        };
        Ok(Self { subject: NamedSubject::Object(object), metric: MetricName::new(metric)? })
    }

    /// Checks the parts of a batch line or of a path that names an external metric.
    ///
    /// # Errors
    /// When a part cannot be what its place asks for.
    pub fn external(namespace: &str, metric: &str) -> Result<Self, WriteError> {
        let subject = NamedSubject::External { namespace: self::namespace(namespace)? };
        if matches!(metric, "status" | "finalize") {
            return Err(WriteError::ExternalName(metric.to_owned()));
        }
        Ok(Self { subject, metric: MetricName::new(metric)? })
    }
}

impl WritePath {
    /// Where the metrics API serves what is written here.
    #[must_use]
    pub fn read_path(&self) -> String {
        let encoded = |segments: &[&str]| -> String {
            segments.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, ENCODED))).collect()
        };
        let metric = self.metric.as_str();
        match &self.subject {
            NamedSubject::External { namespace } => {
                format!(
                    "/apis/external.metrics.k8s.io/v1beta1{}",
                    encoded(&["namespaces", namespace, metric])
                )
            }
            NamedSubject::Object(NamedObject { namespace, resource, name }) => {
                let segments: &[&str] = match namespace {
                    Some(namespace) => &["namespaces", namespace, resource, name, metric],
                    None if resource == "namespaces" => &["namespaces", name, "metrics", metric],
                    None => &[resource, name, metric],
                };
                format!("/apis/custom.metrics.k8s.io/v1beta2{}", encoded(segments))
            }
        }
    }
}

fn namespace(text: &str) -> Result<String, WriteError> {
    let namespace = segment("namespace", text)?;
    names::check_namespace(&namespace)?;
    Ok(namespace)
}

/// An object name as Kubernetes lets one stand in a path (its path segment rule), within a DNS subdomain's length.
fn segment(part: &'static str, text: &str) -> Result<String, WriteError> {
    let reserved = matches!(text, "" | "." | ".." | "*");
    let foreign =
        text.len() > 253 || text.chars().any(|c| c == '/' || c == '%' || c.is_control() || c == ' ');
    if reserved || foreign {
        return Err(WriteError::Segment { part, text: text.to_owned() });
    }
    Ok(text.to_owned())
}

fn decode(segment: &str) -> Result<String, WriteError> {
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded.map(Into::into).map_err(|_| WriteError::Encoding(segment.to_owned()))
}

const PREFIX: &str = "/write-metrics/";
/// As people write segments: only what a URL or a shell would take for something else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':');

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> (Option<String>, String, String, String) {
        let WritePath { subject, metric } = WritePath::parse(path).unwrap();
        let NamedSubject::Object(NamedObject { namespace, resource, name }) = subject else {
            panic!("{path} names no object")
        };
        (namespace, resource, name, metric.to_string())
    }

    fn owned(namespace: Option<&str>, rest: [&str; 3]) -> (Option<String>, String, String, String) {
        let [resource, name, metric] = rest.map(str::to_owned);
        (namespace.map(str::to_owned), resource, name, metric)
    }

    #[test]
    fn each_documented_path_names_its_object() {
        let namespaced = parts("/write-metrics/namespaces/default/pods/web-0/qps");
        assert_eq!(namespaced, owned(Some("default"), ["pods", "web-0", "qps"]));
        assert_eq!(parts("/write-metrics/nodes/node-1/load"), owned(None, ["nodes", "node-1", "load"]));
        let namespace = owned(None, ["namespaces", "shop", "queue"]);
        assert_eq!(parts("/write-metrics/namespaces/shop/metrics/queue"), namespace);
        assert_eq!(parts("/write-metrics/namespaces/shop/queue"), namespace);
    }

    #[test]
    fn an_external_metric_has_a_namespace_and_nothing_else() {
        let external = |namespace: &str| NamedSubject::External { namespace: namespace.to_owned() };
        let path = WritePath::parse("/write-metrics/namespaces/shop/external/queue%20depth/").unwrap();
        assert_eq!((path.subject, path.metric.as_str()), (external("shop"), "queue depth"));
        let metrics = WritePath::parse("/write-metrics/namespaces/metrics/external/metrics").unwrap();
        assert_eq!((metrics.subject, metrics.metric.as_str()), (external("metrics"), "metrics"));
    }

    #[test]
    fn a_namespace_or_an_object_may_be_called_external() {
        let namespace = owned(None, ["namespaces", "external", "queue"]);
        assert_eq!(parts("/write-metrics/namespaces/external/metrics/queue"), namespace);
        assert_eq!(parts("/write-metrics/namespaces/external/queue"), namespace);
        let object = owned(Some("external"), ["external", "external", "external"]);
        assert_eq!(parts("/write-metrics/namespaces/external/external/external/external"), object);
    }

    #[test]
    fn segments_are_decoded_and_a_trailing_slash_is_let_pass() {
        let metric = parts("/write-metrics/namespaces/a/pods/b/http%3Areq%20x/").3;
        assert_eq!(metric, "http:req x");
    }

    #[test]
    fn what_could_never_be_read_is_refused() {
        for path in [
            "/write-metrics/",
            "/write-metrics/pods/web-0",
            "/write-metrics/namespaces/default/pods/web-0/a/b",
            "/write-metrics/namespaces/default/pods/*/qps",
            "/write-metrics/namespaces/default/pods//qps",
            "/write-metrics/namespaces/default/pods/web%2F0/qps",
            "/write-metrics/namespaces/default/pods/web-0/a%2Fb",
            "/write-metrics/namespaces/default/pods/web-0/%ff",
            "/write-metrics/namespaces/default/external/*",
            "/write-metrics/namespaces/*/external/qps",
            "/write-metrics/namespaces/Default/pods/web-0/qps",
            "/write-metrics/namespaces/a.b/external/qps",
            "/write-metrics/namespaces/default/external/status",
            "/write-metrics/namespaces/default/external/finalize",
            "/elsewhere/namespaces/default/pods/web-0/qps",
        ] {
            assert!(WritePath::parse(path).is_err(), "{path}");
        }
    }
    #[test]
    fn a_path_knows_where_its_value_is_read() {
        for (written, read) in [
            (
                "namespaces/default/pods/web-0/qps",
                "custom.metrics.k8s.io/v1beta2/namespaces/default/pods/web-0/qps",
            ),
            ("nodes/node-1/queue%20depth", "custom.metrics.k8s.io/v1beta2/nodes/node-1/queue%20depth"),
            ("namespaces/shop/queue", "custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/queue"),
            (
                "namespaces/shop/metrics/http:x",
                "custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/http:x",
            ),
            ("namespaces/shop/external/depth", "external.metrics.k8s.io/v1beta1/namespaces/shop/depth"),
        ] {
            let path = WritePath::parse(&format!("/write-metrics/{written}")).unwrap();
            assert_eq!(path.read_path(), format!("/apis/{read}"));
        }
    }
}
