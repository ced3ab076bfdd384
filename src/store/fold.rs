//! Several label sets of one metric become the one value that an HPA can use.

use crate::model::{Quantity, Sample};

use super::Absence;

/// The sum, dated by its oldest part: the HPA asks for one number an object, and of label sets that it did not
/// select between (`method=GET`, `method=POST`) the whole is their sum.
pub(super) fn sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Result<Sample, Absence> {
    let mut samples = samples.into_iter();
    let mut folded = samples.next().ok_or(Absence::NoSeries)?.clone();
    for sample in samples {
        folded.value = add(folded.value, sample.value)?;
        folded.timestamp = folded.timestamp.min(sample.timestamp);
        folded.window_seconds = folded.window_seconds.max(sample.window_seconds);
    }
    Ok(folded)
}

fn add(a: Quantity, b: Quantity) -> Result<Quantity, Absence> {
    a.checked_add(b).ok_or(Absence::OutOfRange)
}
