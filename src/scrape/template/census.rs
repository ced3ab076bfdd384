//! Which names a body has, and what each of them means. What one line says of another counts wherever it stands, so this
//! is asked when all lines are read.

use std::{collections::BTreeMap, hash::BuildHasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use memchr::memmem::Finder;

use super::{Rules, declaration, meaning::Meaning};
use crate::exposition::{Families, Format, Kind, Membership, Role, Series, series_name};

/// The names of the series of a body, and the types that it declares.
#[derive(Default)]
pub(super) struct Census {
    families: Families,
    /// Families that are declared as one type and as another.
    conflicts: BTreeMap<String, [Kind; 2]>,
    names: Vec<Name>,
    by_text: HashTable<u32>,
    hash: RandomState,
    last: u32,
    hints: Hints,
}

/// Finds the labels that matter in the text of a series, or what looks like them.
struct Hints {
    quantile: Finder<'static>,
    bound: Finder<'static>,
    range: Finder<'static>,
}

impl Default for Hints {
    fn default() -> Self {
        Self { quantile: Finder::new("quantile"), bound: Finder::new("le"), range: Finder::new("vmrange") }
    }
}

/// What is known of all series of one name.
pub(super) struct Name {
    pub(super) text: Box<str>,
    /// Whether its series may be kept, as far as the name says.
    pub(super) is_candidate: bool,
    /// Whether it stands before the braces.
    is_bare: bool,
    /// Whether one has the label that makes it a part of a histogram or summary: a bound, or a quantile.
    is_bounded: bool,
    /// Whether all values are moments, if it may be the start of a counter.
    are_moments: bool,
}

impl Census {
    /// Takes what a comment declares.
    pub(super) fn declare(&mut self, family: &str, kind: Kind) {
        if let Some(other) = self.families.declare(family, kind) {
            let mut kinds = [other, kind];
            kinds.sort_unstable_by_key(|kind| kind.word());
            self.conflicts.entry(family.to_owned()).or_insert(kinds);
        }
    }

    /// Takes a declaration in the way in which `format` has it; false if the text is none.
    pub(super) fn declare_text(&mut self, text: &[u8], format: Format) -> bool {
        let Some((family, kind)) = declaration::of_line(text, format) else { return false };
        self.declare(&family, kind);
        true
    }

    /// Takes a series, and gives back the number of its name.
    pub(super) fn note(&mut self, text: &str, value: f64, rules: &Rules) -> u32 {
        let at = if self.is_last(text) { self.last } else { self.name(text, rules) };
        self.last = at;
        if let Some(name) = self.names.get_mut(at as usize) {
            name.look_at(text, &self.hints);
            name.are_moments &= !name.text.ends_with("_created") || is_moment(value);
        }
        at
    }

    /// Whether the series has the name of the last one, as most have.
    fn is_last(&self, text: &str) -> bool {
        self.names.get(self.last as usize).filter(|name| name.is_bare).is_some_and(|name| {
            let rest = text.strip_prefix(&*name.text);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        })
    }

    fn name(&mut self, text: &str, rules: &Rules) -> u32 {
        let name = series_name(text);
        let is_bare = text.starts_with(&*name);
        self.find(&name).unwrap_or_else(|| self.add(Name::new(&name, is_bare, rules)))
    }

    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    pub(super) fn is_candidate(&self, at: u32) -> bool {
        self.names.get(at as usize).is_some_and(|name| name.is_candidate)
    }

    /// What the series of this name are.
    pub(super) fn meaning(&self, name: &str, rules: &Rules) -> Meaning {
        let membership = self.membership(name);
        let is_start = membership.role != Role::Created || self.get(name).is_none_or(|name| name.are_moments);
        match is_start {
            true => Meaning::of(name, membership, self.is_quantile(name), rules),
            false => {
                let kind = self.families.kind(name).unwrap_or_default();
                Meaning::of(name, Membership { kind, role: Role::Value }, false, rules)
            }
        }
    }

    /// Whether its values decide if they are moments at which counters began.
    pub(super) fn may_be_start(&self, name: &str) -> bool {
        name.ends_with("_created") && self.membership(name).role == Role::Created
    }

    /// The families that are declared as two types, with these.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = (&str, [Kind; 2])> {
        self.conflicts.iter().map(|(family, kinds)| (family.as_str(), *kinds))
    }

    /// What the store calls the families to which the type of `family` matters.
    pub(super) fn stored_families(&self, family: &str, rules: &Rules) -> Vec<String> {
        let parts = PARTS.iter().map(|suffix| format!("{family}{suffix}"));
        let there = parts.filter(|part| self.get(part).is_some());
        let names = std::iter::once(family.to_owned()).chain(there);
        let mut families: Vec<String> =
            names.map(|name| self.meaning(&name, rules).family(&name).to_owned()).collect();
        families.push(family.to_owned());
        families.sort_unstable();
        families.dedup();
        families
    }

    fn membership(&self, name: &str) -> Membership {
        match self.families.membership(name) {
            Membership { kind: Kind::Unknown, role: Role::Value } => self.implied(name).unwrap_or_default(),
            declared => declared,
        }
    }

    /// What a series without a type is by its name, its labels and its siblings: hand-written pages lack types, and so
    /// do those of some libraries.
    fn implied(&self, name: &str) -> Option<Membership> {
        let part = |suffix: &str, role: Role| {
            let kind = self.implied_kind(name.strip_suffix(suffix)?)?;
            (role != Role::Bucket || kind == Kind::Histogram).then_some(Membership { kind, role })
        };
        let quantile =
            || self.is_summary(name).then_some(Membership { kind: Kind::Summary, role: Role::Value });
        part("_bucket", Role::Bucket)
            .or_else(|| part("_sum", Role::Sum))
            .or_else(|| part("_count", Role::Count))
            .or_else(quantile)
            .or_else(|| part("_created", Role::Created))
            .or_else(|| self.start_of_untyped(name))
    }

    fn implied_kind(&self, base: &str) -> Option<Kind> {
        match () {
            () if self.is_histogram(base) => Some(Kind::Histogram),
            () if self.is_summary(base) => Some(Kind::Summary),
            () => None,
        }
    }

    fn is_histogram(&self, base: &str) -> bool {
        self.is_untyped(base) && self.has_bounds(&format!("{base}_bucket")) && self.has_total(base)
    }

    fn is_summary(&self, base: &str) -> bool {
        self.has_bounds(base) && self.has_total(base)
    }

    fn has_bounds(&self, name: &str) -> bool {
        self.is_untyped(name) && self.get(name).is_some_and(|name| name.is_bounded)
    }

    fn has_total(&self, base: &str) -> bool {
        ["_sum", "_count"].iter().any(|suffix| {
            let name = format!("{base}{suffix}");
            self.is_untyped(&name) && self.get(&name).is_some()
        })
    }

    /// `x_created` beside an `x_total` that is a counter by its name alone.
    fn start_of_untyped(&self, name: &str) -> Option<Membership> {
        let total = format!("{}_total", name.strip_suffix("_created")?);
        let counts = self.is_untyped(&total) && self.get(&total).is_some();
        counts.then_some(Membership { kind: Kind::Counter, role: Role::Created })
    }

    fn is_untyped(&self, name: &str) -> bool {
        self.families.membership(name) == Membership::default()
    }

    fn is_quantile(&self, name: &str) -> bool {
        self.get(name).is_some_and(|name| name.is_bounded)
    }

    fn get(&self, name: &str) -> Option<&Name> {
        self.names.get(self.find(name)? as usize)
    }

    fn find(&self, name: &str) -> Option<u32> {
        let is_it = |at: &u32| self.names.get(*at as usize).is_some_and(|known| *known.text == *name);
        if is_it(&self.last) {
            return Some(self.last);
        }
        self.by_text.find(self.hash.hash_one(name), is_it).copied()
    }

    fn add(&mut self, name: Name) -> u32 {
        let at = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let own = self.hash.hash_one(&*name.text);
        self.names.push(name);
        let (names, hash) = (&self.names, &self.hash);
        let rehash = |at: &u32| names.get(*at as usize).map_or(0, |name| hash.hash_one(&*name.text));
        self.by_text.insert_unique(own, at, rehash);
        at
    }
}

