//! Which occurrences are to be told now.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{Occurrence, Regarding};

type Key = (Regarding, &'static str);

/// What was told, as long as it holds, and a while longer.
#[derive(Default)]
pub(super) struct Due(HashMap<Key, Told>);

#[derive(Clone)]
struct Told {
    note: String,
    /// How many looks have found it, one after the other.
    looks: u32,
    at: Option<Instant>,
    seen: Instant,
}

impl Due {
    /// Those of `occurrences`, all that hold now, that are to be told.
    pub(super) fn of(&mut self, occurrences: Vec<Occurrence>, now: Instant) -> Vec<Occurrence> {
        self.0.retain(|_, told| now.duration_since(told.seen) < FORGOTTEN);
        let mut due = Vec::new();
        for occurrence in occurrences {
            let key = (occurrence.regarding.clone(), occurrence.reason);
            if !self.0.contains_key(&key) && self.0.len() >= MOST {
                continue;
            }
            let told = self.0.entry(key).or_insert_with(|| Told::first(now));
            told.look(now);
            if due.len() < AT_ONCE && told.is_due(&occurrence.note, now) {
                (told.at, told.note) = (Some(now), occurrence.note.clone());
                due.push(occurrence);
            }
        }
        due
    }
}

impl Told {
    fn first(now: Instant) -> Self {
        Self { note: String::new(), looks: 0, at: None, seen: now }
    }

    fn look(&mut self, now: Instant) {
        let is_in_a_row = now.duration_since(self.seen) <= IN_A_ROW;
        self.looks = if is_in_a_row { self.looks.saturating_add(1) } else { 1 };
        self.seen = now;
    }

    fn is_due(&self, note: &str, now: Instant) -> bool {
        // A pod that starts, or a target that misses one scrape, is no news.
        let holds = self.looks >= 2;
        holds
            && self.at.is_none_or(|at| now.duration_since(at) >= if self.note == note { SAME } else { OTHER })
    }
}

/// Between two Events of one reason and text.
const SAME: Duration = Duration::from_secs(3600);

/// Between two of one reason with other texts.
const OTHER: Duration = Duration::from_secs(600);

/// What ends and comes back is the same occurrence for so long.
const FORGOTTEN: Duration = Duration::from_secs(3600);

const IN_A_ROW: Duration = Duration::from_secs(60);

/// In one look. The others have their turn in the next.
const AT_ONCE: usize = 10;

/// Occurrences that are remembered: about 300 B each.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{events::Kind, model::Uid};

    fn refused(pod: usize, note: &str) -> Occurrence {
        let uid = Uid(format!("uid-{pod}").into());
        let (namespace, name) = ("shop".to_owned(), format!("web-{pod}"));
        let regarding = Regarding { kind: Kind::Pod, namespace, name, uid };
        Occurrence { regarding, reason: "ScrapeRefused", note: note.to_owned() }
    }

    /// The seconds at which one occurrence is told, looked at each 15 s; `note` is its text at a second.
    fn told(until: u64, note: impl Fn(u64) -> Option<&'static str>) -> Vec<u64> {
        let (mut due, begin) = (Due::default(), Instant::now());
        let mut told = Vec::new();
        for second in (0..until).step_by(15) {
            let holds = note(second).map(|note| refused(0, note));
            if !due.of(holds.into_iter().collect(), begin + Duration::from_secs(second)).is_empty() {
                told.push(second);
            }
        }
        told
    }

    #[test]
    fn it_is_told_when_it_has_held_for_two_looks_and_again_after_an_hour() {
        assert_eq!(told(7_300, |_| Some("no port")), [15, 3_615, 7_215]);
        assert_eq!(told(300, |second| (second == 30).then_some("no port")), [0_u64; 0]);
    }

    #[test]
    fn a_text_that_changes_each_time_is_told_each_ten_minutes() {
        assert_eq!(told(1_300, |second| Some(if second % 30 == 0 { "a" } else { "b" })), [15, 630, 1_245]);
    }

    #[test]
    fn what_comes_and_goes_is_not_told_each_time() {
        let flaps = |second| (second / 120 % 2 == 0).then_some("no port");
        assert_eq!(told(3_600, flaps), [15]);
    }

    #[test]
    fn a_thousand_at_once_are_told_in_turns_and_none_twice() {
        let (mut due, begin) = (Due::default(), Instant::now());
        let all: Vec<Occurrence> = (0..1_000).map(|pod| refused(pod, "no port")).collect();
        let mut told = Vec::new();
        for look in 0..110_u64 {
            let now = due.of(all.clone(), begin + Duration::from_secs(15 * look));
            assert!(now.len() <= AT_ONCE);
            told.extend(now.into_iter().map(|occurrence| occurrence.regarding));
        }
        let different: std::collections::HashSet<_> = told.iter().collect();
        assert_eq!((told.len(), different.len()), (1_000, 1_000));
    }
}
