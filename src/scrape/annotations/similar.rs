//! Names that are nearly those of annotations: what other tools call them, and slips.

/// The known name that `name` seems to mean; `None` for a known name, and for one that is like none.
pub(super) fn to(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if known.contains(&name) {
        return None;
    }
    let plain = plain(name);
    let other = OTHERS.iter().find(|(other, _)| *other == plain).map(|(_, known)| *known);
    if let Some(other) = other.filter(|other| known.contains(other)) {
        return Some(other);
    }
    let near = known.iter().map(|known| (strsim::osa_distance(&plain, &self::plain(known)), *known));
    let (distance, nearest) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= SLIPS.min(nearest.len() / 3)).then_some(nearest)
}

/// What the owner of such an annotation is told.
pub(super) fn rule(known: &str) -> String {
    format!("unknown annotation; did you mean {known}?")
}

/// Without what is written in several ways: case, dashes, underscores and dots.
fn plain(name: &str) -> String {
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How many slips a name may have.
const SLIPS: usize = 2;

/// Names that other tools and old charts have for the same things.
const OTHERS: [(&str, &str); 18] = [
    ("schema", "scheme"),
    ("protocol", "scheme"),
    ("ports", "port"),
    ("portname", "port"),
    ("portnumber", "port"),
    ("metricsport", "port"),
    ("scrapeport", "port"),
    ("metricspath", "path"),
    ("metricpath", "path"),
    ("scrapepath", "path"),
    ("endpoint", "path"),
    ("scrapescheme", "scheme"),
    ("collectioninterval", "interval"),
    ("collectiontimeout", "timeout"),
    ("metric", "metrics"),
    ("allow", "metrics"),
    ("counter", "counters"),
    ("maxage", "max-age"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["scrape", "port", "path", "scheme", "interval"];

    #[test]
    fn names_of_other_tools_other_cases_and_slips_are_recognised() {
        for (name, known) in [
            ("schema", "scheme"),
            ("ports", "port"),
            ("metrics_path", "path"),
            ("metrics-path", "path"),
            ("Port", "port"),
            ("prot", "port"),
            ("paht", "path"),
            ("sheme", "scheme"),
            ("intervall", "interval"),
            ("Scrape", "scrape"),
        ] {
            assert_eq!(to(name, &KNOWN), Some(known), "{name}");
        }
    }

    #[test]
    fn known_names_and_those_of_other_purposes_are_left_alone() {
        for name in ["scrape", "port", "probe", "scrape-slow", "rules", "operator", "team", "job", "params"] {
            assert_eq!(to(name, &KNOWN), None, "{name}");
        }
    }
}
