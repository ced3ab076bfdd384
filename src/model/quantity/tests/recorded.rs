//! What apimachinery made of the same texts; every difference is named here, and must be one.

use serde::Deserialize;

use super::*;

/// One row of `tests/vectors/quantity.json`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "in")]
    text: String,
    /// A raw JSON token, in rows that are about JSON instead.
    json: Option<String>,
    canonical: Option<String>,
    format: Option<String>,
    milli: Option<String>,
    exact: Option<String>,
    err: Option<String>,
    decoded_then_encoded: Option<String>,
    decode_err: Option<String>,
}

/// Apimachinery repeats these texts as they stood; we print the canonical form of the same value.
const PRINTED_CANONICALLY: [(&str, &str); 7] = [
    ("+5", "5"),
    ("1.001", "1001m"),
    ("1E3", "1e3"),
    ("1e+3", "1e3"),
    ("1E+3", "1e3"),
    ("1e0", "1"),
    ("100e0", "100"),
];

/// Apimachinery loses the sign when it rounds these to a milli, but not once they were printed as `-1n`, which is what
/// an HPA reads.
const MILLI_WITH_SIGN: [&str; 1] = ["-0.0000000001"];

/// Zero for apimachinery; nobody who writes this means 0.
const NO_NUMBER: [&str; 6] = [".", "m", "Ki", "e3", "-", "+"];

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../../../tests/vectors/quantity.json")).unwrap()
}

/// A decimal as nanos, without the parser under test; what is finer than a nano must be zeros. `None` when it is huge.
fn nanos(decimal: &str) -> Option<i128> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let (kept, finer) = fraction.split_at(fraction.len().min(9));
    assert!(finer.bytes().all(|digit| digit == b'0'), "{decimal}");
    format!("{whole}{kept:0<9}").parse().ok()
}

fn fits(row: &Row) -> bool {
    let exact = row.exact.as_deref().unwrap();
    nanos(exact).is_some_and(|nanos| nanos.abs() <= i128::from(i64::MAX / 1000) * 1_000_000_000)
}

fn expected_print(text: &str, canonical: &str) -> String {
    let ours = PRINTED_CANONICALLY.iter().find(|(verbatim, _)| *verbatim == text).map(|(_, ours)| *ours);
    if ours.is_some() {
        assert_eq!(canonical, text, "no difference any more");
    }
    ours.unwrap_or(canonical).to_owned()
}

fn check_value(row: &Row) {
    let text = row.text.as_str();
    let parsed = quantity(text);
    assert_eq!(parsed.to_string(), expected_print(text, row.canonical.as_deref().unwrap()), "{row:?}");
    assert_eq!(parsed.nanos, nanos(row.exact.as_deref().unwrap()).unwrap(), "{row:?}");
    assert_eq!(
        format!("{:?}", parsed.format()).to_lowercase(),
        row.format.as_deref().unwrap().to_lowercase()
    );
    let milli: i64 = row.milli.as_deref().unwrap().parse().unwrap();
    let milli = if MILLI_WITH_SIGN.contains(&text) { -milli } else { milli };
    assert_eq!(parsed.milli(), milli, "{row:?}");
}

#[test]
fn texts_parse_and_print_as_apimachinery_does() {
    let mut checked = 0;
    for row in rows().iter().filter(|row| row.json.is_none()) {
        let parsed = Quantity::parse(&row.text);
        match &row.err {
            Some(error) => {
                let message = parsed.unwrap_err().to_string();
                assert!(message.starts_with(error.as_str()), "{row:?}: {message}");
            }
            None if fits(row) => check_value(row),
            None => assert!(is_out_of_range(&parsed), "{row:?}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 138);
}

#[test]
fn strings_in_json_decode_and_encode_as_apimachinery_does() {
    for row in rows().iter().filter(|row| row.json.is_none()) {
        let decoded = Quantity::from_json_token(&serde_json::to_string(&row.text).unwrap());
        match (&row.decoded_then_encoded, &row.decode_err) {
            (_, Some(error)) => {
                assert!(decoded.unwrap_err().to_string().starts_with(error.as_str()), "{row:?}");
            }
            _ if NO_NUMBER.contains(&row.text.as_str()) => {
                assert!(matches!(decoded, Err(QuantityError::Numeric(_))), "{row:?}");
            }
            _ if row.exact.is_some() && !fits(row) => assert!(is_out_of_range(&decoded), "{row:?}"),
            (Some(encoded), None) => {
                let upstream: String = serde_json::from_str(encoded).unwrap();
                let ours: String =
                    serde_json::to_value(decoded.unwrap()).unwrap().as_str().unwrap().to_owned();
                assert_eq!(ours, expected_print(&row.text, &upstream), "{row:?}");
            }
            (None, None) => panic!("{row:?}"),
        }
    }
}

/// The rows of tokens that are not strings. Three differ on purpose: `null` is no number, an escape is decoded, and
/// 12345678901234567890 is out of range.
#[test]
fn other_json_tokens_decode_as_apimachinery_does() {
    let mut differing = 0;
    for row in rows().iter().filter(|row| row.json.is_some()) {
        let token = row.json.as_deref().unwrap();
        let decoded = Quantity::from_json_token(token);
        match token {
            "null" => assert_eq!(decoded, Err(QuantityError::Null)),
            "\"\\u0031\"" => assert_eq!(decoded, Ok(quantity("1"))),
            "12345678901234567890" => assert!(is_out_of_range(&decoded)),
            _ => {
                check_token(row, decoded, token);
                continue;
            }
        }
        differing += 1;
    }
    assert_eq!(differing, 3);
}

fn check_token(row: &Row, decoded: Result<Quantity, QuantityError>, token: &str) {
    if let Some(error) = &row.decode_err {
        assert!(decoded.unwrap_err().to_string().starts_with(error.as_str()), "{row:?}");
        return;
    }
    let upstream: String = serde_json::from_str(row.decoded_then_encoded.as_deref().unwrap()).unwrap();
    assert_eq!(decoded.unwrap().to_string(), expected_print(token, &upstream), "{row:?}");
    assert_eq!(decoded_milli(token), row.milli.as_deref().unwrap(), "{row:?}");
}

fn decoded_milli(token: &str) -> String {
    Quantity::from_json_token(token).unwrap().milli().to_string()
}

/// One row of `tests/vectors/quantity-generated.json`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Generated {
    #[serde(rename = "in")]
    text: String,
    #[serde(default)]
    canonical: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    milli: String,
    #[serde(default)]
    out_of_range: bool,
    err: Option<String>,
}

#[test]
fn random_texts_parse_and_print_as_apimachinery_does() {
    let rows = include_str!("../../../../tests/vectors/quantity-generated.json");
    let rows: Vec<Generated> = serde_json::from_str(rows).unwrap();
    assert_eq!(rows.len(), 500);
    for row in rows {
        let parsed = Quantity::parse(&row.text);
        match parsed {
            Err(QuantityError::OutOfRange { .. }) => assert!(row.out_of_range, "{row:?}"),
            Err(error) => {
                assert!(error.to_string().starts_with(row.err.as_deref().unwrap()), "{row:?}: {error}");
            }
            Ok(quantity) => {
                assert_eq!(quantity.to_string(), row.canonical, "{row:?}");
                assert_eq!(quantity.milli().to_string(), row.milli, "{row:?}");
                assert_eq!(
                    format!("{:?}", quantity.format()).to_lowercase(),
                    row.format.to_lowercase(),
                    "{row:?}"
                );
            }
        }
    }
}
