//! Any text, with labels to match after a `#`: no panic, and what is taken prints as itself again and matches the same.
#![no_main]

use custom_metrics_adapter::model::{Labels, Selector};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let (text, labels) = input.split_once('#').unwrap_or((input, "a=1,b=x"));
    let Ok(selector) = Selector::parse(text) else { return };
    let printed = selector.to_string();
    let reparsed = Selector::parse(&printed).unwrap();
    assert_eq!(reparsed, selector, "{printed}");
    assert_eq!(reparsed.to_string(), printed);
    let written = Labels::parse_write(labels).unwrap_or_default();
    assert_eq!(selector.matches(&written), reparsed.matches(&written));
    assert!(selector.requirements().len() <= Selector::MAX_REQUIREMENTS);
    let echoed = selector.echo();
    assert!(echoed.match_labels.len() + echoed.match_expressions.len() <= selector.requirements().len());
});
