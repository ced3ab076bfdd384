//! What a page says of the program is what the program does.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use custom_metrics_adapter::config::Config;

#[test]
fn the_configuration_page_lists_every_flag_with_its_environment_name_and_default() {
    let mut command = Config::command();
    command.build();
    let flags = command.get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"));
    let expected: BTreeSet<String> = flags.map(row).collect();
    let page = include_str!("../docs/configuration.md");
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    let listed: BTreeSet<String> =
        rows.map(|row| row.splitn(5, '|').take(4).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(listed, expected);
}

/// The row of a flag, up to its meaning.
fn row(flag: &clap::Arg) -> String {
    let quoted = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" `{text}` ") };
    let defaults: Vec<_> = flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let environment = flag.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
    let long = flag.get_long().unwrap_or_default();
    format!("|{}|{}|{}", quoted(&format!("--{long}")), quoted(&environment), quoted(&defaults.join(",")))
}

/// Whose flags a line of the manifests has, if not ours.
const TOOLS: [&str; 5] = ["kubectl ", "curl ", "helm ", "--set ", "kubeconform "];

#[test]
fn every_flag_and_environment_name_of_the_manifests_is_one_of_the_binary() {
    let command = Config::command();
    let environment =
        command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy());
    let flags = command.get_arguments().filter_map(clap::Arg::get_long).map(|name| format!("--{name}"));
    let known: BTreeSet<String> = environment.map(Into::into).chain(flags).collect();
    let text = manifests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"));
    let ours = text.lines().filter(|line| !TOOLS.iter().any(|tool| line.contains(tool)));
    let named: BTreeSet<String> = ours.flat_map(flags_and_names).collect();
    assert!(named.contains("CMA_SERVICE_NAME") && named.contains("--shutdown-delay"), "{named:?}");
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The text of all manifests and templates in a folder.
fn manifests(folder: &Path) -> String {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path());
    let is_manifest = |path: &Path| {
        path.extension().is_some_and(|end| ["yaml", "tpl", "json", "txt", "md"].iter().any(|one| end == *one))
    };
    let texts = inside.map(|path| match path.is_dir() {
        true => manifests(&path),
        false if is_manifest(&path) => fs::read_to_string(&path).unwrap_or_default(),
        false => String::new(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The words of a line that look like a flag or an environment name of ours.
fn flags_and_names(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let is_flag =
        |word: &str| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic));
    words.filter(|word| word.starts_with("CMA_") || is_flag(word)).map(str::to_owned).collect()
}

/// The tables of the troubleshooting page that quote our own messages, each under this header; `…` stands for what
/// differs from case to case.
const OWN_WORDS: &str = "| it says | cause |";

#[test]
fn every_message_that_the_troubleshooting_page_quotes_is_in_the_source() {
    let source = messages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let page = include_str!("../docs/troubleshooting.md");
    let tables = page.split(OWN_WORDS).skip(1).map(|table| table.split("\n\n").next().unwrap_or_default());
    let quotes: Vec<&str> =
        tables.flat_map(str::lines).filter_map(|row| row.split('|').nth(1)).flat_map(quoted).collect();
    assert!(quotes.len() > 10, "the tables were not found: {quotes:?}");
    let unknown: Vec<&&str> =
        quotes.iter().filter(|quote| !pieces(quote).all(|piece| source.contains(piece))).collect();
    assert!(unknown.is_empty(), "not in src: {unknown:#?}");
}

/// The code spans of a table's cell.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn pieces(quote: &str) -> impl Iterator<Item = &str> {
    quote.split('…').map(str::trim).filter(|piece| !piece.is_empty())
}

/// All source text, with string literals that go over several lines joined as the compiler joins them.
fn messages(folder: &Path) -> String {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path());
    inside
        .map(|path| {
            if path.is_dir() {
                messages(&path)
            } else {
                joined(&fs::read_to_string(&path).unwrap_or_default())
            }
        })
        .collect()
}

fn joined(source: &str) -> String {
    let mut lines = source.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

#[test]
fn every_line_of_the_log_that_the_page_of_logs_names_is_in_the_source() {
    let source = messages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let page = include_str!("../docs/traces-and-logs.md");
    let table =
        page.split("| begins | ends | fields |\n|---|---|---|\n").nth(1).expect("the table of log lines");
    let rows: Vec<&str> = table.lines().take_while(|row| row.starts_with('|')).collect();
    assert!(rows.len() > 5, "{rows:?}");
    let quotes = rows.iter().flat_map(|row| row.split('|').skip(1).take(2)).flat_map(quoted);
    let missing: Vec<&str> = quotes.filter(|quote| !source.contains(&format!("\"{quote}\""))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
