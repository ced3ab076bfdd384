//! The rules of this repository that no compiler knows, each a function from the tree to its breaches.
//!
//! A rule is tested twice: on the repository, where it must find nothing, and on a tree of a few invented
//! files, where it must find exactly what is wrong with them. `ARCHITECTURE.md` says why the rules are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Who may import whom. A module that is not here is in nobody's picture yet: draw it in `ARCHITECTURE.md` first.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("exposition", &["model"]),
    ("derive", &["model"]),
    ("relabel", &["model"]),
    ("monitor", &["model", "relabel"]),
    ("store", &["derive", "model"]),
    ("hpa", &["model"]),
    ("notice", &[]),
    ("kubernetes", &[]),
    ("cluster", &["hpa", "kubernetes", "model", "monitor", "notice"]),
    ("auth", &["kubernetes", "model", "notice"]),
    ("serve", &["auth", "model", "notice"]),
    ("ca", &["kubernetes", "notice", "serve"]),
    ("journal", &["notice", "store", "model"]),
    ("write", &["auth", "journal", "store", "exposition", "cluster", "serve", "model"]),
    ("scrape", &["derive", "store", "exposition", "cluster", "model", "monitor", "relabel"]),
    ("owned", &["store", "cluster", "model"]),
    ("api", &["owned", "store", "cluster", "auth", "serve", "model", "version"]),
    ("admin", &["hpa", "store", "scrape", "serve", "model", "version"]),
    ("explain", &["cluster", "hpa", "model"]),
    ("replicas", &["kubernetes", "notice"]),
    ("events", &["model", "notice"]),
    ("insight", &["cluster", "hpa", "model", "owned", "scrape", "store"]),
    ("config", &["derive", "model", "version"]),
    ("runtime", &[]),
    ("version", &[]),
    ("warming", &[]),
    ("shutdown", &[]),
    (
        "telemetry",
        &[
            "api", "auth", "cluster", "config", "hpa", "insight", "journal", "model", "notice", "scrape",
            "serve", "store", "version", "write",
        ],
    ),
];

/// The files that wire the parts together and so may import all of them.
const WIRING: &[&str] = &["src/app.rs", "src/app/", "src/checks.rs", "src/lib.rs", "src/main.rs"];

/// Crates that only some folders may name, so that each can be understood, or replaced, in one place.
const SOLE_HOMES: &[(&[&str], &[&str])] = &[
    (
        &["kube", "k8s_openapi"],
        &["src/cluster/", "src/auth/", "src/ca/", "src/events/", "src/kubernetes/", "src/replicas/"],
    ),
    (&["clap", "clap_complete", "clap_mangen"], &["src/config.rs", "src/config/"]),
    (
        &["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "tracing_opentelemetry"],
        &["src/telemetry/"],
    ),
    (&["prometheus"], &["src/telemetry/"]),
    (&["async_nats", "nkeys"], &["src/journal/"]),
];

/// The folders that compute and nothing else: callers pass them the time and the bytes.
const CORE: &[&str] = &[
    "src/model/",
    "src/exposition/",
    "src/derive/",
    "src/relabel/",
    "src/monitor/",
    "src/store/",
    "src/hpa/",
];
const NOT_FOR_THE_CORE: &[&str] = &[
    "tokio::",
    "axum::",
    "hyper::",
    "http::",
    "kube::",
    "reqwest::",
    "prometheus::",
    "Timestamp::now",
    "Instant::now",
    "SystemTime::now",
];

/// Names that say nothing of a file's job.
const EMPTY_NAMES: &[&str] = &["util", "helper", "common", "manager", "handler", "misc"];

/// What a visitor sees first; anything else belongs into one of these.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "dashboards",
    "deny.toml",
    "deploy",
    "docs",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "src",
    "tests",
];

const LONGEST_SOURCE: usize = 400;
const LONGEST_ARCHITECTURE: usize = 150;

type Rule = fn(&Tree) -> Vec<String>;

const RULES: &[Rule] = &[
    imports_follow_the_arrows,
    a_crate_with_a_sole_home_stays_there,
    the_core_is_pure,
    a_source_fits_in_a_head,
    a_source_opens_with_its_job,
    a_file_is_named_for_its_job,
    the_top_level_is_fixed,
    a_path_that_a_page_names_exists,
    a_relative_link_leads_somewhere,
    the_architecture_fits_on_a_page,
    nothing_outside_the_repository_is_read,
];

#[test]
fn the_repository_keeps_its_rules() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.has("src/lib.rs") && tree.has("README.md"), "the tree was read from the wrong place");
    let breaches: Vec<String> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

