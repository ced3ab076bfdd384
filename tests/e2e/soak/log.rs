//! What the adapter's log says: one line when something begins to fail, one when it is good again.

use std::collections::BTreeMap;

/// A line that is a warning, or the end of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Line {
    pub(crate) level: String,
    pub(crate) message: String,
    /// The fields that tell one incident from another, `name=value`.
    pub(crate) about: String,
}

/// The lines of a log but for those of debugging.
pub(crate) fn read(log: &str) -> Vec<Line> {
    log.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split_whitespace().skip_while(|word| !LEVELS.contains(word));
    let level = words.next()?.to_owned();
    let rest: Vec<&str> = words.skip(1).collect();
    let is_field = |word: &&&str| word.split_once('=').is_some_and(|(name, _)| !name.contains('"'));
    let message: Vec<&str> = rest.iter().take_while(|word| !is_field(word)).copied().collect();
    let telling = |word: &&&str| ABOUT.iter().any(|name| word.starts_with(&format!("{name}=")));
    let about: Vec<&str> = rest.iter().filter(telling).copied().collect();
    Some(Line { level, message: message.join(" "), about: about.join(" ") })
}

/// What is wrong with the lines of one fault: said twice, or begun and not ended.
pub(crate) fn faults(lines: &[Line]) -> Vec<String> {
    let mut warnings: BTreeMap<&Line, usize> = BTreeMap::new();
    lines.iter().filter(|line| line.level == "WARN").for_each(|line| *warnings.entry(line).or_default() += 1);
    let twice = warnings.iter().filter(|(_, times)| **times > 1);
    let mut faults: Vec<String> =
        twice.map(|(line, times)| format!("logged {times} times: {line:?}")).collect();
    for (begin, ends) in PAIRS {
        let last = |words: &[&str]| {
            lines.iter().rposition(|line| words.iter().any(|words| line.message.contains(words)))
        };
        if last(&[begin]).is_some_and(|begun| last(ends).is_none_or(|ended| ended < begun)) {
            faults.push(format!("{begin:?} without {ends:?}"));
        }
    }
    faults
}

/// How often each message was logged.
pub(crate) fn counted(lines: &[Line]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for Line { level, message, about } in lines {
        *counted.entry(format!("{level} {message} {about}")).or_default() += 1;
    }
    counted
}

const LEVELS: [&str; 3] = ["ERROR", "WARN", "INFO"];
const ABOUT: [&str; 6] = ["resource", "class", "review", "listener", "limit", "namespace"];
const PAIRS: [(&str, &[&str]); 5] = [
    ("watch fails", &["watch works again", "no longer watching"]),
    ("reviews fail", &["reviews work again"]),
    ("discovery fails", &["discovery works again"]),
    ("cannot be watched", &["can be watched again"]),
    ("not ready", &["ready"]),
];
