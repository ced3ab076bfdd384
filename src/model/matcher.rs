//! Label matchers as Prometheus users write them: `path="/api/v1",code=~"5.."`. They say what a Kubernetes selector
//! cannot, whose values have no slash, blank or colon.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::LabelSource;

/// One matcher. A label that is missing is as good as an empty one, as in Prometheus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matcher {
    label: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    /// The pattern as it was written, and anchored at both ends.
    Pattern(String, Regex),
}

/// A text that is no list of matchers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at byte {at}: {fault}")]
pub struct MatcherError {
    /// Where, in bytes from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: String,
}

impl Matcher {
    /// The longest text of a list, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// The most matchers in one list.
    pub const MOST: usize = 32;

    /// Parses a whole text, such as `path="/api/v1",code=~"5.."`.
    ///
    /// # Errors
    /// When it is no list of matchers, or an empty one.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, MatcherError> {
        let (matchers, end) = Self::parse_list(text, 0)?;
        match text.get(end..) {
            Some("") if !matchers.is_empty() => Ok(matchers),
            _ => Err(fault(end, "expected LABEL=\"VALUE\", with =, != or =~, and commas between")),
        }
    }

    /// Parses the matchers that stand at byte `from` of `text`, as far as they go; gives back the byte after them.
    ///
    /// # Errors
    /// When one of them begins and is none.
    pub fn parse_list(text: &str, from: usize) -> Result<(Vec<Self>, usize), MatcherError> {
        let mut cursor = Cursor { text, at: from };
        let mut matchers = Vec::new();
        loop {
            cursor.skip_blanks();
            let Some(label) = cursor.label() else { return Ok((matchers, cursor.at)) };
            if matchers.len() == Self::MOST {
                return Err(fault(cursor.at, format!("more than {} matchers", Self::MOST)));
            }
            matchers.push(cursor.matcher(label)?);
            cursor.skip_blanks();
            if !cursor.take(",") {
                return Ok((matchers, cursor.at));
            }
        }
    }

    /// Whether `labels` meet it.
    pub fn matches(&self, labels: &impl LabelSource) -> bool {
        let value = labels.label(&self.label).unwrap_or_default();
        match &self.test {
            Test::Equal(wanted) => value == wanted,
            Test::NotEqual(unwanted) => value != unwanted,
            Test::Pattern(_, regex) => regex.is_match(value),
        }
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equal(one), Self::Equal(other))
            | (Self::NotEqual(one), Self::NotEqual(other))
            | (Self::Pattern(one, _), Self::Pattern(other, _)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Test {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, value) = match &self.test {
            Test::Equal(value) => ("=", value),
            Test::NotEqual(value) => ("!=", value),
            Test::Pattern(value, _) => ("=~", value),
        };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{operator}\"{value}\"", self.label)
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn label(&mut self) -> Option<String> {
        let rest = self.rest();
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
        let starts = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        let label = rest.get(..end).filter(|_| starts)?;
        self.at += end;
        Some(label.to_owned())
    }

    fn matcher(&mut self, label: String) -> Result<Matcher, MatcherError> {
        self.skip_blanks();
        let operator = ["=~", "!=", "="].into_iter().find(|operator| self.take(operator));
        let operator = operator.ok_or_else(|| fault(self.at, "expected =, != or =~ after a label"))?;
        self.skip_blanks();
        let at = self.at;
        let value = self.string()?;
        let test = match operator {
            "=" => Test::Equal(value),
            "!=" => Test::NotEqual(value),
            _ => {
                let regex = anchored(&value).map_err(|error| fault(at, error))?;
                Test::Pattern(value, regex)
            }
        };
        Ok(Matcher { label, test })
    }

    /// In quotes, with the escapes `\\`, `\"`, `\'` and `\n`; between backticks there are none.
    fn string(&mut self) -> Result<String, MatcherError> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\'' | '`'));
        let quote = quote.ok_or_else(|| fault(start, "expected a value in quotes"))?;
        let mut value = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.at = start + at + 1;
                    return Ok(value);
                }
                '\\' if quote != '`' => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('\\' | '"' | '\''))) => c,
                    _ => {
                        return Err(fault(
                            start + at,
                            "unknown escape: there are \\\\, \\\", \\' and \\n; between backticks there are none",
                        ));
                    }
                }),
                _ => value.push(c),
            }
        }
        Err(fault(start, "the value has no closing quote"))
    }
}

fn fault(at: usize, fault: impl Into<String>) -> MatcherError {
    MatcherError { at, fault: fault.into() }
}

/// A pattern that has to match a whole value, as in Prometheus, within bounds of memory.
///
/// # Errors
/// When it is no pattern, or a larger one.
pub fn anchored(pattern: &str) -> Result<Regex, String> {
    // Alone it has to be a pattern too: else `a)(b` would be one.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

fn build(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .nest_limit(32)
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        // The other texts draw a picture of several lines.
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("no pattern: {}", last.trim_start_matches("error: "))
        }
    })
}

/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Labels;

    fn holds(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels = Labels::from_pairs(labels.iter().copied());
        Matcher::parse_all(text).unwrap().iter().all(|matcher| matcher.matches(&labels))
    }

    #[test]
    fn values_that_a_kubernetes_selector_cannot_say_are_matched() {
        let labels = [("path", "/api/v1"), ("code", "503")];
        for text in [
            r#"path="/api/v1""#,
            "path='/api/v1'",
            "path=`/api/v1`",
            r#" path = "/api/v1" , code != "200", "#,
            r#"code=~"5..""#,
            r#"code=~`\d+`"#,
            r#"other="""#,
            r#"other!="x""#,
            r#"other=~"x?""#,
        ] {
            assert!(holds(text, &labels), "{text}");
        }
        for text in [r#"path="/api""#, r#"code=~"5""#, r#"code!="503""#, r#"code=~"0|50""#, r#"other=~".+""#]
        {
            assert!(!holds(text, &labels), "{text}");
        }
    }

    #[test]
    fn a_wrong_text_is_refused_at_its_place() {
        for (text, at) in [
            ("", 0),
            ("path", 4),
            ("path=/api", 5),
            (r#"path="/api"#, 5),
            (r#"path="a" code="b""#, 9),
            (r#"a="\d""#, 3),
            (r#"a=~"(""#, 3),
            (r#"a=~"x)(y""#, 3),
            (r#"a!~"x""#, 1),
            (r#"a=~"(\\w{900}){900}""#, 3),
        ] {
            assert_eq!(Matcher::parse_all(text).unwrap_err().at, at, "{text}");
        }
        assert!(Matcher::parse_all(&r#"a="","#.repeat(33)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_printed_parses_to_the_same(text in "[a-c=!~\"'`\\\\,. (){}|*é]{0,40}") {
            if let Ok(matchers) = Matcher::parse_all(&text) {
                let printed: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
                prop_assert_eq!(Matcher::parse_all(&printed.join(",")), Ok(matchers));
            }
        }
    }
}
