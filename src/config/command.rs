//! Commands beside serving: `explain` and `get`, for people at a terminal; `completion` and `man`, for their shells.

use std::{
    ffi::OsString,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::version::LINE;

/// What the process is asked to do, if not to serve.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Says why an HPA does not scale, and what mends it. Exit code 0: healthy, 1: something is wrong, 2: could not tell.
    Explain(Explain),
    /// Shows values of custom and external metrics as a table.
    Get(Get),
    /// Writes the completion of flags and commands for a shell to stdout.
    Completion(Completion),
    /// Writes the manual page to stdout, for `man -l -`.
    Man,
}

/// The way to a cluster.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// The namespace; without it that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// A kubeconfig; without it $KUBECONFIG, ~/.kube/config or the pod's service account, as kubectl does.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig.
    #[arg(long)]
    pub context: Option<String>,
    /// How the answer is written.
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// `explain`.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    /// The HPA: `hpa/NAME`, or its name alone.
    #[arg(value_name = "hpa/NAME")]
    pub hpa: String,
    /// Where the adapter's admin port is reached, such as http://localhost:9090 with a port-forward; without it a pod of
    /// the adapter is asked through kube-apiserver, and if that fails kube-apiserver alone.
    #[arg(long, value_name = "URL")]
    pub adapter: Option<String>,
    /// Colours: where the output is a terminal, always or never.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
    /// The way to the cluster, and how the answer is written.
    #[command(flatten)]
    pub reach: Reach,
}

/// `get`.
#[derive(Args, Clone, Debug)]
pub struct Get {
    /// `pods/web-0`, `deployments.apps/web`; `pods` is all of them, `external` the namespace's external metrics.
    #[arg(value_name = "RESOURCE/NAME")]
    pub object: String,
    /// The metric; without it all of the object.
    pub metric: Option<String>,
    /// The way to the cluster, and how the answer is written.
    #[command(flatten)]
    pub reach: Reach,
}

/// `completion`.
#[derive(Args, Clone, Debug)]
pub struct Completion {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// How an answer is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// When to colour.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether this process is to colour what it prints.
    #[must_use]
    pub fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        }
    }
}

#[derive(Parser)]
#[command(name = "custom-metrics-adapter", version, long_version = LINE.as_str(), max_term_width = 110)]
struct Tool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Parser)]
#[command(name = "kubectl why-hpa", version, long_version = LINE.as_str(), max_term_width = 110, about = "Says why an HPA does not scale")]
struct Plugin {
    #[command(flatten)]
    explain: Explain,
}

impl Command {
    /// The command of this process; `None` if it is to serve. What is wrong with the arguments is printed and ends it,
    /// with exit code 2.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let args: Vec<OsString> = std::env::args_os().collect();
        Self::parse(args).unwrap_or_else(|error| error.exit())
    }

    fn parse(args: Vec<OsString>) -> Result<Option<Self>, clap::Error> {
        let program = args.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
        if program == PLUGIN {
            return Ok(Some(Self::Explain(Plugin::try_parse_from(args)?.explain)));
        }
        match args.get(1).and_then(|first| first.to_str()) {
            Some("explain" | "get" | "completion" | "man") => Ok(Some(Tool::try_parse_from(args)?.command)),
            _ => Ok(None),
        }
    }
}

impl Explain {
    /// The HPA's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.hpa.split_once('/').map_or(&self.hpa, |(_, name)| name)
    }
}

/// The name under which kubectl finds the command `kubectl why-hpa`.
const PLUGIN: &str = "kubectl-why_hpa";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Command>, clap::Error> {
        Command::parse(args.iter().map(OsString::from).collect())
    }

    fn explained(args: &[&str]) -> (String, Option<String>) {
        match parse(args) {
            Ok(Some(Command::Explain(explain))) => (explain.name().to_owned(), explain.reach.namespace),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_hpa_is_named_with_or_without_its_resource_and_by_the_plugin() {
        let shop = Some("shop".to_owned());
        assert_eq!(
            explained(&["adapter", "explain", "hpa/web", "-n", "shop"]),
            ("web".to_owned(), shop.clone())
        );
        assert_eq!(explained(&["adapter", "explain", "web"]), ("web".to_owned(), None));
        assert_eq!(explained(&["/usr/bin/kubectl-why_hpa", "web", "-n", "shop"]), ("web".to_owned(), shop));
    }

    #[test]
    fn flags_alone_are_those_of_a_server() {
        assert!(parse(&["adapter"]).unwrap().is_none());
        assert!(parse(&["adapter", "--standalone"]).unwrap().is_none());
        assert!(parse(&["adapter", "explain"]).is_err());
        assert!(parse(&["adapter", "completion", "tcsh"]).is_err());
        assert!(
            matches!(parse(&["adapter", "get", "pods/web-0"]).unwrap(), Some(Command::Get(get)) if get.metric.is_none())
        );
    }
}