fn imports_follow_the_arrows(tree: &Tree) -> Vec<String> {
    let arrows = |module: &str| ARROWS.iter().find(|(from, _)| *from == module).map(|(_, to)| *to);
    let strays = |path: &str, text: &str| -> Vec<String> {
        let from = top_module(path);
        let Some(allowed) = arrows(from) else { return vec![format!("{path}: `{from}` has no arrows")] };
        let wrong = |to: &String| to != from && arrows(to).is_some() && !allowed.contains(&to.as_str());
        let strays = imports(path, text).into_iter().filter(wrong);
        strays.map(|to| format!("{path}: `{from}` may not use `{to}`")).collect()
    };
    let parts = tree.sources().filter(|(path, _)| !lives_in(path, WIRING));
    parts.flat_map(|(path, text)| strays(path, text)).collect()
}

fn a_crate_with_a_sole_home_stays_there(tree: &Tree) -> Vec<String> {
    let strays = |path: &str, text: &str| -> Vec<String> {
        let code = code(text);
        let elsewhere = SOLE_HOMES.iter().filter(|(_, homes)| !lives_in(path, homes));
        let named =
            elsewhere.flat_map(|(crates, _)| *crates).filter(|name| names(&code, &format!("{name}::")));
        named.map(|name| format!("{path}: `{name}` lives elsewhere")).collect()
    };
    tree.sources().flat_map(|(path, text)| strays(path, text)).collect()
}

fn the_core_is_pure(tree: &Tree) -> Vec<String> {
    let impure = |path: &str, text: &str| -> Vec<String> {
        let code = code(text);
        let named = NOT_FOR_THE_CORE.iter().filter(|name| names(&code, name));
        named.map(|name| format!("{path}: `{name}` is not for the core")).collect()
    };
    let core = tree.sources().filter(|(path, _)| lives_in(path, CORE));
    core.flat_map(|(path, text)| impure(path, text)).collect()
}

fn a_source_fits_in_a_head(tree: &Tree) -> Vec<String> {
    let lengths = tree.sources().map(|(path, text)| (path, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LONGEST_SOURCE);
    long.map(|(path, lines)| format!("{path}: {lines} lines, more than {LONGEST_SOURCE}")).collect()
}

fn a_source_opens_with_its_job(tree: &Tree) -> Vec<String> {
    let silent =
        tree.sources().filter(|(path, text)| !text.starts_with("//!") && !path.ends_with("/tests.rs"));
    silent.map(|(path, _)| format!("{path}: its first line is no `//!`")).collect()
}

fn a_file_is_named_for_its_job(tree: &Tree) -> Vec<String> {
    let is_empty = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part);
        EMPTY_NAMES.contains(&stem.strip_suffix('s').unwrap_or(stem))
    };
    let nameless = tree.matching("", ".rs").filter(|(path, _)| path.split('/').any(is_empty));
    nameless.map(|(path, _)| format!("{path}: an empty name")).collect()
}

fn the_top_level_is_fixed(tree: &Tree) -> Vec<String> {
    let tops: BTreeSet<&str> = tree.0.keys().filter_map(|path| path.split('/').next()).collect();
    let new = tops.into_iter().filter(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top));
    new.map(|top| format!("{top}: a new top-level entry")).collect()
}

fn a_path_that_a_page_names_exists(tree: &Tree) -> Vec<String> {
    let gone = |page: &str, text: &str| -> Vec<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_./-".contains(c)));
        let paths = words.map(|word| word.trim_end_matches(['.', '/'])).filter(|word| looks_like_ours(word));
        paths.filter(|path| !tree.has(path)).map(|path| format!("{page}: `{path}` does not exist")).collect()
    };
    // A change log speaks of what was; the other pages of the top level speak of what is.
    let pages = tree.matching("", ".md").filter(|(page, _)| !page.contains('/') && *page != "CHANGELOG.md");
    pages.flat_map(|(page, text)| gone(page, text)).collect()
}

fn a_relative_link_leads_somewhere(tree: &Tree) -> Vec<String> {
    let dead = |page: &str, text: &str| -> Vec<String> {
        let ours = links(text).into_iter().filter(|link| !link.contains(':') && !tree.resolves(page, link));
        ours.map(|link| format!("{page}: dead link `{link}`")).collect()
    };
    tree.matching("", ".md").flat_map(|(page, text)| dead(page, text)).collect()
}

fn the_architecture_fits_on_a_page(tree: &Tree) -> Vec<String> {
    let lines = tree.0.get("ARCHITECTURE.md").map_or(0, |text| text.lines().count());
    let long = (lines > LONGEST_ARCHITECTURE).then(|| format!("ARCHITECTURE.md: {lines} lines"));
    long.into_iter().collect()
}

