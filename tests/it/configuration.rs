//! `docs/configuration.md` is what the binary says.

use std::collections::BTreeSet;

use clap::CommandFactory;
use custom_metrics_adapter::config::Config;

/// Flag, environment name, default.
type Row = (String, String, String);

fn of_the_binary() -> BTreeSet<Row> {
    let command = Config::command();
    let own = |arg: &&clap::Arg| arg.get_env().is_some();
    let rows = command.get_arguments().filter(own).map(|arg| {
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let flag = !arg.get_action().takes_values();
        let default = if flag { "false".to_owned() } else { defaults.join(",") };
        let env = arg.get_env().unwrap().to_string_lossy().into_owned();
        (format!("--{}", arg.get_long().unwrap()), env, default)
    });
    rows.collect()
}

fn of_the_page() -> BTreeSet<Row> {
    let page = include_str!("../../docs/configuration.md");
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    let row = |line: &str| {
        let cells: Vec<String> = line.split('|').map(cell).collect();
        assert!(cells.len() == 6 && !cells[4].is_empty(), "flag, environment, default, meaning: {line}");
        (cells[1].clone(), cells[2].clone(), cells[3].clone())
    };
    rows.map(row).collect()
}

#[test]
fn the_configuration_page_lists_exactly_the_flags_of_the_binary() {
    assert_eq!(of_the_page(), of_the_binary());
}

#[test]
fn every_environment_name_is_the_flag_with_the_prefix() {
    for (flag, env, _) in of_the_binary() {
        assert_eq!(env, format!("CMA_{}", flag.trim_start_matches("--").replace('-', "_").to_uppercase()));
    }
}
