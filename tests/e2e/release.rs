//! What of a release needs tools that are built with Go: the chart as it is packaged, the workflows as GitHub reads them.

use std::process::Command;

use crate::chart::{helm, objects, rendered, root, tool};

const IMAGE: &str = "registry.example:5000/team/adapter:0.1.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn the_packaged_chart_is_the_chart_with_the_released_image() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let script = root().join("deploy/release/chart.sh");
    let version = env!("CARGO_PKG_VERSION");
    let output = Command::new(script).args([version, IMAGE]).arg(folder.path()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let package = String::from_utf8(output.stdout).expect("a path");
    let package = package.trim();

    let linted = helm(&["lint", "--strict", package]).unwrap();
    assert!(linted.contains("0 chart(s) failed"), "{linted}");
    let shown = helm(&["show", "chart", package]).unwrap();
    for line in [format!("version: {version}"), format!("appVersion: {version}")] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let packaged = objects(&helm(&["template", "cma", package, "--namespace", "custom-metrics"]).unwrap());
    let mut expected = rendered("");
    for object in &mut expected {
        if let Some(image) = object.pointer_mut("/spec/template/spec/containers/0/image") {
            // A digest goes before the tag, and the pod needs one of them.
            *image = IMAGE.replace(":0.1.0@", "@").into();
        }
    }
    assert_eq!(packaged, expected);
}

#[test]
fn actionlint_has_nothing_to_say_about_the_workflows() {
    // Without the linters of scripts that a machine may have: a step is one call.
    let words = ["-shellcheck=", "-pyflakes=", "-no-color"];
    let output = Command::new(tool("actionlint")).args(words).current_dir(root()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