fn nothing_outside_the_repository_is_read(tree: &Tree) -> Vec<String> {
    let outside = concat!("../", "shared");
    let named = tree.0.iter().filter(|(path, text)| *path != ".ci/run" && text.contains(outside));
    named.map(|(path, _)| format!("{path}: names {outside}, which a clone does not have")).collect()
}

/// Every text of the repository by its path; a binary file is there with an empty text.
struct Tree(BTreeMap<String, String>);

impl Tree {
    fn read(root: &Path) -> Self {
        let ignored = ignored(root);
        let mut texts = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let found = fs::read_dir(&folder).into_iter().flatten().flatten().map(|found| found.path());
            let ours = found.filter(|path| !ignored.contains(path));
            let (inner, files): (Vec<_>, Vec<_>) = ours.partition(|path| path.is_dir());
            folders.extend(inner);
            texts.extend(files.iter().map(|path| {
                let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap_or_default())
            }));
        }
        Self(texts)
    }

    fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.matching("src/", ".rs")
    }

    fn matching<'a>(&'a self, start: &'a str, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| path.starts_with(start) && path.ends_with(end))
    }

    /// Whether a file or a folder of that path exists.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.0.contains_key(path) || self.0.keys().any(|file| file.starts_with(&folder))
    }

    /// Whether `link`, written on `page`, names a file that is there and a heading of it.
    fn resolves(&self, page: &str, link: &str) -> bool {
        let (target, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if target.is_empty() { page.to_owned() } else { beside(page, target) };
        let has_heading = |text: &String| heading.is_empty() || headings(text).contains(heading);
        self.has(&path) && self.0.get(&path).is_none_or(has_heading)
    }
}

/// What is no part of the repository: `.git`, and the rooted lines of `.gitignore`.
fn ignored(root: &Path) -> BTreeSet<PathBuf> {
    let lines = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let rooted = lines.lines().filter_map(|line| line.strip_prefix('/')).chain([".git"]);
    rooted.map(|line| root.join(line)).collect()
}

fn lives_in(path: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| path.starts_with(home))
}

/// Whether a word has the shape of a path in this repository.
fn looks_like_ours(word: &str) -> bool {
    word.split_once('/')
        .is_some_and(|(top, deeper)| !deeper.is_empty() && (TOP_LEVEL.contains(&top) || top == ".ci"))
}

/// The path that `target` means on `page`.
fn beside(page: &str, target: &str) -> String {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(path.pop()),
            _ => path.push(part),
        }
    }
    path.join("/")
}

/// The lines of a page outside its code fences.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn links(text: &str) -> Vec<&str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1));
    targets.filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

