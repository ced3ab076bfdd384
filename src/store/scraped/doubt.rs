//! What speaks against a target's counters for longer than a window.
//!
//! Several processes behind one port (prefork servers) take turns by chance, so a window of five scrapes may meet only
//! one of them and look like one counter. The evidence of several is therefore kept for some minutes. Starts that tell
//! of several need no memory: each step from one process to another has two of them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::{
    change::{Change, Fall},
    history::Stamp,
    rate::Span,
    shape::{SeriesKind, Shape},
};

/// The evidence of one target.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Falls of counters that no start explains, oldest first.
    falls: Vec<Fallen>,
    /// When a counter last fell by a hair, which is no sample to take a rate from.
    dipped: Option<i64>,
}

/// A counter of this family fell between two scrapes.
#[derive(Debug)]
struct Fallen {
    family: Box<str>,
    after: i64,
    at: i64,
    /// One of its series in the present shape, and its value before the fall.
    before: Option<(u32, f64)>,
    /// Whether that value was passed again within a window, as by the other one of two processes.
    is_passed: bool,
}

/// Two successive scrapes of one shape; a series that the earlier one lacked is NaN in it.
pub(super) struct Step<'a> {
    pub(super) shape: &'a Shape,
    pub(super) then: (Stamp, &'a [f64]),
    pub(super) now: (Stamp, &'a [f64]),
    pub(super) span: Span,
}

impl Doubt {
    /// Notes what a scrape shows.
    pub(super) fn note(&mut self, step: &Step<'_>) {
        let (after, at) = (step.then.0.at, step.now.0.at);
        self.forget(at - remembered(step.span));
        if at <= after {
            // The clock was set back, and starts that are computed from it with it.
            return;
        }
        self.falls.iter_mut().for_each(|fall| fall.look_at(step));
        let change = Change::between(step.now.0.starts, step.then.0.starts, after);
        if change == Change::Restarted {
            return self.explain(step.now.0);
        }
        if change == Change::Same && step.dips() {
            self.dipped = Some(at);
        }
        for (family, before) in step.fallen(change) {
            if self.falls.len() < MOST_FALLS {
                let fall =
                    Fallen { family: family.into(), after, at, before: Some(before), is_passed: false };
                self.falls.push(fall);
            }
        }
    }

    /// Whether a rate of this family may mix several processes.
    pub(super) fn applies_to(&self, family: &str) -> bool {
        let mut falls = self.falls.iter().filter(|fall| *fall.family == *family);
        falls.next().is_some_and(|fall| fall.is_passed || falls.next().is_some())
    }

    /// Follows a change of the shape; `moved` has the old place of each new series.
    pub(super) fn follow(&mut self, moved: &[Option<u32>]) {
        if self.falls.is_empty() {
            return;
        }
        let places: HashMap<u32, u32, RandomState> =
            moved.iter().zip(0..).filter_map(|(old, now)| Some(((*old)?, now))).collect();
        for (series, value) in self.falls.iter_mut().filter_map(|fall| fall.before.as_mut()) {
            (*series, *value) = places.get(series).map_or((0, f64::INFINITY), |now| (*now, *value));
        }
    }

    /// Whether a counter dipped at this time or later.
    pub(super) fn dipped_since(&self, at: i64) -> bool {
        self.dipped.is_some_and(|dipped| dipped >= at)
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

    fn forget(&mut self, edge: i64) {
        self.falls.retain(|fall| fall.at > edge);
    }
}

impl Fallen {
    fn look_at(&mut self, step: &Step<'_>) {
        let Some((series, before)) = self.before.filter(|_| step.now.0.at - self.at <= step.span.window)
        else {
            return;
        };
        self.is_passed |= step.now.1.get(series as usize).is_some_and(|now| *now > before);
    }
}

impl<'a> Step<'a> {
    /// The families with a counter that was reset without an explanation; one such series, and its value before.
    fn fallen(&self, change: Change) -> BTreeMap<&'a str, (u32, f64)> {
        let lanes = (0..).zip(self.then.1.iter().zip(self.now.1));
        let fallen = lanes.filter(|(_, (then, now))| now < then && then.is_finite());
        let reset = fallen.filter(|(series, (then, now))| {
            let is_dip = change == Change::Same && Fall::between(**now, **then) == Some(Fall::Hair);
            !is_dip
                && self.shape.kind(*series).is_some_and(SeriesKind::falls_at_reset)
                && !self.began_anew(*series)
        });
        reset
            .filter_map(|(series, (then, _))| Some((&*self.shape.family_of(series)?.name, (series, *then))))
            .collect()
    }

    /// Whether a counter fell by a hair.
    fn dips(&self) -> bool {
        let mut lanes = (0..).zip(self.then.1.iter().zip(self.now.1));
        lanes.any(|(series, (then, now))| {
            Fall::between(*now, *then) == Some(Fall::Hair)
                && self.shape.kind(series).is_some_and(SeriesKind::falls_at_reset)
        })
    }

    /// Whether the series' own start says that it began anew.
    fn began_anew(&self, series: u32) -> bool {
        let Some(created) = self.shape.created(series) else { return false };
        let value = |values: &[f64]| values.get(created as usize).copied();
        value(self.then.1).zip(value(self.now.1)).is_some_and(|(then, now)| then < now)
    }
}

/// Five minutes, or twenty scrapes: within them, two processes that take turns by chance are met in the order that
/// shows them.
fn remembered(span: Span) -> i64 {
    (20 * span.interval).max(300_000)
}

/// More say no more, and take memory.
const MOST_FALLS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scraped::{ShapeBuilder, change::Starts};

    const SPAN: Span = Span { window: 60_000, interval: 15_000 };

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
            let step = Step {
                shape: &shape,
                then: (stamp(at, *a, *b), then),
                now: (stamp(at + 1, *c, *d), now),
                span: SPAN,
            };
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
    fn a_fall_whose_value_is_passed_again_within_a_window_is_evidence() {
        let at = |value| ([value, 5.0, 7.0], None, None);
        assert!(noted(&[at(9.0), at(1.0), at(2.0), at(9.5), at(10.0)]).applies_to("a"));
        assert!(!noted(&[at(9.0), at(1.0), at(2.0), at(3.0), at(4.0), at(5.0), at(9.5)]).applies_to("a"));
    }

    #[test]
    fn a_value_that_was_infinite_has_not_fallen() {
        let at = |value| ([value, 5.0, 7.0], None, None);
        let infinite = at(f64::INFINITY);
        assert!(!noted(&[at(1.0), infinite, at(2.0), infinite, at(3.0)]).applies_to("a"));
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
}
