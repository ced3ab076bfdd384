//! The scripts of a release, as far as they run without a registry.

#![allow(clippy::unwrap_used, reason = "tests: a panic is the report")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const IMAGE: &str = "registry.example:5000/team/adapter:0.1.0@sha256:0123456789abcdef";

#[test]
fn install_yaml_is_the_manifest_but_for_the_image() {
    let made = run("install-yaml.sh", &[version(), IMAGE]).unwrap();
    let manifest = fs::read_to_string(root().join("deploy/k8s/deployment.yaml")).unwrap();
    let made_objects = objects(&made);
    let images: Vec<&Value> = made_objects
        .iter()
        .filter_map(|object| object.pointer("/spec/template/spec/containers/0/image"))
        .collect();
    assert_eq!(images, [IMAGE]);
    let mut manifest_objects = objects(&manifest);
    for image in
        manifest_objects.iter_mut().filter_map(|it| it.pointer_mut("/spec/template/spec/containers/0/image"))
    {
        *image = IMAGE.into();
    }
    assert_eq!(made_objects, manifest_objects);
    assert!(made.starts_with(&format!("# custom-metrics-adapter {}:", version())), "no old head: {made}");
}

#[test]
fn a_version_that_the_sources_do_not_have_is_not_released() {
    assert_eq!(run("check-version.sh", &[]).unwrap().trim(), version());
    for (script, words, says) in [
        ("check-version.sh", ["v9.9.9"].as_slice(), "the tag is v9.9.9"),
        ("install-yaml.sh", &["9.9.9", IMAGE], "is not of version 9.9.9"),
        ("install-yaml.sh", &[version(), "an image|s/x/y/"], "no image's name"),
        ("notes.sh", &["9.9.9"], "no section [9.9.9]"),
        ("sign.sh", &["registry.example/adapter:0.1.0"], "has no digest"),
    ] {
        let refused = run(script, words).expect_err(script);
        assert!(refused.contains(says), "{script}: {refused}");
    }
}

#[test]
fn the_notes_of_a_version_are_its_section_of_the_change_log() {
    let notes = run("notes.sh", &["Unreleased"]).unwrap();
    assert!(notes.trim_start().starts_with("###"), "{notes}");
    assert!(!notes.contains("\n## "), "{notes}");
}

#[test]
fn each_script_says_what_it_is_for() {
    let scripts = scripts();
    assert!(scripts.len() > 8, "{scripts:?}");
    for script in scripts {
        let help = run(&script, &["--help"]).unwrap_or_else(|problem| panic!("{script}: {problem}"));
        assert!(!help.trim().is_empty() && !help.contains("set -e"), "{script}: {help}");
    }
}

#[test]
fn a_workflow_only_checks_out_and_calls_these_scripts() {
    let (scripts, folder) = (scripts(), root().join(".github/workflows"));
    let mut calls = 0;
    for path in files(&folder) {
        let workflow: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let jobs = workflow["jobs"].as_object().unwrap().values();
        for step in jobs.filter_map(|job| job["steps"].as_array()).flatten() {
            if let Some(action) = step["uses"].as_str() {
                let commit = action.strip_prefix("actions/checkout@").unwrap_or_default();
                assert!(commit.len() == 40, "{action} is not pinned by a commit, or another action");
                continue;
            }
            let program = step["run"].as_str().unwrap().split(' ').next().unwrap();
            let script = program.strip_prefix("deploy/release/").unwrap_or_default();
            assert!(scripts.iter().any(|known| known == script), "{}: {program}", path.display());
            calls += 1;
        }
    }
    assert!(calls > 2, "the steps were not found");
}

#[test]
fn a_build_says_the_commit_and_date_that_it_was_given() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let image = fs::read_to_string(root().join("deploy/release/image.sh")).unwrap();
    for argument in ["CMA_GIT_COMMIT", "SOURCE_DATE_EPOCH", "VERSION", "CREATED", "SOURCE"] {
        assert!(dockerfile.contains(&format!("\nARG {argument}\n")), "the Dockerfile takes no {argument}");
        assert!(image.contains(&format!("--build-arg \"{argument}=")), "image.sh gives no {argument}");
    }
    let mut bases = dockerfile.lines().filter(|line| line.starts_with("FROM ") && *line != "FROM scratch");
    assert!(bases.all(|base| base.contains("@sha256:")), "a base is not pinned");
    let printed =
        Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter")).arg("--version").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let (commit, date) = (custom_metrics_adapter::version::COMMIT, &*custom_metrics_adapter::version::DATE);
    assert_eq!(printed, format!("custom-metrics-adapter {} (commit {commit}, {date})\n", version()));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn version() -> &'static str {
    custom_metrics_adapter::version::VERSION
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

fn scripts() -> Vec<String> {
    let names = files(&root().join("deploy/release"));
    names.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// What a script prints, or what it says when it fails.
fn run(script: &str, words: &[&str]) -> Result<String, String> {
    let output = Command::new(root().join("deploy/release").join(script)).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn objects(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}
