//! Several label sets of one metric become the one value that an HPA can use.

use std::borrow::Borrow;

use crate::model::{Fold, Quantity, Sample};

use super::Absence;

/// The one value, dated by its oldest part: the HPA asks for one number an object, and of label sets that it did not
/// select between (`method=GET`, `method=POST`) the whole is their sum, unless it says otherwise.
pub(super) fn fold<T: Borrow<Sample>>(
    fold: Fold,
    samples: impl IntoIterator<Item = T>,
) -> Result<Sample, Absence> {
    let samples: Vec<T> = samples.into_iter().collect();
    let samples = || samples.iter().map(Borrow::borrow);
    let values = samples().map(|sample| sample.value);
    // The range is that of the sum: parts that pass it on the way cancel out in whatever order they come.
    let value = match fold {
        Fold::Sum => Quantity::checked_sum(values),
        Fold::Average => Quantity::mean(values),
        Fold::Max => Ok(values.max()),
        Fold::Min => Ok(values.min()),
    };
    let value = value.map_err(|_| Absence::OutOfRange)?.ok_or(Absence::NoSeries)?;
    let oldest = samples().map(|sample| sample.timestamp).min().ok_or(Absence::NoSeries)?;
    let window_seconds = samples().map(|sample| sample.window_seconds).max().flatten();
    Ok(Sample { value, timestamp: oldest, window_seconds })
}

/// A sample times what the HPA asks for.
pub(super) fn scaled(mut sample: Sample, scale: Option<Quantity>) -> Result<Sample, Absence> {
    if let Some(scale) = scale {
        sample.value = sample.value.scaled(scale).ok_or(Absence::OutOfRange)?;
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn sample(milli: i64) -> Sample {
        let value = Quantity::parse(&format!("{milli}m")).unwrap();
        Sample { value, timestamp: Timestamp::UNIX_EPOCH, window_seconds: None }
    }

    proptest! {
        #[test]
        fn a_fold_is_what_it_is_called(values in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..50)) {
            let of = |how| fold(how, values.iter().map(|milli| sample(*milli))).unwrap().value;
            let milli = |milli: i64| sample(milli).value;
            let sum: i64 = values.iter().sum();
            prop_assert_eq!(of(Fold::Sum), milli(sum));
            prop_assert_eq!(of(Fold::Max), milli(*values.iter().max().unwrap()));
            prop_assert_eq!(of(Fold::Min), milli(*values.iter().min().unwrap()));
            let mean = of(Fold::Average);
            prop_assert!((mean.to_f64() - sum as f64 / 1000.0 / values.len() as f64).abs() < 2e-9, "{}", mean);
            prop_assert!((of(Fold::Min)..=of(Fold::Max)).contains(&mean));
        }

        #[test]
        fn a_scale_multiplies_and_its_inverse_takes_it_back(milli in -1_000_000_000_i64..1_000_000_000, power in 0_u32..6) {
            let factor = |text: String| Some(Quantity::parse(&text).unwrap());
            let up = scaled(sample(milli), factor(format!("1e{power}"))).unwrap();
            prop_assert_eq!(up.value.milli(), milli * 10_i64.pow(power));
            prop_assert_eq!(scaled(up, factor(format!("1e-{power}"))).unwrap().value, sample(milli).value);
        }
    }

    #[test]
    fn nothing_folds_to_nothing_and_a_scale_beyond_the_range_is_absent() {
        for how in [Fold::Sum, Fold::Average, Fold::Max, Fold::Min] {
            assert_eq!(fold(how, Vec::<Sample>::new()), Err(Absence::NoSeries));
        }
        let most = Sample { value: Quantity::from_i64(Quantity::MAX).unwrap(), ..sample(0) };
        assert_eq!(scaled(most, Quantity::from_i64(2).ok()), Err(Absence::OutOfRange));
    }
}
