//! The value of an object that is computed from its pods: sums of what they have, quantiles and means of all their
//! observations together. It is whole, or it is absent with the reason.

mod coverage;
mod gathered;
#[cfg(test)]
mod tests;

use std::{cell::Cell, sync::Arc};

use jiff::{SignedDuration, Timestamp};

pub use coverage::{Coverage, Lacking};

use super::{
    Absence, Percent, Query, Store, fold,
    read::{parts, read_itself},
    scraped,
};
use crate::{
    derive::Expression,
    model::{LiveObject, MetricName, MetricSelector, Options, Presence, Sample},
};
use gathered::{Gathered, Piece};

/// Pods, and when they make up a value.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The object whose pods they are, if it is one: what is written for it goes before what is computed.
    pub object: Option<Arc<LiveObject>>,
    /// Pods that run, sorted.
    pub members: Vec<Member>,
    /// Whether each of them should have what one has. Else those should that are known, or may be thought, to expose it.
    pub are_alike: bool,
    /// The part of those that should have a metric which has to have it.
    pub least: Percent,
    /// The scrape interval of pods that do not say one.
    pub interval: SignedDuration,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct Member {
    /// The pod.
    pub live: Arc<LiveObject>,
    /// When it began to run.
    pub since: Timestamp,
}

/// One read of a crowd.
struct Look<'a> {
    store: &'a Store,
    crowd: &'a Crowd,
    now: Timestamp,
    /// Whether to stop at a pod that derives the metric.
    finds_derived: bool,
    /// Whether there was one.
    derived: Cell<bool>,
}

/// A pod without a value.
struct Missing {
    why: Absence,
    /// The longest interval of its targets; `None` if it is not scraped.
    interval: Option<SignedDuration>,
}

impl Store {
    /// The value of `metric` of all pods together.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn read_crowd(
        &self,
        metric: &MetricName,
        (selector, now): (&MetricSelector, Timestamp),
        crowd: &Crowd,
    ) -> Result<Sample, Absence> {
        let look =
            |finds_derived: bool| Look { store: self, crowd, now, finds_derived, derived: Cell::new(false) };
        if self.0.derived.load().get(metric).is_none() {
            // Most metrics are derived by no pod: that is seen on the way.
            let itself = look(true);
            let value = itself.value(metric, selector);
            if value.is_ok() && !itself.derived.get() {
                return value;
            }
        }
        let look = look(false);
        match look.expression(metric)? {
            Some(expression) => look.derived(&expression, selector),
            None => look.value(metric, selector),
        }
    }
}

