//! The flag of metrics that are computed from others.

use super::ConfigError;
use crate::derive::{DerivationError, Derivations};

/// Derived metrics of every object.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Derived metrics")]
pub struct Derive {
    /// A metric that is computed from others of the same object: NAME=EXPRESSION. May be given many times.
    #[arg(long, env = "CMA_DERIVE", value_name = "NAME=EXPRESSION", value_parser = named, value_delimiter = ';')]
    pub derive: Vec<Named>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    name: String,
    expression: String,
}

impl Derive {
    /// All of them together.
    ///
    /// # Errors
    /// When two have one name, or there are too many.
    pub fn derivations(&self) -> Result<Derivations, ConfigError> {
        let mut derivations = Derivations::default();
        for Named { name, expression } in &self.derive {
            derivations.add(name, expression).map_err(ConfigError::Derive)?;
        }
        Ok(derivations)
    }
}

fn named(text: &str) -> Result<Named, String> {
    let (name, expression) =
        text.split_once('=').ok_or("write NAME=EXPRESSION, such as busy_ratio=busy / workers")?;
    let (name, expression) = (name.trim().to_owned(), expression.trim().to_owned());
    let alone = Derivations::default().add(&name, &expression);
    alone.map(|()| Named { name, expression }).map_err(|error: DerivationError| error.to_string())
}
