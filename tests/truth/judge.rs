//! Whether an answer is right.

use crate::counter::Counted;

/// An answer, in seconds of the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) value: f64,
    pub(crate) at: f64,
    pub(crate) window: f64,
}

/// How far off an answer may be, as a part of the truth.
pub(crate) const TENTH: f64 = 0.1;

/// What a quantity may be off by its own resolution.
const RESOLUTION: f64 = 0.001;

/// Whether the answer is within a tenth of what was counted a second in the window that it states. A window is stated
/// in whole seconds, so the true one begins up to half a second earlier or later; `noise` is what a faulty counter
/// showed too little by.
pub(crate) fn agrees(answer: Answer, noise: f64, counted: impl Fn(f64, f64) -> Counted) -> bool {
    begins(answer).any(|from| {
        let counted = counted(from, answer.at);
        let (span, slack) = (answer.at - from, noise + RESOLUTION * (answer.at - from));
        let increase = answer.value * span;
        increase >= counted.seen * (1.0 - TENTH) - slack && increase <= counted.all * (1.0 + TENTH) + slack
    })
}

/// When the window may have begun.
pub(crate) fn begins(answer: Answer) -> impl Iterator<Item = f64> {
    (-200..=200).map(move |part| answer.at - answer.window + f64::from(part) * 0.0025)
}
