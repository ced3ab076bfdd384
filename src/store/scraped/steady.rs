//! Histories in which nothing happened: the same processes answered, no counter fell, nothing is new and nothing is gone.
//!
//! Almost all are so. The increase over the window is then the newest value less the one that anchors the window, without
//! the questions that the general way asks of each point. What that way would answer differently is not steady.

use super::{
    SeriesKind,
    derive::Reader,
    grown::Grown,
    history::History,
    rate::{Increase, Span},
    shape::{Family, Group, Set},
};
use crate::store::Absence;

/// A history in which nothing happened, as far as all series share it.
pub(super) struct Steady<'a> {
    history: &'a History,
    /// How many scrapes before the newest one the window is anchored.
    anchor: usize,
    from: i64,
    to: i64,
}

impl<'a> Steady<'a> {
    /// `None` where something may have happened, or the window is not full.
    pub(super) fn of(history: &'a History, span: Span) -> Option<Self> {
        if !history.is_plain() {
            return None;
        }
        let to = history.at();
        let mut anchor = None;
        for (scrape, (newer, older)) in (1..).zip(history.pairs()) {
            let gap = newer.at - older.at;
            if gap <= 0 || gap > span.longest_gap() || newer.starts != older.starts {
                return None;
            }
            if anchor.is_none() && to - older.at >= span.anchor() {
                anchor = Some((scrape, older.at));
            }
        }
        let (anchor, from) = anchor?;
        Some(Self { history, anchor, from, to })
    }

    /// The increase of a counter, or of a part of a histogram; `None` where something happened to it.
    pub(super) fn increase(&self, series: u32, kind: SeriesKind) -> Option<f64> {
        let may_fall = kind == SeriesKind::Sum;
        let (mut before, mut anchored) = (self.history.plain(series)?, None);
        let newest = before.next().filter(|value| value.is_finite())?;
        let mut after = newest;
        for scrape in 1..=self.history.scrapes_before() {
            let value = before.next().filter(|value| value.is_finite())?;
            if value > after && !may_fall {
                return None;
            }
            if scrape == self.anchor {
                anchored = Some(value);
            }
            after = value;
        }
        anchored.map(|anchored| newest - anchored)
    }

    /// The increases of a histogram's parts.
    pub(super) fn grown(&self, parts: impl Iterator<Item = (u32, SeriesKind)>) -> Option<Grown> {
        let (mut kinds, mut amounts) = (Vec::new(), Vec::new());
        for (series, kind) in parts {
            kinds.push(kind);
            amounts.push(self.increase(series, kind)?);
        }
        let increase = Increase { amounts, from: self.from, to: self.to, is_new: false };
        Some(Grown { kinds, parts: Vec::new(), increase, is_apart: false })
    }
}

