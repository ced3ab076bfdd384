//! Quantiles of classic histograms, by the rules of PromQL's `histogram_quantile()`.
//!
//! Histograms of different bounds are laid over one another: what lies within a bucket is taken as evenly spread, so that
//! each tells how many of its observations lie below the bounds of the others. (PromQL adds up what has the same bound, and
//! misses there what the others counted.)

use crate::store::Absence;

/// Histograms that are looked at together; those of the same bounds are added up.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::store) struct Histograms(Vec<Buckets>);

/// Cumulative buckets (upper bound, observations), by bound.
type Buckets = Vec<(f64, f64)>;

impl Histograms {
    /// Adds one, whose buckets are in any order. Buckets of equal bounds add up.
    pub(super) fn add(&mut self, mut buckets: Buckets) {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.dedup_by(|from, into| {
            let equal = from.0 == into.0;
            if equal {
                into.1 += from.1;
            }
            equal
        });
        self.lay(buckets);
    }

    /// Adds others.
    pub(super) fn merge(&mut self, others: Self) {
        others.0.into_iter().for_each(|buckets| self.lay(buckets));
    }

    fn lay(&mut self, buckets: Buckets) {
        let same = |known: &&mut Buckets| {
            known.len() == buckets.len() && known.iter().zip(&buckets).all(|(a, b)| a.0 == b.0)
        };
        match self.0.iter_mut().find(same) {
            Some(known) => known.iter_mut().zip(&buckets).for_each(|(known, more)| known.1 += more.1),
            None => self.0.push(buckets),
        }
    }

    /// The `q` quantile (0 to 1) of all observations; an absence without a `+Inf` bucket, with fewer than two, or without
    /// observations, where PromQL gives NaN.
    ///
    /// Counts that fall are forced up to monotone, and within a bucket observations are taken as evenly spread from the
    /// bound below (zero for the first).
    pub(super) fn quantile(mut self, q: f64) -> Result<f64, Absence> {
        self.0.iter_mut().for_each(|buckets| force_monotone(buckets));
        if self.0.is_empty() {
            return Err(Absence::NoInfBucket);
        }
        for buckets in &self.0 {
            let is_last_open = buckets.last().is_some_and(|last| last.0 == f64::INFINITY);
            match (is_last_open, buckets.len()) {
                (false, _) => return Err(Absence::NoInfBucket),
                (true, 1) => return Err(Absence::NoFiniteBucket),
                _ => {}
            }
        }
        match self.0.as_slice() {
            [only] => quantile(q, only),
            several => quantile(q, &laid_over(several)),
        }
    }
}

/// Of buckets that are whole, monotone and in order.
fn quantile(q: f64, buckets: &[(f64, f64)]) -> Result<f64, Absence> {
    let (last, finite) = buckets.split_last().ok_or(Absence::NoInfBucket)?;
    let (highest, _) = finite.last().ok_or(Absence::NoFiniteBucket)?;
    if last.1 <= 0.0 {
        return Err(Absence::NoObservations);
    }
    let rank = q * last.1;
    let at = finite.iter().position(|(_, count)| *count >= rank);
    Ok(at.map_or(*highest, |at| interpolate(finite, at, rank)))
}

/// One histogram that has the bounds of all.
fn laid_over(several: &[Buckets]) -> Buckets {
    let mut bounds: Vec<f64> = several.iter().flatten().map(|(bound, _)| *bound).collect();
    // A first bucket above zero begins there, which is within a bucket of those that reach below.
    if bounds.iter().any(|bound| *bound < 0.0) {
        bounds.push(0.0);
    }
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let below = |bound: f64| several.iter().map(|buckets| counted_below(buckets, bound)).sum();
    bounds.into_iter().map(|bound| (bound, below(bound))).collect()
}

/// How many observations of a histogram lie below a bound. Of those above its highest bound nobody knows where they lie:
/// above every other.
fn counted_below(buckets: &[(f64, f64)], bound: f64) -> f64 {
    let at = buckets.partition_point(|(upper, _)| *upper < bound);
    let (lower, counted) = match at.checked_sub(1).and_then(|at| buckets.get(at)) {
        Some(below) => *below,
        None => (0.0, 0.0),
    };
    match buckets.get(at) {
        Some((upper, count)) if *upper == bound => *count,
        Some((upper, count)) if upper.is_finite() && bound > lower && *upper > lower => {
            counted + (count - counted) * (bound - lower) / (upper - lower)
        }
        _ => counted,
    }
}

fn interpolate(buckets: &[(f64, f64)], at: usize, rank: f64) -> f64 {
    let Some(&(upper, count)) = buckets.get(at) else { return f64::NAN };
    let below = at.checked_sub(1).and_then(|at| buckets.get(at));
    if below.is_none() && upper <= 0.0 {
        return upper;
    }
    let (lower, counted) = below.copied().unwrap_or((0.0, 0.0));
    let inside = count - counted;
    if inside <= 0.0 { upper } else { lower + (upper - lower) * (rank - counted) / inside }
}

