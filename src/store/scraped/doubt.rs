//! What speaks against a target's counters for longer than a window.
//!
//! Several processes behind one port (prefork servers) take turns by chance, so a window of five scrapes may meet only
//! one of them and look like one counter. The evidence of several is therefore kept for some minutes.

use std::collections::BTreeSet;

use super::{
    history::Stamp,
    rate::{Change, Fall},
    shape::Shape,
};

/// The evidence of one target.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// When a start last told of several processes.
    several: Option<i64>,
    /// Falls of counters that no start explains, oldest first.
    falls: Vec<Fallen>,
}

/// A counter of this family fell between two scrapes.
#[derive(Debug)]
struct Fallen {
    family: Box<str>,
    after: i64,
    at: i64,
}

/// Two successive scrapes of one shape; a series that the earlier one lacked is NaN in it.
pub(super) struct Step<'a> {
    pub(super) shape: &'a Shape,
    pub(super) then: (Stamp, &'a [f64]),
    pub(super) now: (Stamp, &'a [f64]),
}

impl Doubt {
    /// Notes what a scrape shows.
    pub(super) fn note(&mut self, step: &Step<'_>) {
        let (after, at) = (step.then.0.at, step.now.0.at);
        self.forget(at);
        let change = Change::between(step.now.0.starts, step.then.0.starts, after);
        match change {
            Change::Several => self.several = Some(at),
            Change::Restarted => return self.explain(step.now.0),
            Change::Same | Change::Unknown => {}
        }
        for family in step.fallen(change) {
            if self.falls.len() < MOST_FALLS {
                self.falls.push(Fallen { family: family.into(), after, at });
            }
        }
    }

    /// Whether a rate of this family may mix several processes.
    pub(super) fn applies_to(&self, family: &str) -> bool {
        let mut falls = self.falls.iter().filter(|fall| *fall.family == *family);
        self.several.is_some() || falls.nth(1).is_some()
    }

    pub(super) fn bytes(&self) -> usize {
        self.falls.iter().map(|fall| fall.family.len() + size_of::<Fallen>()).sum()
    }

    /// The kubelet tells of a restart a little later, when the counters have fallen already.
    fn explain(&mut self, stamp: Stamp) {
        let starts = [stamp.starts.process, stamp.starts.container];
        let explained =
            |fall: &Fallen| starts.iter().flatten().any(|start| fall.after < *start && *start <= fall.at);
        self.falls.retain(|fall| !explained(fall));
    }

    fn forget(&mut self, now: i64) {
        self.several = self.several.filter(|at| now - at < REMEMBERED);
        self.falls.retain(|fall| now - fall.at < REMEMBERED);
    }
}

impl<'a> Step<'a> {
    /// The families with a counter that was reset without an explanation.
    fn fallen(&self, change: Change) -> BTreeSet<&'a str> {
        let lanes = (0..).zip(self.then.1.iter().zip(self.now.1));
        let fallen = lanes.filter(|(_, (then, now))| now < then);
        let reset = fallen.filter(|(series, (then, now))| {
            let is_dip = change == Change::Same && Fall::between(**now, **then) == Some(Fall::Hair);
            !is_dip
                && self.shape.kind(*series).is_some_and(|kind| kind.falls_at_reset())
                && !self.began_anew(*series)
        });
        reset.filter_map(|(series, _)| self.shape.family_of(series)).map(|family| &*family.name).collect()
    }

    /// Whether the series' own start says that it began anew.
    fn began_anew(&self, series: u32) -> bool {
        let Some(created) = self.shape.created(series) else { return false };
        let value = |values: &[f64]| values.get(created as usize).copied();
        value(self.then.1).zip(value(self.now.1)).is_some_and(|(then, now)| then < now)
    }
}

/// Five minutes: within them, two processes that take turns by chance are met in the order that shows them.
const REMEMBERED: i64 = 300_000;

/// More say no more, and take memory.
const MOST_FALLS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scraped::{SeriesKind, ShapeBuilder, rate::Starts};

    fn shape() -> Shape {
        let mut builder = ShapeBuilder::default();
        builder.add("a_total", SeriesKind::Counter, [("x", "1")]);
        builder.add("a_total", SeriesKind::Counter, [("x", "2")]);
        builder.add("b_total", SeriesKind::Counter, []);
        builder.build()
    }

    /// Notes scrapes every 15 seconds with the starts of process and container.
    fn noted(scrapes: &[([f64; 3], Option<i64>, Option<i64>)]) -> Doubt {
        let (shape, mut doubt) = (shape(), Doubt::default());
        let stamp = |at: usize, process: Option<i64>, container: Option<i64>| Stamp {
            at: 15_000 * i64::try_from(at).unwrap(),
            starts: Starts { process, container },
        };
        for (at, pair) in scrapes.windows(2).enumerate() {
            let [(then, a, b), (now, c, d)] = pair else { unreachable!() };
            let step =
                Step { shape: &shape, then: (stamp(at, *a, *b), then), now: (stamp(at + 1, *c, *d), now) };
            doubt.note(&step);
        }
        doubt
    }

    #[test]
    fn a_second_fall_is_evidence_against_its_family_for_minutes() {
        let fall = |value| ([value, 5.0, 7.0], None, None);
        let mut scrapes = vec![fall(9.0), fall(1.0), fall(9.0), fall(1.0)];
        let doubt = noted(&scrapes);
        assert!(doubt.applies_to("a") && !doubt.applies_to("b"));
        scrapes.extend((0..17).map(|_| fall(1.0)));
        assert!(noted(&scrapes).applies_to("a"));
        scrapes.extend((0..3).map(|_| fall(1.0)));
        assert!(!noted(&scrapes).applies_to("a"), "five minutes after the first of them");
    }

    #[test]
    fn one_reset_of_all_label_sets_is_one_fall() {
        let doubt = noted(&[([9.0, 9.0, 9.0], None, None), ([1.0, 1.0, 1.0], None, None)]);
        assert!(!doubt.applies_to("a"));
    }

    #[test]
    fn a_restart_explains_falls_also_when_the_kubelet_tells_late() {
        let scrapes = [
            ([9.0, 9.0, 9.0], None, Some(-1)),
            ([1.0, 1.0, 1.0], None, Some(-1)),
            ([2.0, 2.0, 2.0], None, Some(14_000)),
            ([1.0, 1.0, 1.0], None, Some(14_000)),
        ];
        assert!(!noted(&scrapes).applies_to("a"));
    }

    #[test]
    fn a_start_that_moves_back_is_evidence_against_all() {
        let scrapes = [([9.0; 3], Some(-200_000), None), ([9.0; 3], Some(-300_000), None)];
        assert!(noted(&scrapes).applies_to("b"));
    }
}
