//! The dashboards can be imported anywhere, and every panel says what it shows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    documented::Documented,
    expressions::{dashboards, of_everything, panels},
    promql::{Selector, named},
    text,
};

/// Grafana's names of the units that our metrics have.
const UNITS: &[&str] = &["none", "short", "s", "bytes", "Bps", "reqps", "cps", "percentunit"];

#[test]
fn a_dashboard_can_be_imported_into_any_grafana() {
    let mut uids = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        assert_eq!(dashboard["schemaVersion"], 42, "{file}");
        for theirs in ["id", "__inputs", "__requires", "gnetId"] {
            assert_eq!(dashboard.get(theirs), None, "{file}: {theirs} is of one Grafana");
        }
        let uid = dashboard["uid"].as_str().unwrap_or_default().to_owned();
        assert!(uid.starts_with("custom-metrics-adapter-") && uid.len() <= 40, "{file}: uid {uid}");
        assert!(uids.insert(uid), "{file}: two dashboards have one uid");
        let first = &dashboard["templating"]["list"][0];
        assert_eq!((&first["type"], &first["name"]), (&json!("datasource"), &json!("datasource")), "{file}");
    }
    assert_eq!(uids.len(), 3);
}

#[test]
fn no_panel_is_bound_to_a_data_source() {
    let variable = json!({ "type": "prometheus", "uid": "${datasource}" });
    for (file, dashboard) in dashboards() {
        let found = data_sources(&dashboard);
        assert!(found.len() > 40, "{file}: {} data sources", found.len());
        for source in found {
            assert_eq!(source, &variable, "{file}");
        }
    }
}

#[test]
fn a_panel_has_title_unit_and_description_and_asks_something() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty(), "{file}: no title: {panel}");
            if panel["type"] == "row" {
                continue;
            }
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(description.len() > 20, "{file}: {title}: no description");
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
            assert!(UNITS.contains(&unit), "{file}: {title}: the unit {unit:?}");
            assert!(
                panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()),
                "{file}: {title}"
            );
        }
    }
}

#[test]
fn a_panel_shows_what_the_variables_select_and_nothing_else() {
    let dashboards = dashboards();
    let panels = dashboards.iter().flat_map(|(_, dashboard)| panels(dashboard));
    for target in panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten()) {
        let expression = target["expr"].as_str().unwrap_or_default();
        let selectors = named(&expression.replace("$__rate_interval", "1m")).selectors;
        assert!(!selectors.is_empty(), "{expression}");
        let selected = |selector: &Selector| {
            let has = |label: &str, value: &str| {
                selector.matchers.iter().any(|matcher| matcher.label == label && matcher.value == value)
            };
            has("job", "$job") && has("instance", "$instance")
        };
        assert!(selectors.iter().all(selected), "{expression}");
    }
}

/// A reason that no panel asks for would be a read without a value that nobody sees.
#[test]
fn the_hpa_view_shows_each_reason_for_no_value_once() {
    let asked = of_everything().into_iter().filter(|asked| asked.place.starts_with("hpa.json: "));
    let selectors = asked.flat_map(|asked| named(&asked.text).selectors);
    let matchers =
        selectors.flat_map(|selector| selector.matchers).filter(|matcher| matcher.label == "reason");
    let mut shown: Vec<String> = matchers
        .flat_map(|matcher| matcher.value.split('|').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    shown.sort();
    let documented = Documented::read();
    let reasons =
        documented.values("custom_metrics_adapter_api_reads_without_value_total", "reason").unwrap();
    assert_eq!(shown, reasons.iter().cloned().collect::<Vec<_>>());
}

#[test]
fn panels_have_numbers_of_their_own_and_do_not_overlap() {
    for (file, dashboard) in dashboards() {
        let panels = panels(&dashboard);
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("a number")).collect();
        assert_eq!(ids.len(), panels.len(), "{file}");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a side"));
            assert!(x + w <= 24, "{file}: {} is too wide", panel["title"]);
            let cells = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
            assert!(cells.into_iter().all(|cell| taken.insert(cell)), "{file}: {} overlaps", panel["title"]);
        }
    }
}

#[test]
fn every_dashboard_becomes_a_config_map() {
    let kustomization: Value = serde_saphyr::from_str(&text("dashboards/kustomization.yaml")).unwrap();
    let maps = kustomization["configMapGenerator"].as_array().unwrap().iter();
    let files = maps.flat_map(|map| map["files"].as_array().unwrap()).filter_map(Value::as_str);
    let sources: Vec<_> = files.filter_map(|file| file.split('=').next_back()).map(str::to_owned).collect();
    let mut names: Vec<_> = dashboards().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(sources, names);
    assert_eq!(kustomization["generatorOptions"]["labels"]["grafana_dashboard"], "1");
}

/// Every value of a key `datasource`, however deep.
fn data_sources(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(data_sources).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, field)| if key == "datasource" { vec![field] } else { data_sources(field) })
            .collect(),
        _ => Vec::new(),
    }
}
