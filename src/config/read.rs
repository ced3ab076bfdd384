//! How a configuration is read: command line, then environment, then file, then defaults.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Subcommand as _};

use super::{Config, ConfigError, FileError, command::Command, file::ConfigFile};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// What clap says, or the help that was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<FileError> for Refused {
    fn from(error: FileError) -> Self {
        Self::Config(error.into())
    }
}

impl Config {
    /// The configuration of this process: flags, then environment, then file, then defaults. Ends the process with
    /// usage on stderr and exit code 2 when a flag is wrong, as every command does.
    ///
    /// # Errors
    /// When flags contradict each other, or the file is wrong.
    pub fn load() -> Result<Self, ConfigError> {
        match Self::read(std::env::args_os().collect()) {
            Ok(config) => Ok(config),
            Err(Refused::Config(error)) => Err(error),
            Err(Refused::Usage(error)) => error.exit(),
        }
    }

    /// The configuration that these arguments (without the program's name) give.
    ///
    /// # Errors
    /// clap's own message, what is wrong in the file, or a contradiction.
    pub fn from_args<I: IntoIterator<Item = T>, T: Into<OsString> + Clone>(args: I) -> anyhow::Result<Self> {
        let name = std::iter::once(OsString::from("custom-metrics-adapter"));
        Ok(Self::read(name.chain(args.into_iter().map(Into::into)).collect())?)
    }

    fn read(args: Vec<OsString>) -> Result<Self, Refused> {
        let matches = matches(args)?;
        Ok(Self::from_arg_matches(&matches)?.checked(&matches)?)
    }
}

/// Every flag and every command.
pub(super) fn whole() -> clap::Command {
    let flags = Config::command();
    // The commands bring a description of their own.
    let about = flags.get_about().cloned().unwrap_or_default();
    Command::augment_subcommands(flags)
        .about(about)
        .long_about(None)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

/// The first look finds the file and what goes before it; what is wrong is said by the second one, which sees all.
fn matches(args: Vec<OsString>) -> Result<ArgMatches, Refused> {
    let said = whole().ignore_errors(true).try_get_matches_from(&args)?;
    let Some(path) = said.get_one::<PathBuf>("config") else {
        return Ok(whole().try_get_matches_from(args)?);
    };
    let file = ConfigFile::read(path)?;
    let lent = file.arguments(&whole(), &said)?;
    let all = args.into_iter().chain(lent.iter().map(OsString::from));
    whole().try_get_matches_from(all).map_err(|error| match file.refusal(&error, &lent) {
        Some(refusal) => refusal.into(),
        None => error.into(),
    })
}
