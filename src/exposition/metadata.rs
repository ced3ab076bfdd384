//! Comment lines that mean something, and exemplars, which mean nothing to us.

use std::borrow::Cow;

use super::{
    error::Reason,
    family::Kind,
    grammar::{self, Spelling},
    lines::Dialect,
    value,
};

/// What a comment line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Metadata<'a> {
    /// `# TYPE`: the type of what follows of a family.
    Type {
        /// The family.
        family: Cow<'a, str>,
        /// Its type.
        kind: Kind,
    },
    /// `# HELP`: what a family is.
    Help {
        /// The family.
        family: Cow<'a, str>,
        /// The explanation, escapes resolved.
        text: Cow<'a, str>,
    },
    /// OpenMetrics `# UNIT`: what a family is measured in.
    Unit {
        /// The family.
        family: Cow<'a, str>,
        /// Its unit.
        unit: Cow<'a, str>,
    },
    /// OpenMetrics `# EOF`: the body is complete.
    End,
    /// A free comment, which only text has.
    Comment,
}

/// Reads a whole line that starts with `#`; `text` is asked for the same line as text, if it means something.
pub(super) fn read<'a>(
    line: &'a [u8],
    text: impl FnOnce() -> Result<&'a str, Reason>,
    dialect: Dialect,
) -> Result<Metadata<'a>, Reason> {
    let Some((keyword, rest)) = keyword(line, dialect) else {
        return match dialect {
            Dialect::OpenMetrics if line == b"# EOF" => Ok(Metadata::End),
            Dialect::OpenMetrics => Err(Reason::Comment),
            Dialect::Text => Ok(Metadata::Comment),
        };
    };
    let text = text()?;
    let rest = text.get(text.len() - rest.len()..).unwrap_or_default();
    match (keyword, dialect) {
        (Keyword::Type, _) => family_type(rest, dialect),
        (Keyword::Help, _) => help(rest, dialect),
        (Keyword::Unit, Dialect::OpenMetrics) => unit(rest),
        (Keyword::Unit, Dialect::Text) => Ok(Metadata::Comment),
    }
}

enum Keyword {
    Type,
    Help,
    Unit,
}

/// The keyword of a comment, and what follows its blank. Without a blank on both sides it is none: `#HELP a`,
/// `# HELP` and `# HELPING a` are free comments.
fn keyword(line: &[u8], dialect: Dialect) -> Option<(Keyword, &[u8])> {
    let after = line.strip_prefix(b"#").filter(|after| matches!(after, [b' ' | b'\t', ..]))?;
    let text = match dialect {
        Dialect::Text => dialect.skip_blanks(after),
        Dialect::OpenMetrics => after.strip_prefix(b" ")?,
    };
    let (keyword, rest) = text.split_at_checked(4)?;
    let keyword = match keyword {
        b"TYPE" => Keyword::Type,
        b"HELP" => Keyword::Help,
        b"UNIT" => Keyword::Unit,
        _ => return None,
    };
    match (dialect, rest) {
        (Dialect::Text, [b' ' | b'\t', ..]) => Some((keyword, dialect.skip_blanks(rest))),
        (Dialect::OpenMetrics, [b' ', rest @ ..]) => Some((keyword, rest)),
        _ => None,
    }
}

fn family_type(rest: &str, dialect: Dialect) -> Result<Metadata<'_>, Reason> {
    let (family, word) = family_and_text(rest, dialect)?;
    let kind = match dialect {
        Dialect::Text => Kind::from_text(word.trim_matches([' ', '\t'])),
        Dialect::OpenMetrics => Kind::from_openmetrics(word),
    };
    Ok(Metadata::Type { family, kind: kind.ok_or(Reason::Type)? })
}

fn help(rest: &str, dialect: Dialect) -> Result<Metadata<'_>, Reason> {
    let (family, text) = family_and_text(rest, dialect)?;
    let text = match text.contains('\\') {
        true => Cow::Owned(grammar::unescape(text, dialect == Dialect::OpenMetrics)),
        false => Cow::Borrowed(text),
    };
    Ok(Metadata::Help { family, text })
}

fn unit(rest: &str) -> Result<Metadata<'_>, Reason> {
    let (family, unit) = family_and_text(rest, Dialect::OpenMetrics)?;
    let fits = family.strip_suffix(unit).is_some_and(|stem| unit.is_empty() || stem.ends_with('_'));
    if fits { Ok(Metadata::Unit { family, unit: Cow::Borrowed(unit) }) } else { Err(Reason::Unit) }
}

/// Splits `family text`. The text may be empty, and in the text format its blank may be missing then.
fn family_and_text(rest: &str, dialect: Dialect) -> Result<(Cow<'_, str>, &str), Reason> {
    let (family, rest) = grammar::family_name(rest, dialect)?;
    let text = match dialect {
        Dialect::Text if rest.is_empty() => Some(rest),
        Dialect::Text => rest.strip_prefix([' ', '\t']),
        Dialect::OpenMetrics => rest.strip_prefix(' '),
    };
    Ok((family, text.ok_or(Reason::FamilyName)?))
}

/// Skips an exemplar, from behind its `# `: `{labels} value [timestamp]`, and in text the blanks behind it. An
/// autoscaler has no use for it, but a malformed one means a broken line.
pub(super) fn skip_exemplar(text: &[u8], dialect: Dialect) -> Result<&[u8], Reason> {
    let rest = Spelling::default().skip_exemplar_labels(text, dialect).map_err(|_| Reason::Exemplar)?;
    let number = match dialect {
        Dialect::Text => dialect.skip_blanks(rest),
        Dialect::OpenMetrics => rest.strip_prefix(b" ").ok_or(Reason::Exemplar)?,
    };
    let (_, after) = value::read(number).map_err(|_| Reason::Exemplar)?;
    let seconds = match dialect {
        Dialect::Text => Some(dialect.skip_blanks(after)).filter(|rest| is_number_behind(after, rest)),
        Dialect::OpenMetrics => after.strip_prefix(b" "),
    };
    let Some(seconds) = seconds else { return Ok(dialect.skip_blanks(after)) };
    let (_, rest) = value::read_seconds(seconds).map_err(|_| Reason::Exemplar)?;
    Ok(dialect.skip_blanks(rest))
}

/// Whether blanks were skipped, and something follows them on the line.
fn is_number_behind(before: &[u8], after: &[u8]) -> bool {
    after.len() < before.len() && !matches!(after, [] | [b'\n' | b'\r', ..])
}

/// The family of a `# TYPE` line whose type is not known, unless OpenMetrics knows it: text has no word for those
/// types, and reads their series as untyped.
pub(super) fn family_of_unknown_type<'a>(line: &'a [u8], dialect: Dialect) -> Option<Cow<'a, str>> {
    let (Keyword::Type, rest) = keyword(line, dialect)? else { return None };
    let (family, word) = family_and_text(std::str::from_utf8(rest).ok()?, dialect).ok()?;
    Kind::from_openmetrics(word.trim_matches([' ', '\t'])).is_none().then_some(family)
}
