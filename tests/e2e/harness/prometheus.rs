use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Answer, ControlPlane};

/// A real Prometheus that scrapes one adapter, see `tests/control-plane/prometheus.sh`; it ends with the value.
pub(crate) struct Prometheus<'a> {
    plane: &'a ControlPlane,
    adapter: &'a str,
    address: String,
}

impl<'a> Prometheus<'a> {
    /// Starts one beside the adapter of this name; returns once it is ready.
    pub(crate) fn beside(adapter: &'a str, plane: &'a ControlPlane) -> Self {
        script("start", adapter, plane);
        let address = plane.directory().join("adapters").join(adapter).join("prometheus/address");
        let address = fs::read_to_string(address).expect("the script writes the address").trim().to_owned();
        Self { plane, adapter, address }
    }

    /// The values of an instant query that are numbers: a quantile of nothing and 0/0 are none.
    pub(crate) fn numbers(&self, expression: &str) -> Vec<f64> {
        let query = format!("query={expression}");
        let answer = self.api("query", &["--data-urlencode", &query]);
        let series = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}"));
        let value =
            |series: &Value| series["value"][1].as_str().expect("a sample").parse().expect("a number");
        series.iter().map(value).filter(|value: &f64| !value.is_nan()).collect()
    }

    /// The names of the alerts that fire or will.
    pub(crate) fn alerts(&self) -> Vec<String> {
        let answer = self.api("alerts", &[]);
        let alerts =
            answer["data"]["alerts"].as_array().unwrap_or_else(|| panic!("no alerts: {answer}")).iter();
        alerts.map(|alert| alert["labels"].to_string()).collect()
    }

    /// Its rules that it could not evaluate, with the error; rules not evaluated yet count.
    pub(crate) fn rules_with_problems(&self) -> Vec<Value> {
        let answer = self.api("rules", &["--get"]);
        let groups =
            answer["data"]["groups"].as_array().unwrap_or_else(|| panic!("no groups: {answer}")).iter();
        let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(!rules.is_empty(), "no rules: {answer}");
        rules.into_iter().filter(|rule| rule["health"] != "ok").cloned().collect()
    }

    fn api(&self, endpoint: &str, arguments: &[&str]) -> Value {
        let url = format!("http://{}/api/v1/{endpoint}", self.address);
        let answer = Answer::to_curl(&[arguments, &[url.as_str()]].concat());
        assert_eq!(answer.status, 200, "{endpoint} {arguments:?}: {}", answer.body);
        answer.json()
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        script("stop", self.adapter, self.plane);
    }
}

fn script(verb: &str, adapter: &str, plane: &ControlPlane) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/prometheus.sh");
    let status = Command::new(script).arg(verb).arg(plane.directory()).arg(adapter).status();
    assert!(status.expect("the script runs").success(), "prometheus.sh {verb}");
}