fn force_monotone(buckets: &mut [(f64, f64)]) {
    let mut highest = 0.0_f64;
    for (_, count) in buckets {
        highest = highest.max(*count);
        *count = highest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn quantile(q: f64, buckets: Buckets) -> Result<f64, Absence> {
        let mut one = Histograms::default();
        one.add(buckets);
        one.quantile(q)
    }

    fn bound(text: &Value) -> f64 {
        text.as_f64().unwrap_or(f64::INFINITY)
    }

    #[test]
    fn the_recorded_histograms_give_prometheus_quantiles() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/rates.json")).unwrap();
        for case in vectors["histogram_quantile"].as_array().unwrap() {
            let buckets = case["buckets"].as_array().unwrap().iter();
            let buckets: Vec<_> = buckets.map(|b| (bound(&b[0]), b[1].as_f64().unwrap())).collect();
            for (q, expected) in case["q"].as_object().unwrap() {
                let ours = quantile(q.parse().unwrap(), buckets.clone()).unwrap();
                assert!((ours - expected.as_f64().unwrap()).abs() < 1e-9, "{case} {q} {ours}");
            }
        }
    }

    #[test]
    fn without_observations_or_an_inf_bucket_there_is_none() {
        let idle = vec![(1.0, 0.0), (f64::INFINITY, 0.0)];
        assert_eq!(quantile(0.5, idle), Err(Absence::NoObservations));
        assert_eq!(quantile(0.5, vec![(1.0, 5.0), (2.0, 6.0)]), Err(Absence::NoInfBucket));
        assert_eq!(quantile(0.5, vec![(f64::INFINITY, 6.0)]), Err(Absence::NoFiniteBucket));
        assert_eq!(quantile(0.5, vec![]), Err(Absence::NoInfBucket));
    }

    #[test]
    fn a_first_bucket_below_zero_answers_its_bound() {
        assert_eq!(quantile(0.1, vec![(-1.0, 5.0), (f64::INFINITY, 6.0)]), Ok(-1.0));
    }

    /// The quantile by another way: the observations of each bucket are laid out one by one, and all are sorted.
    fn counted_out(q: f64, histograms: &[Buckets]) -> f64 {
        let mut all: Vec<f64> = histograms.iter().flat_map(laid_out).collect();
        all.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "observations are few")]
        let rank = (q * all.len() as f64).ceil() as usize;
        all[rank.clamp(1, all.len()) - 1]
    }

    /// A thousand values for each observation, evenly spread within its bucket.
    fn laid_out(buckets: &Buckets) -> Vec<f64> {
        let lower = std::iter::once((0.0, 0.0)).chain(buckets.iter().copied());
        let each = |((lower, counted), (upper, count)): ((f64, f64), &(f64, f64))| {
            let inside = ((count - counted) * 1000.0).round();
            let place = |n: u32| lower + (upper - lower) * (f64::from(n) + 0.5) / inside;
            (0..u32::MAX).take_while(|n| f64::from(*n) < inside).map(place).collect::<Vec<_>>()
        };
        lower.zip(buckets).flat_map(each).collect()
    }

    proptest! {
        #[test]
        fn histograms_of_different_bounds_have_the_quantile_of_all_their_observations(
            layouts in prop::collection::vec(prop::collection::vec((1_u32..50, 0_u32..9), 1..6), 1..10),
            q in 0.05_f64..0.95,
        ) {
            let histogram = |steps: &Vec<(u32, u32)>| {
                let mut bounds: Vec<u32> = steps.iter().map(|(bound, _)| *bound).collect();
                bounds.sort_unstable();
                bounds.dedup();
                let mut count = 0.0;
                let mut buckets: Buckets = bounds.iter().zip(steps).map(|(bound, (_, more))| {
                    count += f64::from(*more);
                    (f64::from(*bound), count)
                }).collect();
                buckets.push((f64::INFINITY, count));
                buckets
            };
            let histograms: Vec<Buckets> = layouts.iter().map(histogram).collect();
            let mut together = Histograms::default();
            histograms.iter().for_each(|one| together.add(one.iter().rev().copied().collect()));
            let total: f64 = histograms.iter().filter_map(|one| Some(one.last()?.1)).sum();
            prop_assume!(total > 0.0);
            let ours = together.quantile(q).unwrap();
            // At a rank between two buckets every value of the gap would do.
            let (low, high) = (counted_out(q - 0.002, &histograms), counted_out(q + 0.002, &histograms));
            prop_assert!((low - 0.1..=high + 0.1).contains(&ours), "{ours} not within {low} to {high}");
        }
    }

    #[test]
    fn a_slow_pod_among_fast_ones_shows_in_the_99th_percentile_by_its_share() {
        let mut together = Histograms::default();
        for _ in 0..9 {
            together.add(vec![(0.1, 100.0), (1.0, 100.0), (f64::INFINITY, 100.0)]);
        }
        together.add(vec![(0.5, 0.0), (2.0, 100.0), (f64::INFINITY, 100.0)]);
        // 990 of 1000 observations lie below: 90 of the slow pod's 100, which are spread from 0.5 to 2.
        let p99 = together.quantile(0.99).unwrap();
        assert!((p99 - 1.85).abs() < 1e-9, "{p99}");
    }
}
