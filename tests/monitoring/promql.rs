//! Just enough of PromQL's grammar to say which series and labels an expression names; Prometheus itself checks the rest.

/// What an expression names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Named {
    pub(crate) selectors: Vec<Selector>,
    /// The labels of `by`, `without`, `on` and the like.
    pub(crate) grouping: Vec<String>,
}

/// `metric{label="value"}`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// Reads an expression that Prometheus accepts.
pub(crate) fn named(expression: &str) -> Named {
    let (tokens, mut named) = (tokens(expression), Named::default());
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let opens = |bracket: &str| after.first().is_some_and(|next| next == bracket);
        match token.as_str() {
            "{" => {
                let (within, after) = until("}", rest);
                let selector = named.selectors.last_mut().expect("a selector begins with a name");
                selector.matchers = matchers(within);
                rest = after;
            }
            grouping if GROUPING.contains(&grouping) && opens("(") => {
                let (within, after) = until(")", rest);
                let labels = within.iter().skip(1).filter(|token| *token != ",");
                named.grouping.extend(labels.cloned());
                rest = after;
            }
            word if is_name(word) && !WORDS.contains(&word) && !GROUPING.contains(&word) && !opens("(") => {
                named.selectors.push(Selector { metric: word.to_owned(), ..Selector::default() });
            }
            _ => {}
        }
    }
    named
}

fn matchers(tokens: &[String]) -> Vec<Matcher> {
    let matcher = |tokens: &[String]| {
        let [label, operator, value] = tokens else { panic!("no matcher: {tokens:?}") };
        let value = value.trim_matches('"').to_owned();
        Matcher { label: label.clone(), operator: operator.clone(), value }
    };
    tokens.split(|token| token == ",").filter(|tokens| !tokens.is_empty()).map(matcher).collect()
}

/// The tokens before the first `end`, and those after it.
fn until<'a>(end: &str, tokens: &'a [String]) -> (&'a [String], &'a [String]) {
    let at = tokens.iter().position(|token| token == end).unwrap_or_else(|| panic!("no {end} in {tokens:?}"));
    (&tokens[..at], &tokens[at + 1..])
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').expect("a string ends") + 2,
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ if "=!<>~".contains(first) => rest.find(|c| !"=!<>~".contains(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_:.".contains(c)
}

/// Not a number, and no duration.
fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || "_:".contains(c))
}

const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that can stand before something else than their `(`.
const WORDS: &[&str] = &[
    "and", "or", "unless", "bool", "offset", "inf", "nan", "sum", "min", "max", "avg", "count", "group",
    "stddev", "topk", "bottomk", "quantile",
];

#[test]
fn an_expression_names_its_series_matchers_and_groupings() {
    let expression = r#"histogram_quantile(0.99, sum by (le, route) (rate(x_bucket{a=~"b|c", d!="e"}[5m])))
        / on (job) group_left max without(f) (y:z * 2) > 1e3 or vector(0) unless absent(w{})"#;
    let matcher = |label: &str, operator: &str, value: &str| Matcher {
        label: label.to_owned(),
        operator: operator.to_owned(),
        value: value.to_owned(),
    };
    let selector = |metric: &str, matchers| Selector { metric: metric.to_owned(), matchers };
    let selectors = vec![
        selector("x_bucket", vec![matcher("a", "=~", "b|c"), matcher("d", "!=", "e")]),
        selector("y:z", vec![]),
        selector("w", vec![]),
    ];
    let grouping = ["le", "route", "job", "f"].map(str::to_owned).to_vec();
    assert_eq!(named(expression), Named { selectors, grouping });
}
