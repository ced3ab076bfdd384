use std::process::Command;

use serde_json::Value;

/// An answer over HTTP as curl saw it; status 0 when there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// Sends one request with curl, whose defaults are what users send.
    pub(crate) fn to_curl(arguments: &[&str]) -> Self {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "15", "--write-out", "\n%{http_code}"])
            .args(arguments)
            .output()
            .expect("curl runs");
        let text = String::from_utf8(output.stdout).expect("the answer is UTF-8");
        let (body, status) = text.rsplit_once('\n').expect("curl writes the status last");
        let problem = String::from_utf8_lossy(&output.stderr);
        let body = if body.is_empty() { problem.into_owned() } else { body.to_owned() };
        Self { status: status.parse().expect("a status is a number"), body }
    }

    /// The JSON document of the body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// `(object, value)` of every item of a `MetricValueList`, in the order of the answer.
    pub(crate) fn values(&self) -> Vec<(String, String)> {
        assert_eq!(self.status, 200, "{}", self.body);
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {self:?}")).to_owned();
        let list = self.json();
        let items = list["items"].as_array().unwrap_or_else(|| panic!("no items in {self:?}"));
        items.iter().map(|item| (text(&item["describedObject"]["name"]), text(&item["value"]))).collect()
    }

    /// The same with values as numbers; empty where the answer is that there are none.
    pub(crate) fn numbers(&self) -> Vec<(String, f64)> {
        if self.status == 404 {
            return vec![];
        }
        self.values().into_iter().map(|(object, value)| (object, number(&value))).collect()
    }
}

/// A quantity of the sizes that these tests use.
pub(super) fn number(quantity: &str) -> f64 {
    let factors = [("m", 0.001), ("k", 1000.0), ("M", 1e6)];
    let suffix = factors.iter().find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, factor)));
    let (digits, factor) = suffix.unwrap_or((quantity, &1.0));
    digits.parse::<f64>().unwrap_or_else(|_| panic!("no quantity: {quantity}")) * factor
}
