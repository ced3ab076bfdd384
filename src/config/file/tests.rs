use std::path::PathBuf;

use super::*;
use crate::config::{Config, read::whole};

/// A folder with a file of this text.
fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn read(text: &str, flags: &[&str]) -> anyhow::Result<Config> {
    let (_folder, path) = written(text);
    let config = [format!("--config={}", path.display())];
    Config::from_args(config.into_iter().chain(flags.iter().map(ToString::to_string)))
}

/// The one line after the path of the file.
fn refused(text: &str, flags: &[&str]) -> String {
    let refused = read(text, flags).unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 1, "{refused}");
    refused.split_once("/adapter.yaml: ").unwrap_or_else(|| panic!("no file in {refused}")).1.to_owned()
}

/// A value that the flag takes, as one types it behind the flag.
fn typed(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "true".to_owned();
    }
    if let Some(default) = flag.get_default_values().first() {
        return default.to_string_lossy().into_owned();
    }
    let named = match flag.get_id().as_str() {
        "derive" => "busy=a / b",
        "max_connections_per_client" => "7",
        _ => "name",
    };
    named.to_owned()
}

/// The configuration, or that there is none: some flags need others.
fn outcome(config: anyhow::Result<Config>) -> Option<String> {
    config.ok().map(|config| format!("{:?}", Config { config: None, ..config }))
}

#[test]
fn every_flag_takes_in_the_file_what_it_takes_behind_the_flag_and_no_other_type() {
    let command = whole();
    for flag in flags(&command) {
        let (key, typed) = (flag.get_long().unwrap(), typed(flag));
        let is_switch = !flag.get_action().takes_values();
        let quoted = format!("{typed:?}");
        let is_plain = typed.parse::<bool>().is_ok() || typed.parse::<u64>().is_ok();
        let right = if is_plain { &typed } else { &quoted };
        let list = format!("[{right}, {right}]");
        let same: Vec<String> = vec![if is_switch { format!("--{key}") } else { format!("--{key}={typed}") }];
        assert_eq!(outcome(read(&format!("{key}: {right}"), &[])), outcome(Config::from_args(same)), "{key}");
        let is_list = matches!(flag.get_action(), ArgAction::Append);
        let others = ["true", "7", &quoted, &list, "", "1.5", "{a: b}"];
        let same_type = |other: &str| {
            (right == &quoted && other == quoted)
                || (typed.parse::<bool>().is_ok() && other == "true")
                || (typed.parse::<u64>().is_ok() && other == "7")
                || (is_list && other == list)
        };
        for other in others.into_iter().filter(|other| !same_type(other)) {
            let refused = refused(&format!("{key}: {other}"), &[]);
            // A fraction in place of a whole number is clap's to refuse.
            let by_clap = format!("{key}: invalid value '1.5'");
            let is_refused =
                refused.starts_with(&format!("{key}: it takes ")) || refused.starts_with(&by_clap);
            assert!(is_refused, "{key}: {other}: {refused}");
        }
    }
}

#[test]
fn a_switch_is_on_or_off() {
    assert!(read("scrape-strict: true", &[]).unwrap().scrape.scrape_strict);
    assert!(!read("scrape-strict: false\nscrape: false", &[]).unwrap().scrape.scrape);
}

#[test]
fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    let file = "max-series: 500\nmax-series-per-object: 400";
    let config = read(file, &["--max-series=450"]).unwrap();
    assert_eq!((config.store.max_series, config.store.max_series_per_object), (450, 400));
    // What the file says is no default that gives way.
    let refused = read(file, &["--max-series=300"]).unwrap_err().to_string();
    assert!(refused.starts_with("--max-series-per-object is 400, which is more than --max-series (300)"));
}

#[test]
fn a_repeatable_flag_takes_a_list_which_the_command_line_replaces() {
    let file = "derive:\n- a=x / y\n- b=max(x{path=\"/a=b\"})\nauthorization-always-allow-paths: [/livez]";
    let config = read(file, &[]).unwrap();
    assert_eq!(config.derive.derive.len(), 2);
    assert_eq!(config.kubernetes.authorization_always_allow_paths, ["/livez"]);
    assert_eq!(read(file, &["--derive=c=x"]).unwrap().derive.derive.len(), 1);
}

#[test]
fn off_is_a_word_and_an_empty_file_says_nothing() {
    assert_eq!(read("write-listen: off", &[]).unwrap().listen.write_listen.0, None);
    assert!(read("", &[]).is_ok() && read("# nothing yet\n", &[]).is_ok());
}

#[test]
fn what_is_wrong_is_refused_with_file_key_and_rule() {
    for (text, said) in [
        ("scrape_interval: 5s", "scrape_interval is no flag: did you mean scrape-interval?"),
        ("CMA_MAX_SERIES: 5", "CMA_MAX_SERIES is no flag: did you mean max-series?"),
        ("max-serie: 5", "max-serie is no flag: did you mean max-series?"),
        ("config: other.yaml", "config is no flag: did you mean"),
        ("version: 1", "version is no flag: did you mean"),
        ("max-series: \"5\"", "max-series: it takes a whole number, and this is text"),
        ("service-name: true", "service-name: it takes text, and this is true or false without quotes"),
        ("kubeconfig:", "kubeconfig: it takes text, and this is nothing"),
        ("derive: []", "derive: the list is empty: leave the key out"),
        ("scrape-interval: 5 parsecs", "scrape-interval: invalid value '5 parsecs' for '--scrape-interval"),
        (
            "max-connections: 0",
            "max-connections: invalid value '0' for '--max-connections <COUNT>': it must be at least 1",
        ),
        (
            "log-format: xml",
            "log-format: invalid value 'xml' for '--log-format <FORMAT>' [possible values: text, json]",
        ),
        (
            "tls-cert-file: a",
            "the following required arguments were not provided: --tls-private-key-file <FILE>",
        ),
        ("max-series: 5\nmax-series: 6", "duplicate"),
        ("- max-series", ""),
        ("max-series: [5", ""),
    ] {
        let refused = refused(text, &[]);
        assert!(refused.contains(said), "{text}: {refused}");
    }
}

#[test]
fn a_value_of_what_is_no_flag_is_not_repeated() {
    for text in
        ["token: s3cret", "scrape-bearer-token: s3cret", "s3cret: [", "token: 's3cret", "a: b: s3cret"]
    {
        let (_folder, path) = written(text);
        let refused = Config::from_args([format!("--config={}", path.display())]).unwrap_err().to_string();
        assert!(text.starts_with("s3cret") || !refused.contains("s3cret"), "{refused}");
    }
}

#[test]
fn what_is_wrong_on_the_command_line_is_not_blamed_on_the_file() {
    let refused = read("max-series: 5", &["--max-connections=0"]).unwrap_err().to_string();
    assert!(refused.starts_with("error: invalid value '0' for '--max-connections"), "{refused}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Config::from_args(["--config=/no/such/file"]).unwrap_err().to_string();
    assert_eq!(missing, "/no/such/file: No such file or directory (os error 2)");
    let large = refused(&"#".repeat((1 << 20) + 1), &[]);
    assert_eq!(large, "it has more than 1048576 bytes");
}
