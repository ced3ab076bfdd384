//! Derived metrics beside an evaluator of big rationals.

use jiff::Timestamp;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::prelude::*;

use super::*;
use crate::model::{Quantity, Sample};

fn sample(value: Quantity, second: i64, window_seconds: Option<u32>) -> Sample {
    Sample { value, timestamp: Timestamp::from_second(second).unwrap(), window_seconds }
}

fn milli(value: i64) -> Quantity {
    Quantity::parse(&format!("{value}m")).unwrap()
}

/// The value of an expression over metrics `a`, `b` and `c` of so many thousandths.
fn value(text: &str, metrics: [i64; 3]) -> Result<Quantity, Fault<&'static str>> {
    let read = |reference: &Reference| {
        let at = ["a", "b", "c"].iter().position(|name| *name == reference.metric.as_str());
        Ok(sample(milli(metrics[at.ok_or("it is not there")?]), 0, None))
    };
    Expression::parse(text).unwrap().evaluate(read).map(|sample| sample.value)
}

#[test]
fn arithmetic_has_its_usual_precedence_and_goes_from_left_to_right() {
    for (text, wanted) in [
        ("a", "6"),
        ("a + b * c", "12"),
        ("(a + b) * c", "24"),
        ("a - b - c", "1"),
        ("a / b / c", "1"),
        ("-a + b", "-4"),
        ("--a", "6"),
        ("a*-b", "-12"),
        ("a / 4", "1500m"),
        ("100 * b / a", "33333333334n"),
        ("a / b * b / a", "1"),
        ("sum(a) + max( b ) - min(c) * avg(c)", "-1"),
    ] {
        let value = value(text, [6000, 2000, 3000]).map(|value| value.to_string());
        assert_eq!(value.as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn what_is_missing_is_missing_and_a_division_by_zero_has_no_value() {
    let missing = value("a / nothing", [1, 1, 1]).unwrap_err();
    assert_eq!(missing.to_string(), "nothing: it is not there");
    assert_eq!(value("a / (b - c)", [1, 5, 5]), Err(Fault::DivisionByZero));
    assert_eq!(value("0 * a / b", [1, 0, 0]), Err(Fault::DivisionByZero));
    assert_eq!(value("a * a * a", [i64::MAX / 2, 0, 0]), Err(Fault::OutOfRange));
}

#[test]
fn a_metric_has_matchers_and_a_fold() {
    let expression =
        Expression::parse(r#"max(busy{pool="web",path=~"/api/.*"}) / workers{pool!="x"}"#).unwrap();
    let mut seen = Vec::new();
    let read = |reference: &Reference| {
        seen.push((reference.metric.to_string(), reference.matchers.len(), reference.fold));
        Ok::<_, ()>(sample(milli(1000), 0, None))
    };
    expression.evaluate(read).unwrap();
    assert_eq!(seen, [("busy".to_owned(), 2, Some(Fold::Max)), ("workers".to_owned(), 1, None)]);
}

#[test]
fn the_moment_is_the_oldest_and_the_window_the_longest() {
    let read = |reference: &Reference| {
        let (second, window) = if reference.metric.as_str() == "a" { (100, Some(60)) } else { (90, None) };
        Ok::<_, ()>(sample(milli(1), second, window))
    };
    let sample = Expression::parse("a + b").unwrap().evaluate(read).unwrap();
    assert_eq!((sample.timestamp.as_second(), sample.window_seconds), (90, Some(60)));
}

#[test]
fn an_error_points_at_its_place() {
    for (text, message) in [
        ("", "at character 1: expected a metric, a number or ("),
        ("a +", "at character 4: expected a metric"),
        ("a b", "at character 3: expected +, -, *, / or the end, found \"b\""),
        ("(a + b", "at character 7: expected )"),
        ("a % b", "at character 3: expected +, -, *, / or the end"),
        ("rate(a)", "at character 1: expected sum, avg, max or min before (: there are no other functions"),
        ("sum(a + b)", "at character 7: expected )"),
        ("sum(1)", "at character 5: expected one metric"),
        ("a{x}", "at character 4: expected =, != or =~ after a label"),
        ("a{x=\"1\"", "at character 8: expected }"),
        ("a[5m]", "at character 2: expected +, -, *, / or the end, found \"[5m]\""),
        ("1 + 2", "at character 1: expected a metric somewhere"),
        ("é / a", "at character 1: expected a metric, a number or (, found \"é / a\""),
        ("a * 1.2.3", "at character 5: expected a number"),
        ("a * 0.0000000001", "at character 5: expected a number with at most 9 decimals"),
    ] {
        let error = Expression::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

#[test]
fn length_depth_and_number_of_operands_are_bounded() {
    let depth = |depth: usize| Expression::parse(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
    assert!(depth(Expression::DEEPEST - 1).is_ok());
    assert!(depth(Expression::DEEPEST).unwrap_err().fault.contains("too deep"));
    assert!(Expression::parse(&format!("{}a", "-".repeat(500))).unwrap_err().fault.contains("too deep"));
    assert!(Expression::parse(&vec!["a"; 64].join("+")).is_ok());
    assert!(Expression::parse(&vec!["a"; 65].join("+")).unwrap_err().fault.contains("more than 64"));
    assert!(Expression::parse(&" ".repeat(2000)).unwrap_err().fault.contains("2000 bytes"));
}

#[test]
fn names_are_derived_once_and_so_many_at_most() {
    let mut derived = Derivations::default();
    derived.add("ratio", "a / b").unwrap();
    assert!(matches!(derived.add("ratio", "a"), Err(DerivationError::Twice(_))));
    assert!(matches!(derived.add("a/b", "a"), Err(DerivationError::Name(_))));
    assert!(matches!(derived.add("x", "a +"), Err(DerivationError::Expression(_))));
    (1..Derivations::MOST).for_each(|n| derived.add(&format!("n{n}"), "a").unwrap());
    assert_eq!(derived.add("more", "a"), Err(DerivationError::TooMany));
}

/// An expression as text, and the same with big rationals: `None` where it divides by zero.
type Twin = (String, Option<BigRational>);

fn twin(metrics: [i64; 3]) -> impl Strategy<Value = Twin> {
    let metric = move |at: usize| (["a", "b", "c"][at].to_owned(), Some(big(metrics[at], 1000)));
    let leaf = prop_oneof![
        (0_usize..3).prop_map(metric),
        (0_i64..100_000).prop_map(|n| (format!("{}.{:03}", n / 1000, n % 1000), Some(big(n, 1000)))),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let both = (inner.clone(), 0_usize..4, inner.clone());
        prop_oneof![
            both.prop_map(|(left, at, right)| combined(left, at, right)),
            inner.prop_map(|(text, value)| (format!("-({text})"), value.map(|value| -value))),
        ]
    })
}

fn combined((left, one): Twin, at: usize, (right, two): Twin) -> Twin {
    let text = format!("({left}) {} ({right})", ["+", "-", "*", "/"][at]);
    let value = one.zip(two).and_then(|(one, two)| match at {
        0 => Some(one + two),
        1 => Some(one - two),
        2 => Some(one * two),
        _ if two.is_zero() => None,
        _ => Some(one / two),
    });
    (text, value)
}

fn big(numerator: i64, denominator: i64) -> BigRational {
    BigRational::new(numerator.into(), denominator.into())
}

fn metrics_and_twin() -> impl Strategy<Value = ([i64; 3], Twin)> {
    let metric = || prop_oneof![Just(0_i64), -1000_i64..1000, -1_000_000_000_i64..1_000_000_000];
    [metric(), metric(), metric()].prop_flat_map(|metrics| (Just(metrics), twin(metrics)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// To the nano and to 18 digits, which is as exact as a quantity is; where fractions do not fit 128 bits, to a
    /// millionth of the largest number in it.
    #[test]
    fn an_expression_is_what_big_rationals_say((metrics, (text, wanted)) in metrics_and_twin()) {
        prop_assume!(text.contains(['a', 'b', 'c']) && text.len() <= Expression::MAX_BYTES);
        let most = big(Quantity::MAX, 1);
        match (value(&text, metrics), wanted) {
            (Ok(value), Some(wanted)) => {
                let difference = (big_of(value) - &wanted).abs();
                let allowed = big(1, 1_000_000_000) + wanted.abs() / big(1_000_000_000_000_000, 1);
                prop_assert!(difference <= allowed, "{text}: {value} and not {wanted}");
            }
            (Err(Fault::DivisionByZero), None) => {}
            (Err(Fault::OutOfRange), wanted) => {
                // An intermediate number may be out of range where the result is not, or where it divides by zero later.
                prop_assert!(wanted.is_none_or(|wanted| wanted.abs() > most) || text.contains('*') || text.contains('/'));
            }
            (value, wanted) => prop_assert!(false, "{text}: {value:?} and not {wanted:?}"),
        }
    }

    #[test]
    fn no_text_panics(text in "[a-c0-9.+*/(){}=!~\"'`, é_-]{0,80}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(error.at <= text.chars().count());
        }
    }

    #[test]
    fn no_random_text_panics(text in "\\PC{0,60}") {
        drop(Expression::parse(&text));
    }
}

fn big_of(quantity: Quantity) -> BigRational {
    BigRational::new(quantity.nanos().into(), 1_000_000_000.into())
}
