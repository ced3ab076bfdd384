//! The path of a write, before its resource is known to exist.

use percent_encoding::percent_decode_str;

use crate::model::MetricName;

use super::WriteError;

/// What a path or a batch line names: texts checked for shape, not yet looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WritePath {
    /// The namespace, if the path has one.
    pub namespace: Option<String>,
    /// The resource as written: `pods`, `po`, `Pod`, `deployments.apps`.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// The metric.
    pub metric: MetricName,
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
                Self::new(Some(namespace), resource, name, metric)
            }
            ["namespaces", name, "metrics", metric] => Self::new(None, "namespaces", name, metric),
            [resource, name, metric] => Self::new(None, resource, name, metric),
            _ => Err(WriteError::NoRoute(path.to_owned())),
        }
    }

    /// Checks the parts of a batch line or of a path.
    ///
    /// # Errors
    /// When a part cannot be what its place asks for.
    pub fn new(
        namespace: Option<&str>,
        resource: &str,
        name: &str,
        metric: &str,
    ) -> Result<Self, WriteError> {
        Ok(Self {
            namespace: namespace.map(|namespace| segment("namespace", namespace)).transpose()?,
            resource: segment("resource", resource)?,
            name: segment("name", name)?,
            metric: MetricName::new(metric)?,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> (Option<String>, String, String, String) {
        let WritePath { namespace, resource, name, metric } = WritePath::parse(path).unwrap();
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
            "/elsewhere/namespaces/default/pods/web-0/qps",
        ] {
            assert!(WritePath::parse(path).is_err(), "{path}");
        }
    }
}
