//! What a page says of a template: entries of annotations that meet nothing, and what is exposed and not read.

use std::{collections::BTreeSet, sync::Arc};

use super::{Rules, meaning::Meaning};
use crate::scrape::{allow::NameList, annotations::OWN_PREFIX};

/// What is to be said.
#[derive(Default)]
pub(super) struct Notes {
    idle_allowed: BTreeSet<usize>,
    idle_counters: BTreeSet<usize>,
    allowed: Vec<String>,
    counters: Vec<String>,
    unread: BTreeSet<String>,
}

impl Notes {
    pub(super) fn new(rules: &Rules) -> Self {
        let all = |list: &NameList| (0..list.entries().len()).collect();
        Self {
            idle_allowed: all(rules.allow.list()),
            idle_counters: all(&rules.counters),
            allowed: rules.allow.list().entries().to_vec(),
            counters: rules.counters.entries().to_vec(),
            unread: BTreeSet::new(),
        }
    }

    /// Whether the series of this name are kept.
    pub(super) fn is_kept(&mut self, name: &str, meaning: Meaning, rules: &Rules) -> bool {
        if meaning.may_be_counted() {
            for at in rules.counters.find(name) {
                self.idle_counters.remove(&at);
            }
        }
        let mut is_kept = self.allowed.is_empty();
        for keeper in meaning.keepers(&rules.allow, name) {
            is_kept = true;
            self.idle_allowed.remove(&keeper);
        }
        is_kept
    }

    /// Notes that a bucket of this name is not read.
    pub(super) fn unread(&mut self, name: &str) {
        if self.unread.len() < MOST && !self.unread.contains(name) {
            self.unread.insert(name.to_owned());
        }
    }

    /// The notes, one a line.
    pub(super) fn into_list(self) -> Arc<[String]> {
        let idle = |entries: &[String], idle: &BTreeSet<usize>, annotation: &str, what: &str| {
            let entries = idle.iter().filter_map(|at| entries.get(*at));
            let notes = entries.map(|entry| format!("entry {entry} of {OWN_PREFIX}{annotation} {what}"));
            notes.collect::<Vec<_>>()
        };
        let mut notes = idle(&self.allowed, &self.idle_allowed, "metrics", "keeps nothing");
        let what = "meets nothing that is exposed as untyped or as a gauge";
        notes.extend(idle(&self.counters, &self.idle_counters, "counters", what));
        notes.extend(self.unread.iter().map(|name| {
            format!("{name} has buckets by vmrange, which are not read: quantiles need buckets by le")
        }));
        let more = notes.len().saturating_sub(MOST);
        notes.truncate(MOST);
        if more > 0 {
            notes.push(format!("and {more} more"));
        }
        notes.into()
    }
}

const MOST: usize = 20;