impl Reader<'_> {
    /// The history, if nothing happened in it that all series share.
    fn steady(&self, family: &str) -> Result<Option<Steady<'_>>, Absence> {
        self.full()?;
        if !self.knows_steady || self.history.doubts(family) {
            return Ok(None);
        }
        Ok(Steady::of(self.history, self.reach.span))
    }

    /// The increases of a group's selected counters, if nothing happened to any of them.
    pub(super) fn steady_counters(&self, group: &Group, family: &str) -> Result<Option<Vec<Grown>>, Absence> {
        let Some(steady) = self.steady(family)? else { return Ok(None) };
        let here = group.members.iter().filter(|series| self.selects(**series));
        let grown = here.map(|series| steady.grown(std::iter::once((*series, group.kind))));
        Ok(grown.collect::<Option<Vec<Grown>>>().filter(|grown| !grown.is_empty()))
    }

    /// The increases of a family's selected histograms, if nothing happened to any of them.
    pub(super) fn steady_sets(
        &self,
        family: &Family,
        (has, needed): (impl Fn(&Set) -> bool, impl Fn(SeriesKind) -> bool),
    ) -> Result<Option<Vec<Grown>>, Absence> {
        let Some(steady) = self.steady(&family.name)? else { return Ok(None) };
        let shape = self.history.shape();
        let selected = |set: &&Set| set.representative().is_some_and(|series| self.selects(series));
        let grown = family.sets.iter().filter(|set| has(set)).filter(selected).map(|set| {
            let kinds = set.members().filter_map(|series| Some((series, shape.kind(series)?)));
            steady.grown(kinds.filter(|(_, kind)| needed(*kind)))
        });
        Ok(grown.collect::<Option<Vec<Grown>>>().filter(|grown| !grown.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::MetricSelector,
        store::scraped::{
            ShapeBuilder,
            change::Starts,
            derive::Reach,
            history::{Scraped, Stamp},
            shape::Shape,
        },
    };

    const SPAN: Span = Span { window: 60_000, interval: 15_000 };

    fn shape() -> Arc<Shape> {
        let mut builder = ShapeBuilder::default();
        for code in ["200", "404"] {
            builder.add("requests_total", SeriesKind::Counter, [("code", code)]);
        }
        for (kind, bound) in [(0.1, "0.1"), (1.0, "1"), (f64::INFINITY, "+Inf")] {
            builder.add("latency_bucket", SeriesKind::Bucket(kind), [("le", bound)]);
        }
        builder.add("latency_sum", SeriesKind::Sum, []);
        builder.add("latency_count", SeriesKind::Count, []);
        Arc::new(builder.build())
    }

    /// One scrape: how long after the one before, by how much each series grew, and what else happened.
    #[derive(Clone, Debug)]
    struct Event {
        gap: i64,
        grows: Vec<u32>,
        odd: Odd,
    }

    #[derive(Clone, Debug)]
    enum Odd {
        Nothing,
        Reset(usize),
        Hair(usize),
        NaN(usize),
        Restart,
    }

    fn event() -> impl Strategy<Value = Event> {
        let odd = prop_oneof![
            30 => Just(Odd::Nothing),
            1 => (0..7_usize).prop_map(Odd::Reset),
            1 => (0..7_usize).prop_map(Odd::Hair),
            1 => (0..7_usize).prop_map(Odd::NaN),
            1 => Just(Odd::Restart),
        ];
        let gap = prop_oneof![20 => 14_000..16_000_i64, 1 => 1_000..200_000_i64];
        (gap, prop::collection::vec(0..5_000_u32, 7), odd).prop_map(|(gap, grows, odd)| Event {
            gap,
            grows,
            odd,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_steady_is_answered_as_the_general_way_answers(events in prop::collection::vec(event(), 1..9)) {
            let shape = shape();
            let (mut at, mut values, mut process) = (1_795_000_000_000, vec![1e6_f64; 7], 1_794_000_000_000);
            let mut history: Option<History> = None;
            for event in &events {
                at += event.gap;
                let grown = |(value, grows): (&f64, &u32)| value + f64::from(*grows) / 4.0;
                values = values.iter().zip(&event.grows).map(grown).collect();
                let mut shown = values.clone();
                match event.odd {
                    Odd::Nothing => {}
                    Odd::Reset(series) => (values[series], shown[series]) = (0.0, 0.0),
                    Odd::Hair(series) => shown[series] -= 600.0,
                    Odd::NaN(series) => shown[series] = f64::NAN,
                    Odd::Restart => process = at - 1_000,
                }
                let starts = Starts { process: Some(process), container: None };
                let scrape = Scraped { stamp: Stamp { at, starts }, values: &shown, times: &[], unreadable: &[] };
                match &mut history {
                    None => history = Some(History::new(SPAN, shape.clone(), scrape)),
                    Some(history) => history.push(scrape),
                }
            }
            let (history, selector) = (history.unwrap(), MetricSelector::default());
            let reach = Reach { span: SPAN, over: None, is_asked: false };
            let reader = |knows_steady| {
                Reader { history: &history, selector: &selector, oldest: at - 45_000, raw_counters: false, reach, knows_steady }
            };
            for metric in ["requests_per_second", "latency_per_second", "latency_avg", "latency_p50", "latency_p99"] {
                let (quick, general) = (reader(true).read(metric), reader(false).read(metric));
                prop_assert_eq!(format!("{quick:?}"), format!("{general:?}"), "{} of {:?}", metric, events);
            }
        }
    }

    #[test]
    fn a_history_without_events_is_steady() {
        let shape = shape();
        let start = |at| Stamp { at, starts: Starts::default() };
        let scrape =
            |values: &'static [f64; 7], at| Scraped { stamp: start(at), values, times: &[], unreadable: &[] };
        let mut history = History::new(SPAN, shape, scrape(&[1.0; 7], 0));
        for at in [15_000, 30_000, 45_000] {
            history.push(scrape(&[2.0; 7], at));
            assert!(Steady::of(&history, SPAN).is_none(), "the window is not full");
        }
        history.push(scrape(&[7.0; 7], 60_000));
        let steady = Steady::of(&history, SPAN).unwrap();
        assert_eq!(steady.increase(0, SeriesKind::Counter), Some(6.0));
        assert_eq!((steady.from, steady.to), (0, 60_000));
    }
}
