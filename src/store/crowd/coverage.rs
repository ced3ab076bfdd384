//! How many of an object's pods have a metric, and why others lack it.

use std::{fmt, sync::Arc};

use crate::store::{Absence, Percent};

/// Too few pods have the metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// So many have it.
    pub having: usize,
    /// Of so many that should.
    pub expected: usize,
    /// So many lack it and are too young to count.
    pub young: usize,
    /// The part that has to have it.
    pub least: Percent,
    /// The first that should have it and does not, by name.
    pub example: Option<Lacking>,
}

/// A pod that should have a metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacking {
    /// Its name.
    pub pod: Arc<str>,
    /// Why it has none.
    pub why: Absence,
    /// Whether it is scraped.
    pub is_scraped: bool,
}

impl Coverage {
    /// The reason of the pod that it names.
    pub(in crate::store) fn root(&self) -> Option<&Absence> {
        self.example.as_ref().map(|lacking| lacking.why.root())
    }

    /// Whether no pod has it, and the one that is named exposes no such metric at all.
    #[must_use]
    pub fn is_of_nobody(&self) -> bool {
        self.having == 0 && self.root() == Some(&Absence::UnknownMetric)
    }
}

/// Counts of pods and a reason with moments: nothing that is another text with each read.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { having, expected, young, least, example } = self;
        match example {
            Some(example) if *having == 0 => write!(f, "none of {expected} pods has it; {example}"),
            Some(example) => {
                write!(f, "{having} of {expected} pods have it, and {least} of them have to; {example}")
            }
            None => write!(f, "its {young} pods are younger than two scrape intervals, and none has it yet"),
        }
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.why, self.is_scraped) {
            (Absence::UnknownMetric, true) => write!(f, "{}: it is scraped and does not expose it", self.pod),
            (Absence::UnknownMetric, false) => {
                write!(f, "{}: it is not scraped, and nothing is written for it under this name", self.pod)
            }
            (why, _) => write!(f, "{}: {why}", self.pod),
        }
    }
}
