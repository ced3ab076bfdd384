//! The declarations of types that a template holds. A protobuf body has no comment lines, so what a family says of itself
//! stands there as a text of our own.

use std::borrow::Cow;

use crate::exposition::{Dialect, Format, Kind, Line, Lines, Metadata};

/// Writes a family's type into `text`, which is cleared first.
pub(super) fn write(text: &mut String, family: &str, kind: Kind) {
    text.clear();
    text.extend([kind.word(), " ", family]);
}

/// Reads the declaration that a line of a template holds, if it is one.
pub(super) fn of_line(text: &[u8], format: Format) -> Option<(Cow<'_, str>, Kind)> {
    let dialect = match format {
        Format::Text => Dialect::Text,
        Format::OpenMetrics => Dialect::OpenMetrics,
        Format::Protobuf => {
            let (word, family) = std::str::from_utf8(text).ok()?.split_once(' ')?;
            return Some((Cow::Borrowed(family), Kind::from_openmetrics(word)?));
        }
    };
    match Lines::new(text, dialect).next_line()?.ok()? {
        Line::Metadata(line) => match line.metadata {
            Metadata::Type { family, kind } => Some((family, kind)),
            _ => None,
        },
        Line::Sample(_) => None,
    }
}
