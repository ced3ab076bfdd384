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
    let slack = noise / (answer.window - 0.5).max(0.5) + RESOLUTION;
    let is_within = |(least, most): (f64, f64)| {
        answer.value >= least * (1.0 - TENTH) - slack && answer.value <= most * (1.0 + TENTH) + slack
    };
    let plain = counted(answer.at - answer.window, answer.at);
    is_within((plain.seen / answer.window, plain.all / answer.window)) || is_within(truth(answer, counted))
}

/// What was counted a second in the window that an answer states, at the least and at the most: every rate in between
/// is that of some moment at which the window may have begun.
pub(crate) fn truth(answer: Answer, counted: impl Fn(f64, f64) -> Counted) -> (f64, f64) {
    begins(answer).fold((f64::INFINITY, 0.0), |(least, most), from| {
        let (counted, span) = (counted(from, answer.at), answer.at - from);
        (f64::min(least, counted.seen / span), f64::max(most, counted.all / span))
    })
}

/// When the window may have begun, the likeliest moment first.
pub(crate) fn begins(answer: Answer) -> impl Iterator<Item = f64> {
    let steps = (0..=10).flat_map(|step| [step, -step]);
    steps.map(move |step| answer.at - answer.window + f64::from(step) * 0.05)
}
