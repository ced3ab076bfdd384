//! The values that one written series had within a window, in a bounded number of buckets: however often it is written,
//! its mean, highest and lowest are those of all of its values.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Over, Quantity};

/// Past values of one series without the newest one. Empty unless somebody asks for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    past: Option<Past>,
    /// When there was last no room for them.
    refused: Option<Timestamp>,
}

/// Buckets, oldest first, and the place that they take.
#[derive(Clone, Debug)]
struct Past {
    buckets: Vec<Bucket>,
    _place: Arc<Place>,
}

/// How many series have a past.
#[derive(Debug, Default)]
pub(super) struct Places(Arc<AtomicUsize>);

#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Places {
    fn take(&self) -> Option<Arc<Place>> {
        let more = |taken: usize| (taken < MOST_PASTS).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Arc::new(Place(self.0.clone())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Values of neighbouring moments.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: Timestamp,
    last: Timestamp,
    count: i64,
    mean: Quantity,
    max: Quantity,
    min: Quantity,
}

impl Recent {
    /// Adds what was the newest value till now, and forgets what is a window older.
    pub(super) fn push(
        &mut self,
        (at, value): (Timestamp, Quantity),
        window: SignedDuration,
        (places, now): (&Places, Timestamp),
    ) {
        if self.past.is_none() {
            self.past = places.take().map(|place| Past { buckets: Vec::new(), _place: place });
        }
        let Some(Past { buckets, .. }) = &mut self.past else { return self.refused = Some(now) };
        let edge = at.checked_sub(window).unwrap_or(Timestamp::MIN);
        buckets.retain(|bucket| bucket.last >= edge && bucket.last <= at);
        let width = window / BUCKETS;
        match buckets.last_mut().filter(|bucket| at.duration_since(bucket.first) < width) {
            Some(bucket) => bucket.add(at, value),
            None => {
                buckets.push(Bucket { first: at, last: at, count: 1, mean: value, max: value, min: value });
            }
        }
    }

    /// Whether all of the window is known, as far as there was room.
    pub(super) fn is_whole(&self, window: SignedDuration, now: Timestamp) -> bool {
        self.refused.is_none_or(|refused| now.duration_since(refused) > window)
    }

    /// The one number over the window that ends with the newest value, and since when.
    pub(super) fn over(
        &self,
        over: Over,
        (at, newest): (Timestamp, Quantity),
        window: SignedDuration,
    ) -> (Quantity, Timestamp) {
        let edge = at.checked_sub(window).unwrap_or(Timestamp::MIN);
        let buckets = self.past.as_ref().map_or(&[][..], |past| &past.buckets);
        let within = || buckets.iter().filter(|bucket| bucket.last >= edge);
        let value = match over {
            Over::Max => within().map(|bucket| bucket.max).fold(newest, Ord::max),
            Over::Min => within().map(|bucket| bucket.min).fold(newest, Ord::min),
            Over::Average => {
                let mut all =
                    Bucket { first: at, last: at, count: 1, mean: newest, max: newest, min: newest };
                within().for_each(|bucket| all.join(bucket));
                all.mean
            }
        };
        (value, within().map(|bucket| bucket.first.max(edge)).min().unwrap_or(at))
    }
}

impl Bucket {
    fn add(&mut self, at: Timestamp, value: Quantity) {
        self.join(&Self { first: at, last: at, count: 1, mean: value, max: value, min: value });
    }

    fn join(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        (self.max, self.min) = (self.max.max(other.max), self.min.min(other.min));
        self.mean = self.mean.mean_with(self.count, other.mean, other.count);
        self.count = self.count.saturating_add(other.count);
    }
}

/// How many buckets a window has.
const BUCKETS: i32 = 30;

/// How many series of all subjects may have a past: one takes up to 4.5 KiB.
pub(super) const MOST_PASTS: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::constant(1_795_000_000, 0);
    const WINDOW: SignedDuration = SignedDuration::from_secs(120);

    proptest! {
        #[test]
        fn the_highest_and_lowest_are_exact_and_the_mean_is_within_a_billionth_for_each_value(
            steps in proptest::collection::vec((0_i64..20_000, -1000_i64..1000), 1..300),
        ) {
            let (mut recent, mut at, mut all) = (Recent::default(), START, Vec::new());
            let places = Places::default();
            for (millis, value) in steps {
                if let Some((at, value)) = all.last() {
                    recent.push((*at, Quantity::from_i64(*value).unwrap()), WINDOW, (&places, *at));
                }
                at += SignedDuration::from_millis(millis);
                all.push((at, value));
            }
            prop_assert!(recent.past.as_ref().is_none_or(|past| past.buckets.len() <= 32));
            let newest = all.last().map(|(at, value)| (*at, Quantity::from_i64(*value).unwrap())).unwrap();
            let (max, since) = recent.over(Over::Max, newest, WINDOW);
            let (min, _) = recent.over(Over::Min, newest, WINDOW);
            let (mean, _) = recent.over(Over::Average, newest, WINDOW);
            // A bucket counts whole: what is left of the oldest one reaches out by at most its width.
            let since_a_width = at - WINDOW - SignedDuration::from_secs(4);
            let of = |from: Timestamp| all.iter().filter(move |(at, _)| *at >= from).map(|(_, value)| *value);
            prop_assert!(since >= at - WINDOW);
            prop_assert!(max.to_f64() >= of(at - WINDOW).max().unwrap() as f64);
            prop_assert!(max.to_f64() <= of(since_a_width).max().unwrap() as f64);
            prop_assert!(min.to_f64() <= of(at - WINDOW).min().unwrap() as f64);
            prop_assert!(min.to_f64() >= of(since_a_width).min().unwrap() as f64);
            let candidates = all.iter().map(|(at, _)| *at).filter(|from| (since_a_width..=at - WINDOW).contains(from));
            let close = |from: Timestamp| {
                let values: Vec<i64> = of(from).collect();
                let truth = values.iter().sum::<i64>() as f64 / values.len() as f64;
                (mean.to_f64() - truth).abs() < 1e-6
            };
            prop_assert!(candidates.chain([at - WINDOW]).any(close));
        }
    }

    #[test]
    fn where_there_is_no_room_for_a_past_it_is_not_whole_until_a_window_later() {
        let (places, value) = (Places::default(), (START, Quantity::ZERO));
        let mut recents: Vec<Recent> = (0..MOST_PASTS).map(|_| Recent::default()).collect();
        recents.iter_mut().for_each(|recent| recent.push(value, WINDOW, (&places, START)));
        let mut another = Recent::default();
        another.push(value, WINDOW, (&places, START));
        assert!(!another.is_whole(WINDOW, START + WINDOW));
        recents.pop();
        another.push(value, WINDOW, (&places, START));
        assert!(another.past.is_some() && !another.is_whole(WINDOW, START + WINDOW));
        assert!(another.is_whole(WINDOW, START + WINDOW + SignedDuration::from_secs(1)));
    }
}
