//! Targets by pod.

use std::collections::HashMap;

use crate::{
    hpa::{TargetFact, TargetState},
    scrape::{Health, TargetStatus},
};

/// How the targets of a pod are, by namespace and name; of several the worst.
pub(super) struct Targets(HashMap<(String, String), TargetFact>);

impl Targets {
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn of(statuses: Vec<TargetStatus>) -> Self {
        let mut worst: HashMap<(String, String), TargetFact> = HashMap::with_capacity(statuses.len());
        for status in statuses {
            let fact = fact(&status);
            let known = worst.entry((status.namespace, status.pod)).or_insert_with(|| fact.clone());
            if badness(fact.state) > badness(known.state) {
                *known = fact;
            }
        }
        Self(worst)
    }

    pub(super) fn get(&self, namespace: &str, pod: &str) -> Option<&TargetFact> {
        self.0.get(&(namespace.to_owned(), pod.to_owned()))
    }
}

fn badness(state: TargetState) -> u8 {
    match state {
        TargetState::Up => 0,
        TargetState::Waiting => 1,
        TargetState::Down => 2,
        TargetState::Refused => 3,
    }
}

fn fact(status: &TargetStatus) -> TargetFact {
    let state = match status.health {
        Health::Up => TargetState::Up,
        Health::Down => TargetState::Down,
        Health::Refused => TargetState::Refused,
        Health::Unknown | Health::Terminating => TargetState::Waiting,
    };
    let error = status.last_scrape.as_ref().and_then(|last| last.error.as_ref());
    let failed = error.map(|error| match &status.url {
        Some(url) if !error.message.contains(url.as_str()) => format!("{url}: {}", error.message),
        _ => error.message.clone(),
    });
    TargetFact {
        state,
        url: status.url.clone(),
        problem: failed.or_else(|| status.problems.first().cloned()),
    }
}
