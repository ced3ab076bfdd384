//! Rules and alerts: what Prometheus' own tool says of them, and what an operator needs of each.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    expressions::{of_everything, rules},
    text,
};

const RUNBOOK: &str = "docs/troubleshooting.md";
/// Alertmanager shows a link: it has to be absolute. A place to be filled in, as that of the image is.
const BASE: &str = "https://example.com/custom-metrics-adapter/";

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() {
    promtool(&["check", "rules", "deploy/k8s/components/monitoring/rules.yaml"]);
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    promtool(&["test", "rules", "tests/monitoring/alerts.yaml"]);
}

#[test]
fn promtool_accepts_every_expression_of_a_panel() {
    let directory = tempfile::tempdir().unwrap();
    let records = of_everything().into_iter().enumerate();
    let rules: Vec<Value> = records
        .map(|(number, asked)| json!({ "record": format!("n{number}"), "expr": asked.text }))
        .collect();
    let file = directory.path().join("panels.yaml");
    // JSON is YAML.
    fs::write(&file, json!({ "groups": [{ "name": "panels", "rules": rules }] }).to_string()).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() {
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: severity {severity:?}");
        assert!(alert["for"].is_string(), "{name}: a blip would fire it");
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].as_str().is_some_and(|text| text.len() > 20), "{name}");
        }
        let link = format!("{BASE}{RUNBOOK}#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link, "{name}");
    }
}

#[test]
fn the_runbook_has_a_section_for_each_alert_and_for_no_other() {
    let alerts = alerts();
    let names: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["alert"].as_str()).collect();
    let page = text(RUNBOOK);
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<&str> =
        headings.filter(|title| title.starts_with("CustomMetricsAdapter")).collect();
    assert_eq!(sections, names);
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let tests: Value = serde_saphyr::from_str(&text("tests/monitoring/alerts.yaml")).unwrap();
    let tests = tests["tests"].as_array().unwrap().iter();
    let checks: Vec<&Value> = tests.flat_map(|test| test["alert_rule_test"].as_array().unwrap()).collect();
    for alert in alerts() {
        let (name, severity) = (&alert["alert"], &alert["labels"]["severity"]);
        let expected = |check: &&Value| check["exp_alerts"].as_array().unwrap().clone();
        let of_alert = || checks.iter().filter(|check| check["alertname"] == *name);
        let fires = of_alert().flat_map(expected).any(|fired| fired["exp_labels"]["severity"] == *severity);
        assert!(fires, "{name} ({severity}) fires in no test");
        assert!(of_alert().any(|check| expected(check).is_empty()), "{name} is silent in no test");
    }
}

#[test]
fn the_operators_rules_are_those_of_the_file() {
    let groups = |text: &str| text[text.find("groups:\n").expect("groups")..].to_owned();
    let object = text("deploy/k8s/components/monitoring/prometheusrule.yaml");
    let (_, spec) = object.split_once("\nspec:\n").expect("a spec");
    let shallower = |line: &str| line.strip_prefix("  ").unwrap_or(line).to_owned();
    let theirs: Vec<String> = spec.lines().map(shallower).collect();
    let file = groups(&text("deploy/k8s/components/monitoring/rules.yaml"));
    let ours: Vec<&str> = file.lines().collect();
    assert_eq!(theirs, ours, "the head of prometheusrule.yaml says how to write it anew");
}

/// Runs it in the repository; its own words are the message when it fails.
fn promtool(arguments: &[&str]) {
    let mut promtool = Command::new("promtool");
    promtool.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let output = promtool.output().expect("promtool is there: tests/setup.sh installs it");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
}

fn alerts() -> Vec<Value> {
    let alerts: Vec<Value> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.len() > 10);
    alerts
}
