//! What stands in a template for what a protobuf family says of itself: it has no comment lines.

use crate::exposition::Kind;

/// Writes a family's type into `text`, which is cleared first.
pub(super) fn write(text: &mut String, family: &str, kind: Kind) {
    let word = KINDS.iter().find(|(known, _)| *known == kind).map_or("unknown", |(_, word)| word);
    text.clear();
    text.extend([word, " ", family]);
}

/// Reads what [`write`] wrote.
pub(super) fn read(text: &str) -> Option<(&str, Kind)> {
    let (word, family) = text.split_once(' ')?;
    let (kind, _) = KINDS.iter().find(|(_, known)| *known == word)?;
    Some((family, *kind))
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Counter, "counter"),
    (Kind::Gauge, "gauge"),
    (Kind::Histogram, "histogram"),
    (Kind::GaugeHistogram, "gaugehistogram"),
    (Kind::Summary, "summary"),
    (Kind::Info, "info"),
    (Kind::StateSet, "stateset"),
    (Kind::Unknown, "unknown"),
];
