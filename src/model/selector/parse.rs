//! The grammar of label selectors, one token of lookahead.

use super::{Operator, Requirement, Selector, SelectorFault};
use crate::model::labels::{check_name, check_value};

/// Parses a whole selector; the requirements come back sorted by key.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorFault> {
    if text.len() > Selector::MAX_BYTES {
        return Err(SelectorFault::TooLong(text.len()));
    }
    let mut tokens = Tokens::of(text);
    let mut requirements = Vec::new();
    if tokens.next == Token::End {
        return Ok(requirements);
    }
    tokens.expect_requirement("!, identifier, or 'end of string'")?;
    loop {
        if requirements.len() == Selector::MAX_REQUIREMENTS {
            return Err(SelectorFault::TooManyRequirements);
        }
        requirements.push(requirement(&mut tokens)?);
        match tokens.advance() {
            Token::End => break,
            Token::Comma => tokens.expect_requirement("identifier after ','")?,
            other => return Err(separator(other, "',' or 'end of string'")),
        }
    }
    requirements.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(requirements)
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, SelectorFault> {
    let negated = tokens.next == Token::Not;
    if negated {
        tokens.advance();
    }
    let key = match tokens.advance() {
        Token::Word(key) => key,
        other => return Err(unexpected(other, ", expected: identifier")),
    };
    check_name(key).map_err(|broken| SelectorFault::Key { key: key.to_owned(), broken })?;
    let (operator, values) = if negated {
        (Operator::DoesNotExist, Vec::new())
    } else if matches!(tokens.next, Token::End | Token::Comma) {
        (Operator::Exists, Vec::new())
    } else {
        comparison(tokens)?
    };
    check_values(key, operator, &values)?;
    let values = values.into_iter().map(str::to_owned).collect();
    Ok(Requirement { key: key.to_owned(), operator, values })
}

/// An operator and its values, sorted and unique.
fn comparison<'a>(tokens: &mut Tokens<'a>) -> Result<(Operator, Vec<&'a str>), SelectorFault> {
    let operator = match tokens.advance() {
        Token::Equals => Operator::Equals,
        Token::DoubleEquals => Operator::DoubleEquals,
        Token::NotEquals => Operator::NotEquals,
        Token::Greater => Operator::GreaterThan,
        Token::Less => Operator::LessThan,
        Token::Word("in") => Operator::In,
        Token::Word("notin") => Operator::NotIn,
        other => return Err(unexpected(other, ", expected: in, notin, =, ==, !=, gt, lt")),
    };
    let mut values = match operator {
        Operator::In | Operator::NotIn => value_list(tokens)?,
        _ => vec![single_value(tokens)?],
    };
    values.sort_unstable();
    values.dedup();
    Ok((operator, values))
}

/// What stands right of `=`; nothing is the empty value.
fn single_value<'a>(tokens: &mut Tokens<'a>) -> Result<&'a str, SelectorFault> {
    if matches!(tokens.next, Token::End | Token::Comma) {
        return Ok("");
    }
    match tokens.advance() {
        Token::Word(value) => Ok(value),
        other => Err(unexpected(other, ", expected: identifier")),
    }
}

/// `(a,b)`, where nothing between two delimiters is the empty value.
fn value_list<'a>(tokens: &mut Tokens<'a>) -> Result<Vec<&'a str>, SelectorFault> {
    match tokens.advance() {
        Token::Open => {}
        other => return Err(unexpected(other, " expected: '('")),
    }
    if !matches!(tokens.next, Token::Word(_) | Token::Comma | Token::Close) {
        return Err(unexpected(tokens.next, ", expected: ',', ')' or identifier"));
    }
    let mut values = Vec::new();
    if tokens.next == Token::Close {
        values.push("");
    }
    while tokens.next != Token::Close {
        match tokens.advance() {
            Token::Word(value) => {
                values.push(value);
                if !matches!(tokens.next, Token::Comma | Token::Close) {
                    return Err(unexpected(tokens.next, ", expected: ',' or ')'"));
                }
            }
            Token::Comma if values.is_empty() || matches!(tokens.next, Token::Comma | Token::Close) => {
                values.push("");
            }
            Token::Comma => {}
            other => return Err(unexpected(other, ", expected: ',', or identifier")),
        }
    }
    tokens.advance();
    Ok(values)
}

fn check_values(key: &str, operator: Operator, values: &[&str]) -> Result<(), SelectorFault> {
    let integers = matches!(operator, Operator::GreaterThan | Operator::LessThan);
    for (at, value) in values.iter().enumerate() {
        if integers && value.parse::<i64>().is_err() {
            return Err(SelectorFault::NotAnInteger((*value).to_owned()));
        }
        check_value(value).map_err(|broken| SelectorFault::Value {
            key: key.to_owned(),
            at,
            value: (*value).to_owned(),
            broken,
        })?;
    }
    Ok(())
}

fn separator(found: Token<'_>, expected: &'static str) -> SelectorFault {
    SelectorFault::Separator { found: found.text().to_owned(), expected }
}

fn unexpected(found: Token<'_>, expected: &'static str) -> SelectorFault {
    SelectorFault::Token { found: found.text().to_owned(), expected }
}

/// `in` and `notin` are words: what they mean depends on where they stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    Open,
    Close,
    Comma,
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(word) => word,
            Self::End => "",
            symbol => SYMBOLS.iter().find(|(_, token)| *token == symbol).map_or("", |(text, _)| text),
        }
    }
}

/// The tokens of a text, of which the next one can be seen.
struct Tokens<'a> {
    next: Token<'a>,
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        let (next, rest) = first_token(text);
        Self { next, rest }
    }

    fn advance(&mut self) -> Token<'a> {
        let (next, rest) = first_token(self.rest);
        self.rest = rest;
        std::mem::replace(&mut self.next, next)
    }

    fn expect_requirement(&self, expected: &'static str) -> Result<(), SelectorFault> {
        if matches!(self.next, Token::Word(_) | Token::Not) {
            Ok(())
        } else {
            Err(separator(self.next, expected))
        }
    }
}

fn first_token(text: &str) -> (Token<'_>, &str) {
    let text = text.trim_start_matches(BLANKS);
    if text.is_empty() {
        return (Token::End, text);
    }
    let symbol = SYMBOLS.iter().find_map(|(symbol, token)| Some((*token, text.strip_prefix(symbol)?)));
    symbol.unwrap_or_else(|| {
        let (word, rest) = text.split_at(text.find(ends_word).unwrap_or(text.len()));
        (Token::Word(word), rest)
    })
}

fn ends_word(c: char) -> bool {
    BLANKS.contains(&c) || matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The longer ones first.
const SYMBOLS: [(&str, Token<'static>); 9] = [
    ("==", Token::DoubleEquals),
    ("!=", Token::NotEquals),
    ("=", Token::Equals),
    ("!", Token::Not),
    (">", Token::Greater),
    ("<", Token::Less),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
];
