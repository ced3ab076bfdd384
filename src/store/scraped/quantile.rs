//! Quantiles of classic histograms, by the rules of PromQL's `histogram_quantile()`.

use crate::store::Absence;

/// The `q` quantile (0 to 1) of cumulative `buckets` (upper bound, observations); an absence without a `+Inf` bucket,
/// with fewer than two, or without observations, where PromQL gives NaN.
///
/// Buckets of equal bounds add up, counts that fall are forced up to monotone, and within a bucket observations are
/// taken as evenly spread from the bound below (zero for the first).
pub(super) fn quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> Result<f64, Absence> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|from, into| {
        let equal = from.0 == into.0;
        if equal {
            into.1 += from.1;
        }
        equal
    });
    force_monotone(&mut buckets);
    let Some((last, finite)) = buckets.split_last().filter(|(last, _)| last.0 == f64::INFINITY) else {
        return Err(Absence::NoInfBucket);
    };
    let (highest, _) = finite.last().ok_or(Absence::NoFiniteBucket)?;
    if last.1 <= 0.0 {
        return Err(Absence::NoObservations);
    }
    let rank = q * last.1;
    let at = finite.iter().position(|(_, count)| *count >= rank);
    Ok(at.map_or(*highest, |at| interpolate(finite, at, rank)))
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
    use serde_json::Value;

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
}
