//! From the commands' arguments to what they ask, and their answers to the terminal.

use std::io::Write as _;

use crate::{
    config::{
        command::{Command, Completion, Explain, Get, Output, Reach},
        manual,
    },
    explain::{self, Question, Wanted, Way},
    hpa::text::Ink,
};

/// Runs a command and prints its answer; gives back the exit code.
///
/// # Errors
/// When there is no answer; the exit code is then 2.
pub async fn run(command: Command) -> anyhow::Result<u8> {
    // Fails when a test of the same process was first, with the same provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let answer = match command {
        Command::Explain(explain) => explain::hpa(question(explain)).await?,
        Command::Get(get) => explain::values(wanted(get)).await?,
        Command::Completion(Completion { shell }) => return print(&manual::completion(shell), 0),
        Command::Man => return print(&manual::page()?, 0),
    };
    print(answer.text.as_bytes(), answer.code)
}

fn print(text: &[u8], code: u8) -> anyhow::Result<u8> {
    std::io::stdout().lock().write_all(text)?;
    Ok(code)
}

fn question(explain: Explain) -> Question {
    Question {
        hpa: explain.name().to_owned(),
        json: explain.reach.output == Output::Json,
        ink: if explain.color.is_on() { Ink::Coloured } else { Ink::Plain },
        adapter: explain.adapter,
        way: way(explain.reach),
    }
}

fn wanted(get: Get) -> Wanted {
    let json = get.reach.output == Output::Json;
    Wanted { way: way(get.reach), object: get.object, metric: get.metric, json }
}

fn way(reach: Reach) -> Way {
    Way { kubeconfig: reach.kubeconfig, context: reach.context, namespace: reach.namespace }
}