impl Look<'_> {
    /// How the pods derive `metric`, if they do.
    fn expression(&self, metric: &MetricName) -> Result<Option<Arc<Expression>>, Absence> {
        let mut found: Option<(Arc<Expression>, &Member)> = None;
        for member in &self.crowd.members {
            let Some(slot) = self.store.0.slots.object(&member.live.object) else { continue };
            let Some(expression) = scraped::derived(&slot.scraped, metric, &member.presence()) else {
                continue;
            };
            match &found {
                None => found = Some((expression, member)),
                Some((same, _)) if *same == expression => {}
                Some((_, first)) => {
                    let pods = format!("{} and {}", first.name(), member.name()).into();
                    return Err(Absence::DerivedUnlike { pods });
                }
            }
        }
        let of_all = || self.store.0.derived.load().get(metric).cloned();
        Ok(found.map(|(expression, _)| expression).or_else(of_all))
    }

    fn derived(&self, expression: &Expression, selector: &MetricSelector) -> Result<Sample, Absence> {
        let asked = selector.options();
        if asked.over.is_some() {
            return Err(Absence::DerivedOver);
        }
        let value = expression.evaluate(|reference| {
            let matchers = reference.matchers.iter().chain(&asked.matchers).cloned().collect();
            let (fold, window) = (reference.fold.or(asked.fold), asked.window);
            let selector = selector.with(Options { fold, window, matchers, ..Options::default() });
            match self.own(&reference.metric, &selector) {
                Some(own) => own,
                None => self.value(&reference.metric, &selector),
            }
        });
        fold::scaled(value.map_err(|fault| Absence::Derived(Box::new(fault)))?, asked.scale)
    }

    /// What is written for the object itself.
    fn own(&self, metric: &MetricName, selector: &MetricSelector) -> Option<Result<Sample, Absence>> {
        let object = self.crowd.object.as_ref()?;
        let slot = self.store.0.slots.object(&object.object)?;
        let presence = Presence::Live(object.clone());
        let own = read_itself(slot, metric, Query { presence: &presence, selector, now: self.now });
        if own == Err(Absence::UnknownMetric) { None } else { Some(own) }
    }

    fn value(&self, metric: &MetricName, selector: &MetricSelector) -> Result<Sample, Absence> {
        let options = selector.options();
        let of_pods = selector.with(Options { fold: None, scale: None, ..options.clone() });
        let mut gathered = Gathered::new(options.fold);
        let mut coverage =
            Coverage { having: 0, expected: 0, young: 0, least: self.crowd.least, example: None };
        for member in &self.crowd.members {
            match self.piece(member, metric, &of_pods) {
                Ok(piece) => {
                    gathered.add(member.name(), piece)?;
                    coverage.having += 1;
                }
                // It is known to have nothing that counts.
                Err(Missing { why: why @ (Absence::NoSeries | Absence::NotANumber), .. }) => {
                    gathered.nothing = Some(why);
                    coverage.having += 1;
                }
                Err(_) if self.derived.get() => break,
                Err(missing) => self.note(member, missing, &mut coverage),
            }
        }
        self.covered(coverage)?;
        gathered.value(options)
    }

    fn piece(
        &self,
        member: &Member,
        metric: &MetricName,
        selector: &MetricSelector,
    ) -> Result<Piece, Missing> {
        let slot = self.store.0.slots.object(&member.live.object);
        let Some(slot) = slot else { return Err(Missing { why: Absence::UnknownMetric, interval: None }) };
        let presence = member.presence();
        if self.finds_derived && scraped::derived(&slot.scraped, metric, &presence).is_some() {
            self.derived.set(true);
            return Err(Missing { why: Absence::UnknownMetric, interval: None });
        }
        let query = Query { presence: &presence, selector, now: self.now };
        let interval = slot.scraped.iter().map(|target| target.interval()).max();
        let why = match parts(&slot, metric, query) {
            Ok(parts) => return Ok(Piece::Written(parts.into_iter().map(|(_, sample)| sample).collect())),
            Err(why) if interval.is_none() => return Err(Missing { why, interval }),
            Err(why) => why,
        };
        let targets = slot.scraped.clone();
        drop(slot);
        let scraped = scraped::contributed(&targets, metric.as_str(), query);
        let missing = |scraped| Missing { why: why.or(scraped), interval };
        scraped.map(|(contribution, rule)| Piece::Scraped(contribution, rule)).map_err(missing)
    }

    /// A pod has no value: whether it should.
    fn note(&self, member: &Member, missing: Missing, coverage: &mut Coverage) {
        let Missing { why, interval } = missing;
        let age = self.now.duration_since(member.since);
        if age < interval.unwrap_or(self.crowd.interval).saturating_mul(INTERVALS) {
            coverage.young += 1;
        } else if self.crowd.are_alike || why != Absence::UnknownMetric {
            coverage.expected += 1;
            coverage.example.get_or_insert_with(|| Lacking {
                pod: member.name().clone(),
                why,
                is_scraped: interval.is_some(),
            });
        }
    }

    fn covered(&self, mut coverage: Coverage) -> Result<(), Absence> {
        coverage.expected += coverage.having;
        let is_met = coverage.having > 0 && coverage.least.is_met_by(coverage.having, coverage.expected);
        let is_told = coverage.example.is_some() || (self.crowd.are_alike && coverage.young > 0);
        match is_met {
            true => Ok(()),
            false if is_told => Err(Absence::Coverage(Box::new(coverage))),
            false => Err(Absence::UnknownMetric),
        }
    }
}

impl Member {
    fn presence(&self) -> Presence {
        Presence::Live(self.live.clone())
    }

    fn name(&self) -> &Arc<str> {
        &self.live.object.name
    }
}

/// A pod that runs for so many scrape intervals should have its metrics.
const INTERVALS: i32 = 2;
