//! Several label sets of one metric become the one value that an HPA can use.

use crate::model::{Quantity, Sample};

use super::Absence;

/// The sum, dated by its oldest part: the HPA asks for one number an object, and of label sets that it did not
/// select between (`method=GET`, `method=POST`) the whole is their sum.
pub(super) fn sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Result<Sample, Absence> {
    let samples: Vec<&Sample> = samples.into_iter().collect();
    // The range is that of the sum: parts that pass it on the way cancel out in whatever order they come.
    let value = Quantity::checked_sum(samples.iter().map(|sample| sample.value));
    let value = value.map_err(|_| Absence::OutOfRange)?.ok_or(Absence::NoSeries)?;
    let oldest = samples.iter().map(|sample| sample.timestamp).min().ok_or(Absence::NoSeries)?;
    let window_seconds = samples.iter().map(|sample| sample.window_seconds).max().flatten();
    Ok(Sample { value, timestamp: oldest, window_seconds })
}
