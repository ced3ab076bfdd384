//! The families of a body that cannot be read, and why.

use std::collections::BTreeMap;

use super::{
    Mark, Rules, Template,
    census::Census,
    limits::{LimitError, excerpt},
};
use crate::{
    exposition::{About, BadLine, Reading, Refusal, series_name},
    store::Unreadable,
};

/// Families that cannot be read, each with its first fault.
#[derive(Default)]
pub(super) struct Faults {
    families: BTreeMap<String, String>,
    are_too_many: bool,
}

impl Faults {
    /// Adds a fault of `family`, unless it has one.
    pub(super) fn add(&mut self, family: &str, fault: impl FnOnce() -> String) {
        if self.families.contains_key(family) {
            return;
        }
        if self.families.len() >= MOST_FAMILIES {
            self.are_too_many = true;
            return;
        }
        self.families.insert(family.to_owned(), fault());
    }

    /// Whether all of them are here: with one that is not, a part of its family would be taken for the whole.
    pub(super) fn check(&self) -> Result<(), LimitError> {
        match self.are_too_many {
            true => Err(LimitError::Faults { limit: MOST_FAMILIES }),
            false => Ok(()),
        }
    }

    /// In the order of their names.
    pub(super) fn into_list(self) -> Vec<Unreadable> {
        let told =
            |(family, fault): (String, String)| Unreadable { family: family.into(), fault: fault.into() };
        self.families.into_iter().map(told).collect()
    }
}

/// The lines that were refused, by what they are about.
#[derive(Default)]
pub(super) struct Refusals {
    samples: BTreeMap<String, String>,
    types: BTreeMap<String, String>,
    are_too_many: bool,
}

impl Refusals {
    /// Takes a refused line, if it is about something that is wanted.
    pub(super) fn add(&mut self, refusal: &Refusal<'_>, rules: &Rules) {
        let Some(about) = refusal.about() else { return };
        let count = self.samples.len() + self.types.len();
        let (known, name) = match about {
            About::Sample(name) if name.len() > rules.limits.name_bytes || !rules.allow.may_keep(&name) => {
                return;
            }
            About::Type(family) if family.len() > rules.limits.name_bytes => return,
            About::Sample(name) => (&mut self.samples, name),
            About::Type(family) => (&mut self.types, family),
        };
        match () {
            () if known.contains_key(&*name) => {}
            () if count >= MOST_FAMILIES => self.are_too_many = true,
            () => drop(known.insert(name.into_owned(), BadLine::from(*refusal).to_string())),
        }
    }
}

/// All families of a body that cannot be read: those of refused lines, those of `template`, and those of which a series
/// stands twice and says two things. `spare` is what stands in the spare lines of the template.
pub(super) fn all(
    refusals: Refusals,
    template: &Template,
    rules: &Rules,
    (values, spare): (&[f64], &[Reading]),
) -> Result<Vec<Unreadable>, LimitError> {
    let contradictions = template.contradictions(values, spare);
    if refusals.samples.is_empty() && refusals.types.is_empty() && contradictions.is_empty() {
        return Ok(template.faults.to_vec());
    }
    let census = template.census(rules);
    let mut faults = Faults { are_too_many: refusals.are_too_many, ..Faults::default() };
    for (name, fault) in refusals.samples {
        faults.add(census.meaning(&name, rules).family(&name), || fault);
    }
    for (family, fault) in refusals.types {
        for family in census.stored_families(&family, rules) {
            faults.add(&family, || fault.clone());
        }
    }
    for Unreadable { family, fault } in &template.faults {
        faults.add(family, || fault.to_string());
    }
    for text in contradictions {
        let name = series_name(text);
        let fault = || format!("{}: it stands twice, with different values", excerpt(text));
        faults.add(census.meaning(&name, rules).family(&name), fault);
    }
    faults.check()?;
    Ok(faults.into_list())
}

impl Template {
    /// The series that stand twice and say two things: which of them is right, nothing tells.
    fn contradictions(&self, values: &[f64], spare: &[Reading]) -> Vec<&str> {
        let lines = self.spare.iter().filter_map(|at| self.lines.get(*at as usize));
        let differs = |place: u32, value: f64| {
            let first = values.get(place as usize);
            first.is_some_and(|first| *first != value && !(first.is_nan() && value.is_nan()))
        };
        let contradicts = lines.zip(spare).filter(|(line, reading)| match line.mark {
            Mark::Duplicate(place) => differs(place, reading.value),
            _ => false,
        });
        contradicts.filter_map(|(line, _)| std::str::from_utf8(self.text(*line)).ok()).collect()
    }

    /// Its names and types, as the draft that it came from had them.
    fn census(&self, rules: &Rules) -> Census {
        let mut census = Census::default();
        for line in &self.lines {
            match line.mark {
                Mark::Comment => {}
                Mark::Type => drop(census.declare_text(self.text(*line), self.format)),
                _ => {
                    let text = std::str::from_utf8(self.text(*line)).unwrap_or_default();
                    census.note(text, f64::NAN, rules);
                }
            }
        }
        census
    }
}

/// More would be more than an answer can use, and a body may consist of nothing else.
const MOST_FAMILIES: usize = 256;
