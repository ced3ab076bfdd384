//! Tells the compiler which commit it builds, and of when: `src/version.rs` shows it.
//!
//! `CMA_GIT_COMMIT` and `SOURCE_DATE_EPOCH` say it where there is no repository, as in the image's build. Else a release
//! build asks git, and nothing is known in a tarball. The clock is not asked: the same commit gives the same binary.

use std::{env, process::Command};

/// What a build reads: a change of anything else leaves the commit that was built.
const SOURCES: [&str; 4] = ["src", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-env-changed=CMA_GIT_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    // A debug build would be compiled anew at each commit, for a line that nobody reads.
    let asks_git = env::var("PROFILE").is_ok_and(|profile| profile == "release") && is_repository();
    let fallback = |of_git: fn() -> Option<String>| if asks_git { of_git() } else { None };
    if asks_git {
        rerun_at_changes();
    }
    let commit = given("CMA_GIT_COMMIT").or_else(|| fallback(commit));
    let seconds =
        given("SOURCE_DATE_EPOCH").or_else(|| fallback(|| git(&["show", "--no-patch", "--format=%ct"])));
    println!("cargo::rustc-env=CMA_BUILT_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=CMA_BUILT_SECONDS={}", seconds.unwrap_or_default());
}

/// Whether the repository is ours, and not one into which somebody unpacked a tarball.
fn is_repository() -> bool {
    git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty())
}

/// The commit, with a mark if the sources differ from it.
fn commit() -> Option<String> {
    let hash = git(&["describe", "--always", "--abbrev=40", "--exclude=*"])?;
    let changed = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { hash } else { hash + "-dirty" })
}

fn rerun_at_changes() {
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    for path in SOURCES.iter().copied().chain(log.as_deref()) {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// What git prints; `None` if it is not there or fails.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
