//! From text to an expression, by recursive descent of bounded depth.

use super::{Expression, Node, Operator, Reference, rational::Rational};
use crate::model::{Fold, Matcher, MatcherError, MetricName, Quantity};

/// A text that is no expression.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at character {}: {fault}{}", .at + 1, near(.rest))]
pub struct ExpressionError {
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: String,
    /// What stands there, cut short.
    pub rest: String,
}

impl Expression {
    /// The longest text, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// The most numbers and metrics in one expression.
    pub const MOST_OPERANDS: usize = 64;

    /// How deep parentheses and signs may be nested.
    pub const DEEPEST: usize = 32;

    /// Parses `text`, such as `sum(busy{pool="web"}) / workers`.
    ///
    /// # Errors
    /// When it is no expression, has no metric in it, or is too long or deep.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > Self::MAX_BYTES {
            let fault = format!("the expression has {} bytes, more than {}", text.len(), Self::MAX_BYTES);
            return Err(ExpressionError { at: 0, fault, rest: String::new() });
        }
        let mut parser = Parser { text, at: 0, depth: 0, operands: 0, metrics: 0 };
        let root = parser.expression()?;
        if !parser.rest().is_empty() {
            return Err(parser.error("expected +, -, *, / or the end"));
        }
        if parser.metrics == 0 {
            parser.at = 0;
            return Err(parser.error("expected a metric somewhere: this is a number"));
        }
        Ok(Self { root })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    operands: usize,
    metrics: usize,
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("+", Operator::Plus), ("-", Operator::Minus)], Self::term)
    }

    fn term(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("*", Operator::Times), ("/", Operator::Over)], Self::factor)
    }

    /// Operands of one precedence, from left to right.
    fn chain(
        &mut self,
        operators: &[(&str, Operator)],
        operand: impl Fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        let mut left = operand(self)?;
        while let Some((_, operator)) = operators.iter().find(|(text, _)| self.take(text)) {
            let right = operand(self)?;
            left = Node::Both(Box::new(left), *operator, Box::new(right));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > Expression::DEEPEST {
            return Err(self.error("nested too deep"));
        }
        let factor = if self.take("-") {
            Node::Negated(Box::new(self.factor()?))
        } else if self.take("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            inner
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(factor)
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        self.operands += 1;
        if self.operands > Expression::MOST_OPERANDS {
            return Err(self.error(&format!("more than {} numbers and metrics", Expression::MOST_OPERANDS)));
        }
        let rest = self.rest();
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number();
        }
        let name = self.word(rest);
        if name.is_empty() {
            return Err(self.error("expected a metric, a number or ("));
        }
        let before = self.at;
        self.at += name.len();
        if !self.take("(") {
            return self.metric(name, None).map(Node::Metric);
        }
        let Some(fold) = Fold::named(name) else {
            self.at = before;
            return Err(self.error("expected sum, avg, max or min before (: there are no other functions"));
        };
        let rest = self.rest();
        let inner = self.word(rest);
        if inner.is_empty() {
            return Err(self.error("expected one metric: its label sets are folded"));
        }
        self.at += inner.len();
        let metric = self.metric(inner, Some(fold))?;
        self.expect(")")?;
        Ok(Node::Metric(metric))
    }

    /// The metric whose name has just been read.
    fn metric(&mut self, name: &str, fold: Option<Fold>) -> Result<Reference, ExpressionError> {
        self.metrics += 1;
        let metric = MetricName::new(name).map_err(|error| self.error(&error.to_string()))?;
        if !self.take("{") {
            return Ok(Reference { metric, matchers: Vec::new(), fold });
        }
        let list = Matcher::parse_list(self.text, self.at);
        let (matchers, end) = list.map_err(|MatcherError { at, fault }| {
            self.at = at;
            self.error(&fault)
        })?;
        self.at = end;
        self.expect("}")?;
        Ok(Reference { metric, matchers, fold })
    }

    fn number(&mut self) -> Result<Node, ExpressionError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        let is_number = digits != "." && digits.matches('.').count() < 2;
        let fine = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len()) <= 9;
        let number = Quantity::parse(digits).ok().filter(|_| is_number && fine);
        let number =
            number.ok_or_else(|| self.error("expected a number with at most 9 decimals, such as 0.5"))?;
        self.at += end;
        Ok(Node::Number(Rational::of(number)))
    }

    fn word(&self, text: &'a str) -> &'a str {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':'));
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        let end = if begins { text.find(|c| !inner(c)).unwrap_or(text.len()) } else { 0 };
        text.get(..end).unwrap_or_default()
    }

    /// What is left, from the next character that is no blank.
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), ExpressionError> {
        if self.take(token) { Ok(()) } else { Err(self.error(&format!("expected {token}"))) }
    }

    fn error(&mut self, fault: &str) -> ExpressionError {
        let rest = self.rest().chars().take(EXCERPT).collect();
        let at = self.text.get(..self.at).unwrap_or_default().chars().count();
        ExpressionError { at, fault: fault.to_owned(), rest }
    }
}

fn near(rest: &str) -> String {
    if rest.is_empty() { String::new() } else { format!(", found {rest:?}") }
}

/// Characters that an error shows of the text.
const EXCERPT: usize = 20;