/// The anchors of a page's headings as a forge makes them: lower case, blanks to dashes, no punctuation.
fn headings(text: &str) -> BTreeSet<String> {
    let anchor = |title: &str| -> String {
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// A source without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Whether `code` has `name` other than as the end of a longer name or path.
fn names(code: &str, name: &str) -> bool {
    let continued = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
    code.match_indices(name).any(|(at, _)| !continued(code.get(..at).unwrap_or("")))
}

fn top_module(path: &str) -> &str {
    path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or("")
}

/// The top-level modules that a source names, by `crate::` or by climbing up to the root with `super::`.
fn imports(path: &str, text: &str) -> BTreeSet<String> {
    let code = code(text);
    let depth = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count() - 1;
    let climb = "super::".repeat(depth);
    let climbed = code.split(climb.as_str()).skip(1).map(|rest| rest.trim_start_matches("super::"));
    code.split("crate::").skip(1).chain(climbed).flat_map(first_names).collect()
}

/// The first name of a path, or of each path of a `{…}` group.
fn first_names(paths: &str) -> Vec<String> {
    let name = |path: &str| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = paths.strip_prefix('{') else { return vec![name(paths)] };
    let mut nesting = 1;
    let mut top = String::new();
    for c in group.chars() {
        nesting += i32::from(c == '{') - i32::from(c == '}');
        match nesting {
            0 => break,
            1 => top.push(c),
            _ => {}
        }
    }
    top.split(',').map(name).collect()
}

#[cfg(test)]
mod a_rule_finds {
    use super::*;

    fn breaches(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Tree(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()))
    }

    #[test]
    fn an_import_against_the_arrows_in_each_of_its_spellings() {
        let spellings = [
            ("src/store/mod.rs", "use crate::write::Batch;"),
            ("src/api/mod.rs", "use crate::{model::{write, Labels}, scrape::Target};"),
            ("src/api/mod.rs", "use super::write::Batch;"),
            ("src/api/path.rs", "fn f() { super::super::write::g() }"),
            ("src/undrawn/mod.rs", ""),
        ];
        for file in spellings {
            assert_eq!(breaches(imports_follow_the_arrows, &[file]).len(), 1, "{file:?}");
        }
        let along = [
            (
                "src/write/mod.rs",
                "use crate::{model::{scrape, Labels}, store::Store};\nuse super::serve::Peer;",
            ),
            (
                "src/store/mod.rs",
                "// crate::write is not for us\nmod tests { use super::*; use super::model; }",
            ),
            ("src/app.rs", "use crate::{api, write, scrape};"),
        ];
        assert_eq!(breaches(imports_follow_the_arrows, &along), [""; 0]);
    }

    #[test]
    fn a_second_home_of_a_crate() {
        let abroad = [("src/api/mod.rs", "use kube::Client;"), ("src/main.rs", "#[derive(clap::Parser)]")];
        assert_eq!(breaches(a_crate_with_a_sole_home_stays_there, &abroad).len(), 2);
        let home = [
            ("src/cluster/mod.rs", "use kube::Client;"),
            ("src/api/mod.rs", "use crate::kube::x; // kube::y"),
        ];
        assert_eq!(breaches(a_crate_with_a_sole_home_stays_there, &home), [""; 0]);
    }

    #[test]
    fn a_clock_or_a_socket_in_the_core() {
        let core =
            [("src/store/mod.rs", "let now = Timestamp::now();"), ("src/model/mod.rs", "use tokio::net;")];
        assert_eq!(breaches(the_core_is_pure, &core).len(), 2);
        assert_eq!(breaches(the_core_is_pure, &[("src/api/mod.rs", "use tokio::net;")]), [""; 0]);
    }

    #[test]
    fn a_source_that_is_too_long_or_silent_or_named_for_nothing() {
        assert_eq!(breaches(a_source_fits_in_a_head, &[("src/a.rs", &"\n".repeat(401))]).len(), 1);
        assert_eq!(breaches(a_source_fits_in_a_head, &[("src/a.rs", &"\n".repeat(400))]), [""; 0]);
        assert_eq!(breaches(a_source_opens_with_its_job, &[("src/a.rs", "use b;")]).len(), 1);
        let files = [("src/utils.rs", ""), ("tests/it/helper/mod.rs", ""), ("src/commonplace.rs", "")];
        assert_eq!(breaches(a_file_is_named_for_its_job, &files).len(), 2);
    }

    #[test]
    fn a_new_top_level_entry() {
        let files = [("scripts/x.sh", ""), ("src/lib.rs", ""), (".ci/run", "")];
        assert_eq!(breaches(the_top_level_is_fixed, &files), ["scripts: a new top-level entry"]);
    }

    #[test]
    fn a_path_or_a_link_that_leads_nowhere() {
        let readme = "`src/gone.rs` and `src/lib.rs`, deploy/k8s.\n[a](docs/a.md#two-words) [b](docs/b.md) [c](#top) \
                      [w](https://x.y/docs/z)\n\n```sh\n[not](a-link)\n```\n# Top\n";
        let files = [
            ("README.md", readme),
            ("src/lib.rs", ""),
            ("deploy/k8s/a.yaml", ""),
            ("docs/a.md", "# Two, words!"),
        ];
        assert_eq!(
            breaches(a_path_that_a_page_names_exists, &files),
            ["README.md: `src/gone.rs` does not exist", "README.md: `docs/b.md` does not exist"]
        );
        assert_eq!(breaches(a_relative_link_leads_somewhere, &files), ["README.md: dead link `docs/b.md`"]);
        let moved = [("docs/x/a.md", "[up](../a.md#three)"), ("docs/a.md", "# Two, words!")];
        assert_eq!(
            breaches(a_relative_link_leads_somewhere, &moved),
            ["docs/x/a.md: dead link `../a.md#three`"]
        );
    }

    #[test]
    fn an_architecture_that_needs_a_scroll_and_a_path_out_of_the_clone() {
        assert_eq!(
            breaches(the_architecture_fits_on_a_page, &[("ARCHITECTURE.md", &"\n".repeat(151))]).len(),
            1
        );
        let outside = concat!("cat ../", "shared/x");
        assert_eq!(breaches(nothing_outside_the_repository_is_read, &[("Makefile", outside)]).len(), 1);
        assert_eq!(breaches(nothing_outside_the_repository_is_read, &[(".ci/run", outside)]), [""; 0]);
    }
}
