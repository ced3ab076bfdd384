//! Paths that everyone may get: health.

use super::{Attributes, AuthError};

/// Exact paths and prefixes, without their leading slash.
#[derive(Debug, Default)]
pub(super) struct AllowedPaths {
    exact: Vec<String>,
    prefixes: Vec<String>,
}

impl AllowedPaths {
    pub(super) fn parse(paths: Vec<String>) -> Result<Self, AuthError> {
        let mut allowed = Self::default();
        for path in paths {
            let bare = path.strip_prefix('/').unwrap_or(&path);
            match bare.strip_suffix('*') {
                Some(prefix) if !prefix.contains('*') => allowed.prefixes.push(prefix.to_owned()),
                None if !bare.contains('*') => allowed.exact.push(bare.to_owned()),
                _ => return Err(AuthError::AllowedPath { path }),
            }
        }
        Ok(allowed)
    }

    /// Whatever the verb; never for a resource.
    pub(super) fn allow(&self, attributes: &Attributes) -> bool {
        let Attributes::Path { path, .. } = attributes else { return false };
        let path = path.strip_prefix('/').unwrap_or(path);
        self.exact.iter().any(|exact| exact == path)
            || self.prefixes.iter().any(|prefix| path.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(paths: &[&str], path: &str) -> bool {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        AllowedPaths::parse(paths).unwrap().allow(&Attributes::of(&http::Method::GET, &path.parse().unwrap()))
    }

    #[test]
    fn a_path_allows_itself_and_not_its_children() {
        assert!(allow(&["/healthz"], "/healthz"));
        assert!(!allow(&["/healthz"], "/healthz/ping"));
        assert!(!allow(&["/healthz"], "/healthzz"));
    }

    #[test]
    fn a_trailing_star_allows_a_prefix_of_paths_but_no_resource() {
        assert!(allow(&["/healthz/*"], "/healthz/ping"));
        assert!(allow(&["*"], "/"));
        assert!(!allow(&["*"], "/apis/custom.metrics.k8s.io/v1beta2/pods"));
    }

    #[test]
    fn a_star_inside_of_a_path_is_refused() {
        assert!(AllowedPaths::parse(vec!["/a*b".to_owned()]).is_err());
        assert!(AllowedPaths::parse(vec!["/a*b*".to_owned()]).is_err());
    }
}
