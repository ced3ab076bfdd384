//! No expression asks for a metric, a label or a value of a label that the adapter does not have.

use std::collections::BTreeSet;

use super::{
    documented::Documented,
    expressions::{Expression, of_everything, rules},
    promql::{Matcher, Selector, named},
};

/// Labels that Prometheus gives to every series it scrapes here.
const OF_TARGETS: &[&str] = &["job", "instance", "pod"];

#[test]
fn panels_variables_and_rules_use_only_what_the_page_of_metrics_lists() {
    let (documented, recorded) = (Documented::read(), recorded());
    let expressions = of_everything();
    assert!(expressions.len() > 100, "{} expressions only", expressions.len());
    let wrong: Vec<String> =
        expressions.iter().flat_map(|expression| strays(expression, &documented, &recorded)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_metric_a_label_or_a_value_that_is_not_listed_is_found() {
    let (documented, recorded) = (Documented::read(), BTreeSet::from(["a:b".to_owned()]));
    let wrong = |text: &str| {
        strays(&Expression { place: "x".to_owned(), text: text.to_owned() }, &documented, &recorded).len()
    };
    for right in [
        "custom_metrics_adapter_ready",
        r#"rate(custom_metrics_adapter_scrape_scrapes_total{result!="good", job=~".+"}[1m])"#,
        "sum by (le) (rate(custom_metrics_adapter_scrape_duration_seconds_bucket[1m]))",
        "sum without (pod) (a:b)",
    ] {
        assert_eq!(wrong(right), 0, "{right}");
    }
    for typed_wrong in [
        "custom_metrics_adapter_redy",
        "node_load1",
        "a:c",
        "custom_metrics_adapter_scrape_duration_seconds",
        "custom_metrics_adapter_ready_bucket",
        r#"custom_metrics_adapter_scrape_targets{status="up"}"#,
        r#"custom_metrics_adapter_scrape_targets{state=~"up|dead"}"#,
        "sum by (code) (custom_metrics_adapter_scrape_targets)",
        "sum by (le) (custom_metrics_adapter_scrape_duration_seconds_sum)",
    ] {
        assert_eq!(wrong(typed_wrong), 1, "{typed_wrong}");
    }
}

/// The names of the recording rules.
fn recorded() -> BTreeSet<String> {
    rules().iter().filter_map(|rule| rule["record"].as_str()).map(str::to_owned).collect()
}

fn strays(expression: &Expression, documented: &Documented, recorded: &BTreeSet<String>) -> Vec<String> {
    let named = named(&expression.text);
    let mut labels: BTreeSet<&str> = OF_TARGETS.iter().copied().collect();
    let mut wrong = Vec::new();
    for selector in &named.selectors {
        if recorded.contains(&selector.metric) {
            continue;
        }
        let Some((metric, is_bucket)) = documented.metric(&selector.metric) else {
            wrong.push(format!("there is no series {}", selector.metric));
            continue;
        };
        let own: BTreeSet<&str> =
            metric.labels.iter().map(String::as_str).chain(is_bucket.then_some("le")).collect();
        wrong.extend(
            selector.matchers.iter().filter_map(|matcher| stray(selector, matcher, &own, documented)),
        );
        labels.extend(own);
    }
    if wrong.is_empty() {
        let unknown = named.grouping.iter().filter(|label| !labels.contains(label.as_str()));
        wrong.extend(unknown.map(|label| format!("no series of it has the label {label}")));
    }
    wrong.into_iter().map(|problem| format!("{}: {problem}: {}", expression.place, expression.text)).collect()
}

fn stray(
    selector: &Selector,
    matcher: &Matcher,
    own: &BTreeSet<&str>,
    documented: &Documented,
) -> Option<String> {
    let Matcher { label, operator, value } = matcher;
    if OF_TARGETS.contains(&label.as_str()) {
        return None;
    }
    if !own.contains(label.as_str()) {
        return Some(format!("{} has no label {label}", selector.metric));
    }
    let known = documented.values(&selector.metric, label)?;
    let alternatives = if operator.contains('~') { value.split('|').collect() } else { vec![value.as_str()] };
    let unknown = alternatives.into_iter().find(|value| !known.contains(*value))?;
    Some(format!("{label} of {} is never {unknown}", selector.metric))
}
