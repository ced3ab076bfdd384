//! Every PromQL expression that the dashboards and rules ask. The end-to-end tests ask a real Prometheus the same.

use std::{fs, path::Path};

use serde_json::Value;

/// An expression, and where it stands.
#[derive(Debug)]
pub(crate) struct Expression {
    /// Such as `health.json: Latency of reads`.
    pub(crate) place: String,
    /// As Prometheus gets it: Grafana's variables have values.
    pub(crate) text: String,
}

/// The dashboards by file name.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let directory = root().join("dashboards");
    let names =
        fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(directory.join(&name)).unwrap();
        let dashboard = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, dashboard)
    };
    names.into_iter().map(read).collect()
}

/// The panels of a dashboard, those within rows too.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    let own = dashboard["panels"].as_array().into_iter().flatten();
    own.flat_map(|panel| [vec![panel], panels(panel)].concat()).collect()
}

/// The groups of the rules file.
pub(crate) fn rules() -> Vec<Value> {
    let text = fs::read_to_string(root().join("deploy/k8s/components/monitoring/rules.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// What panels, variables and rules ask.
pub(crate) fn of_everything() -> Vec<Expression> {
    [of_panels(), of_variables(), of_rules()].into_iter().flatten().collect()
}

/// What the panels ask.
fn of_panels() -> Vec<Expression> {
    let of_panel = |file: &str, panel: &Value| -> Vec<Expression> {
        let targets = panel["targets"].as_array().into_iter().flatten();
        let place = format!("{file}: {}", panel["title"].as_str().unwrap_or("a panel without title"));
        targets
            .map(|target| Expression { place: place.clone(), text: substituted(&target["expr"]) })
            .collect()
    };
    let of_dashboard = |(file, dashboard): &(String, Value)| -> Vec<Expression> {
        panels(dashboard).into_iter().flat_map(|panel| of_panel(file, panel)).collect()
    };
    dashboards().iter().flat_map(of_dashboard).collect()
}

/// What the variables of the dashboards ask: the first argument of `label_values`.
fn of_variables() -> Vec<Expression> {
    let of_dashboard = |(file, dashboard): &(String, Value)| -> Vec<Expression> {
        let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
        let queries = variables.filter(|variable| variable["type"] == "query");
        let expression = |variable: &Value| {
            let query = substituted(&variable["query"]["query"]);
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
            let text = inner.unwrap_or_else(|| panic!("{file}: {query}")).0.to_owned();
            Expression { place: format!("{file}: ${}", variable["name"].as_str().unwrap()), text }
        };
        queries.map(expression).collect()
    };
    dashboards().iter().flat_map(of_dashboard).collect()
}

/// What the rules ask.
fn of_rules() -> Vec<Expression> {
    let name =
        |rule: &Value| rule.get("alert").or(rule.get("record")).and_then(Value::as_str).map(str::to_owned);
    let expression = |rule: &Value| Expression {
        place: format!("rules.yaml: {}", name(rule).expect("a rule has a name")),
        text: rule["expr"].as_str().expect("a rule has an expression").to_owned(),
    };
    rules().iter().map(expression).collect()
}

fn substituted(expression: &Value) -> String {
    let text = expression.as_str().unwrap_or_else(|| panic!("no expression: {expression}"));
    let text = text.replace("$__rate_interval", "20s");
    // The longest name first: one begins with another.
    let names = ["$hpa_namespace", "$hpa", "$job", "$instance"];
    let text = names.iter().fold(text, |text, name| text.replace(name, ".+"));
    assert!(!text.contains('$'), "an unknown variable: {text}");
    text
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
