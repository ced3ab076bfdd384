//! Any selector that can be written means what a naive reading of it says; any text gives a selector or an error.

use proptest::{prelude::*, sample::select};

use super::*;

type Set = BTreeMap<&'static str, String>;

/// A requirement as it is written, and what it says.
#[derive(Clone, Debug)]
struct Written {
    key: &'static str,
    operator: Operator,
    values: Vec<String>,
    blanks: bool,
}

impl Written {
    fn text(&self) -> String {
        let Self { key, operator, values, .. } = self;
        let blank = if self.blanks { " " } else { "" };
        let (first, list) = (&values[0], values.join(&format!("{blank},{blank}")));
        match operator {
            Operator::Equals => format!("{key}{blank}={blank}{first}"),
            Operator::DoubleEquals => format!("{key}{blank}=={blank}{first}"),
            Operator::NotEquals => format!("{key}{blank}!={blank}{first}"),
            Operator::In => format!("{key} in{blank}({list})"),
            Operator::NotIn => format!("{key} notin{blank}({list}){blank}"),
            Operator::Exists => format!("{blank}{key}"),
            Operator::DoesNotExist => format!("!{blank}{key}"),
            Operator::GreaterThan => format!("{key}{blank}>3"),
            Operator::LessThan => format!("{key}<{blank}3"),
        }
    }

    fn holds(&self, set: &Set) -> bool {
        let Some(label) = set.get(self.key) else {
            return matches!(self.operator, Operator::NotEquals | Operator::NotIn | Operator::DoesNotExist);
        };
        match self.operator {
            Operator::Equals | Operator::DoubleEquals => *label == self.values[0],
            Operator::NotEquals => *label != self.values[0],
            Operator::In => self.values.contains(label),
            Operator::NotIn => !self.values.contains(label),
            Operator::Exists => true,
            Operator::DoesNotExist => false,
            Operator::GreaterThan => label.parse().is_ok_and(|label: i64| label > 3),
            Operator::LessThan => label.parse().is_ok_and(|label: i64| label < 3),
        }
    }
}

const KEYS: [&str; 5] = ["a", "b", "in", "notin", "k8s.io/app"];
const OPERATORS: [Operator; 9] = [
    Operator::Equals,
    Operator::DoubleEquals,
    Operator::NotEquals,
    Operator::In,
    Operator::NotIn,
    Operator::Exists,
    Operator::DoesNotExist,
    Operator::GreaterThan,
    Operator::LessThan,
];

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![select(&["1", "2", "5", "x", "in", "a.b"][..]).prop_map(str::to_owned), "[a-zA-Z0-9]{1,3}"]
}

fn any_written() -> impl Strategy<Value = Written> {
    let values = proptest::collection::vec(any_value(), 1..4);
    (select(&KEYS[..]), select(&OPERATORS[..]), values, any::<bool>())
        .prop_map(|(key, operator, values, blanks)| Written { key, operator, values, blanks })
}

fn any_set() -> impl Strategy<Value = Set> {
    proptest::collection::btree_map(select(&KEYS[..]), prop_oneof![any_value(), Just(String::new())], 0..5)
}

/// Strings over the characters that selectors are made of.
const NEARLY_A_SELECTOR: &str = "([ab1]|in|notin|[-!=<>(), /.]|\\PC){0,24}";

proptest! {
    #[test]
    fn selectors_match_what_a_naive_reading_matches(
        written in proptest::collection::vec(any_written(), 0..5),
        sets in proptest::collection::vec(any_set(), 1..8),
    ) {
        let text = written.iter().map(Written::text).collect::<Vec<_>>().join(",");
        let parsed = Selector::parse(&text).unwrap();
        let reparsed = Selector::parse(&parsed.to_string()).unwrap();
        prop_assert_eq!(&reparsed, &parsed);
        for set in &sets {
            let labels = Labels::from_pairs(set.iter().map(|(name, value)| (*name, value.as_str())));
            let expected = written.iter().all(|requirement| requirement.holds(set));
            prop_assert_eq!(parsed.matches(&labels), expected, "{} on {:?}", text, set);
        }
    }

    #[test]
    fn any_text_prints_as_itself_again_or_is_an_error(text in prop_oneof![".{0,80}", NEARLY_A_SELECTOR]) {
        match Selector::parse(&text) {
            Ok(parsed) => {
                let printed = parsed.to_string();
                let reparsed = Selector::parse(&printed).unwrap();
                prop_assert_eq!(reparsed.to_string(), printed);
                prop_assert_eq!(reparsed, parsed);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
