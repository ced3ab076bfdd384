//! `GET /version`, in the shape of Kubernetes' `version.Info`.

use std::env::consts::{ARCH, OS};

use crate::version::{COMMIT, DATE};

/// The document: always indented, as upstream writes it.
pub(super) fn document() -> String {
    let git_version = concat!("v", env!("CARGO_PKG_VERSION"));
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let fields = [
        ("major", major),
        ("minor", minor),
        ("gitVersion", git_version),
        ("gitCommit", COMMIT),
        ("gitTreeState", ""),
        ("buildDate", DATE.as_str()),
        ("goVersion", ""),
        ("compiler", "rustc"),
        ("platform", &format!("{OS}/{}", go_arch(ARCH))),
    ];
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("  {name:?}: {value:?}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// Go's name of an architecture, which clients of this document know.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_this_package_s() {
        let info: serde_json::Value = serde_json::from_str(&document()).unwrap();
        assert_eq!(info["gitVersion"], concat!("v", env!("CARGO_PKG_VERSION")));
        assert!(info["platform"].as_str().unwrap().contains('/'));
    }
}
