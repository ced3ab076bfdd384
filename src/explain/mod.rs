//! The commands `explain` and `get`: the checklist of one HPA, and values as a table, in a terminal and against any
//! cluster that a kubeconfig reaches. The adapter's own page is asked first; what it does not say, kube-apiserver does.

mod adapter;
mod gather;
mod pods;
mod said;
mod values;

use std::path::PathBuf;

use crate::{
    cluster::{ClusterError, LookupError, Lookups},
    hpa::{Report, State, explain, text},
};

/// The way to a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Way {
    /// A kubeconfig file; without it the usual ones.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; without it the current one.
    pub context: Option<String>,
    /// A namespace; without it the context's.
    pub namespace: Option<String>,
}

/// What to explain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Where.
    pub way: Way,
    /// The HPA's name.
    pub hpa: String,
    /// Where the adapter's admin port is reached, `http://localhost:9090`; without it a pod of it is asked through
    /// kube-apiserver.
    pub adapter: Option<String>,
    /// As JSON.
    pub json: bool,
    /// With colours.
    pub ink: text::Ink,
}

/// Which values to get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Where.
    pub way: Way,
    /// `pods/web-0`, `pods`, `deployments.apps/web`, `external`.
    pub object: String,
    /// A metric; without it all of the object.
    pub metric: Option<String>,
    /// As the API answers it.
    pub json: bool,
}

/// What a command prints, and its exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// 0: healthy. 1: something is wrong. 2: could not tell.
    pub code: u8,
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// There is no way to a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The HPA cannot be read.
    #[error("cannot read hpa {name} in namespace {namespace}: {source}")]
    Hpa {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        source: LookupError,
    },
    /// There are no values.
    #[error("{0}")]
    Values(LookupError),
    /// It names nothing that can be got.
    #[error("{0:?} needs a metric: pods/web-0 has all of a pod, `pods METRIC` one of all pods")]
    NoMetric(String),
}

/// Explains one HPA.
///
/// # Errors
/// When the cluster or the HPA cannot be reached.
pub async fn hpa(question: Question) -> Result<Answer, ExplainError> {
    let (lookups, namespace) = reach(&question.way).await?;
    let name = &question.hpa;
    let hpa = gather::hpa(&lookups, &namespace, name).await.map_err(|source| ExplainError::Hpa {
        namespace: namespace.clone(),
        name: name.clone(),
        source,
    })?;
    let page = adapter::report(&lookups, (&namespace, name), question.adapter.as_deref()).await;
    let (report, source) = match page {
        Ok(report) => (report, "facts: the adapter's own page".to_owned()),
        Err(why) => {
            let report = explain(&gather::facts(&lookups, hpa).await);
            (report, format!("facts: kube-apiserver alone ({why})"))
        }
    };
    Ok(answer(&report, &source, (question.json, question.ink)))
}

fn answer(report: &Report, source: &str, (json, ink): (bool, text::Ink)) -> Answer {
    let text = match json {
        true => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
        false => format!("{}{source}\n", text::report(report, ink)),
    };
    Answer { text, code: code(report.state) }
}

fn code(state: State) -> u8 {
    match state {
        State::CannotTell => 2,
        state => u8::from(state.is_problem()),
    }
}

/// Gets values.
///
/// # Errors
/// When the cluster cannot be reached or there are none.
pub async fn values(wanted: Wanted) -> Result<Answer, ExplainError> {
    let (lookups, namespace) = reach(&wanted.way).await?;
    let text = values::get(&lookups, &namespace, &wanted).await?;
    Ok(Answer { text, code: 0 })
}

async fn reach(way: &Way) -> Result<(Lookups, String), ExplainError> {
    let (lookups, namespace) = Lookups::connect(way.kubeconfig.as_ref(), way.context.as_deref()).await?;
    Ok((lookups, way.namespace.clone().unwrap_or(namespace)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_somebody_has_to_do_something() {
        let codes = State::ALL.map(code);
        assert_eq!(codes, [1, 1, 1, 1, 1, 1, 2, 0, 0, 0]);
    }
}
