//! The file of flags: YAML, each key the name of a flag. What it says is handed to clap as the arguments that say the
//! same, so that a value is checked by one rule wherever it comes from.

use std::{any::TypeId, collections::BTreeMap, fs::File, io::Read as _, path::Path};

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use serde_json::Value;

/// Why a file of flags cannot be used. One line; it names the file and the key, and of what is no flag never the value,
/// which may be a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, too large, or no YAML.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that is the name of no flag.
    #[error("{file}: {key} is no flag: did you mean {nearest}?")]
    Unknown {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The flag whose name is most like it.
        nearest: String,
    },
    /// A value that the flag does not take.
    #[error("{file}: {key}: {reason}")]
    Value {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// Flags that do not go together, some of them from the file.
    #[error("with {file}: {reason}")]
    Together {
        /// The file.
        file: String,
        /// Which flags.
        reason: String,
    },
}

/// A file that has been read.
pub(super) struct ConfigFile {
    name: String,
    keys: BTreeMap<String, Value>,
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let unreadable = |reason: String| FileError::Unreadable { file: name.clone(), reason };
        let text = text(path).map_err(unreadable)?;
        let keys = keys(&text).map_err(unreadable)?;
        Ok(Self { name, keys })
    }

    /// The arguments that say what the file says, without those flags that `said` has already.
    pub(super) fn arguments(&self, command: &Command, said: &ArgMatches) -> Result<Vec<String>, FileError> {
        let mut arguments = Vec::new();
        for (key, value) in &self.keys {
            let flag = self.flag(command, key)?;
            let same = arguments_of(flag, key, value).map_err(|reason| self.value(key, reason))?;
            arguments.extend(Some(same).filter(|_| !is_said(said, flag)).into_iter().flatten());
        }
        Ok(arguments)
    }

    fn flag<'a>(&self, command: &'a Command, key: &str) -> Result<&'a Arg, FileError> {
        if let Some(flag) = flags(command).find(|flag| flag.get_long() == Some(key)) {
            return Ok(flag);
        }
        let meant = key.to_lowercase().replace('_', "-");
        let meant = meant.trim_start_matches("cma-").trim_start_matches('-');
        let likeness = |name: &str| strsim::jaro_winkler(name, meant);
        let names = flags(command).filter_map(Arg::get_long);
        let nearest = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        let nearest = nearest.unwrap_or_default().to_owned();
        Err(FileError::Unknown { file: self.name.clone(), key: key.escape_debug().to_string(), nearest })
    }

    fn value(&self, key: &str, reason: String) -> FileError {
        FileError::Value { file: self.name.clone(), key: key.to_owned(), reason }
    }

    /// What is wrong with the file, if `error` is about one of the arguments that it has `lent`.
    pub(super) fn refusal(&self, error: &clap::Error, lent: &[String]) -> Option<FileError> {
        let reason = first_part(&error.to_string());
        let about = |key: &str| lent.iter().any(|argument| name_of(argument) == key);
        match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(argument)) if about(name_of(argument)) => {
                Some(self.value(name_of(argument), reason))
            }
            _ if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict) => {
                Some(FileError::Together { file: self.name.clone(), reason })
            }
            _ => None,
        }
    }
}

/// The flags that a file may have.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|flag| !matches!(flag.get_id().as_str(), "config" | "help" | "version"))
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    Ok(text)
}

/// `off` is a word here, as YAML 1.2 has it. A message quotes no line of the file.
fn keys(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let keys: Result<Option<BTreeMap<String, Value>>, _> = serde_saphyr::from_str_with_options(text, options);
    keys.map(Option::unwrap_or_default).map_err(|error| first_part(&error.to_string()))
}

fn is_said(said: &ArgMatches, flag: &Arg) -> bool {
    let source = said.value_source(flag.get_id().as_str());
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// The arguments that give `flag` this value; an error says what it takes.
fn arguments_of(flag: &Arg, key: &str, value: &Value) -> Result<Vec<String>, String> {
    let argument = |value: &Value| Ok(format!("--{key}={}", value_of(flag, value)?));
    match (flag.get_action(), value) {
        (ArgAction::SetTrue, Value::Bool(on)) => Ok(on.then(|| format!("--{key}")).into_iter().collect()),
        (ArgAction::Append, Value::Array(items)) if !items.is_empty() => items.iter().map(argument).collect(),
        (ArgAction::Append, Value::Array(_)) => Err("the list is empty: leave the key out".to_owned()),
        _ => Ok(vec![argument(value)?]),
    }
}

fn value_of(flag: &Arg, value: &Value) -> Result<String, String> {
    let takes = flag.get_value_parser().type_id();
    let takes_any = |types: &[TypeId]| types.iter().any(|one| takes == *one);
    let is_number = takes_any(&[TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u8>()]);
    match value {
        Value::Bool(on) if takes == TypeId::of::<bool>() => Ok(on.to_string()),
        Value::Number(number) if is_number => Ok(number.to_string()),
        Value::String(text) if takes != TypeId::of::<bool>() && !is_number => Ok(text.clone()),
        other if takes == TypeId::of::<bool>() => Err(wrong("true or false", other)),
        other if is_number => Err(wrong("a whole number", other)),
        other => Err(wrong("text", other)),
    }
}

fn wrong(expected: &str, value: &Value) -> String {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false without quotes",
        Value::Number(_) => "a number without quotes",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    format!("it takes {expected}, and this is {found}")
}

/// `max-series` of `--max-series=1` and of `--max-series <COUNT>`.
fn name_of(argument: &str) -> &str {
    argument.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default()
}

/// A message without its usage and hints, on one line.
fn first_part(message: &str) -> String {
    let first = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// As much as a ConfigMap holds.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests;