impl Name {
    /// Whether all its values are moments.
    pub(super) fn are_moments(&self) -> bool {
        self.are_moments
    }

    fn new(name: &str, is_bare: bool, rules: &Rules) -> Self {
        Self {
            text: name.into(),
            is_candidate: name == PROCESS_START || rules.allow.may_keep(name),
            is_bare,
            is_bounded: false,
            are_moments: true,
        }
    }

    fn look_at(&mut self, series: &str, hints: &Hints) {
        if self.is_bounded {
            return;
        }
        let labels = series.get(self.text.len()..).unwrap_or_default().as_bytes();
        let is_bucket = self.text.ends_with("_bucket");
        let (wanted, hinted): (&[&str], bool) = match is_bucket {
            true => {
                (&["le", "vmrange"], hints.bound.find(labels).or_else(|| hints.range.find(labels)).is_some())
            }
            false => (&["quantile"], hints.quantile.find(labels).is_some()),
        };
        if hinted && let Ok(series) = Series::parse(series) {
            self.is_bounded = wanted.iter().any(|label| series.label(label).is_some());
        }
    }
}

/// Seconds since 1970 of this century: what says when a counter began, and what a count of things rarely is.
pub(super) fn is_moment(seconds: f64) -> bool {
    (1e9..4_102_444_800.0).contains(&seconds)
}

/// What the client libraries expose of their process.
pub(super) const PROCESS_START: &str = "process_start_time_seconds";

const PARTS: [&str; 7] = ["_total", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info"];
