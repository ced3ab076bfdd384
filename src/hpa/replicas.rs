//! From the value of one metric to a number of replicas: the replica calculator of the HPA controller.
//!
//! All values are thousandths in an `i64`, as the controller calculates. Its arithmetic is kept to the last bit, its
//! overflows too: a proposal beyond 32 bits becomes the smallest number, as on amd64.

use std::sync::Arc;

use super::Tolerances;

/// What the controller knows of a selected pod for one metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodReading {
    /// The pod's name.
    pub name: Arc<str>,
    /// Whether the controller looks at the pod at all.
    pub counting: Counting,
    /// The pod's value in thousandths; `None` if the metrics API has none.
    pub value: Option<i64>,
    /// A CPU value that is not used yet: the pod is starting, or was never ready. Never set for other metrics.
    pub initializing: bool,
}

/// Whether the controller looks at a pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counting {
    /// Terminating or failed: left out altogether.
    Ignored,
    /// Not running yet: its value is left out, and it counts as 0 when the others ask for more replicas.
    Pending,
    /// Its value counts.
    Counted,
}

/// Selected pods that are running and ready: what a target of the whole value is multiplied with. `None` if the
/// selector selects no pod, which the controller takes for an error.
pub type Ready = Option<u32>;

/// How many replicas one metric asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    /// The number.
    pub replicas: i32,
    /// The value that the HPA's status shows, in thousandths: for a target per pod the average.
    pub usage: i64,
    /// The value over the target, with what the controller assumes of pods without a value.
    pub ratio: f64,
    /// Why it is this number.
    pub verdict: Verdict,
}

/// Why a metric asks for its number of replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The ratio is within the tolerance: as many as now.
    WithinTolerance,
    /// As many as the ratio says.
    Ratio,
    /// Pods without a value were assumed to be at the target, or at 0, and that would turn the direction: as many as now.
    AssumptionsTurnIt,
}

/// Why a metric asks for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoProposal {
    /// The selector of the scale target selects no pod.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// No pod that counts has a value.
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoValues,
}

/// A value for each pod, against a target for each pod: metrics of type `Pods`, and CPU and memory with `averageValue`.
///
/// # Errors
/// When there is nothing to average.
pub fn of_pods(
    pods: &[PodReading],
    target: i64,
    current: i32,
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    if pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    let groups = Groups::of(pods);
    let (ratio, usage) = groups.usage(target, Assumed::default()).ok_or(NoProposal::NoValues)?;
    let rescaled = |replicas, verdict, ratio| Proposal { replicas, usage, ratio, verdict };
    let up_with_pending = groups.pending > 0 && ratio > 1.0;
    if !up_with_pending && groups.missing == 0 {
        return Ok(match tolerances.cover(ratio) {
            true => rescaled(current, Verdict::WithinTolerance, ratio),
            false => rescaled(ceil(ratio * groups.ready as f64), Verdict::Ratio, ratio),
        });
    }
    let assumed = Assumed::of(&groups, ratio, up_with_pending);
    let Some((new, _)) = groups.usage(target, assumed) else { return Err(NoProposal::NoValues) };
    if tolerances.cover(new) {
        return Ok(rescaled(current, Verdict::WithinTolerance, new));
    }
    let replicas = ceil(new * (groups.ready + assumed.at_target + assumed.at_zero) as f64);
    let turned = (ratio < 1.0 && new > 1.0) || (ratio > 1.0 && new < 1.0);
    let turned = turned || (new < 1.0 && replicas > current) || (new > 1.0 && replicas < current);
    Ok(match turned {
        true => rescaled(current, Verdict::AssumptionsTurnIt, new),
        false => rescaled(replicas, Verdict::Ratio, new),
    })
}

/// One value against one target (`value`): metrics of type `Object` and `External`. An external metric's label sets are
/// summed by the caller, see [`sum`].
///
/// # Errors
/// When replicas are to be computed and the selector selects no pod.
pub fn of_total(
    usage: i64,
    target: i64,
    (current, ready): (i32, Ready),
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    let ratio = usage as f64 / target as f64;
    let proposal = |replicas, verdict| Proposal { replicas, usage, ratio, verdict };
    if current == 0 {
        return Ok(proposal(ceil(ratio), Verdict::Ratio));
    }
    if tolerances.cover(ratio) {
        return Ok(proposal(current, Verdict::WithinTolerance));
    }
    let ready = ready.ok_or(NoProposal::NoPods)?;
    Ok(proposal(ceil_saturating(ratio * f64::from(ready)), Verdict::Ratio))
}

/// One value shared by all replicas (`averageValue`): metrics of type `Object` and `External`. `replicas` is the number
/// that the scale's status has. External metrics stop at the largest number where objects' wrap around.
#[must_use]
pub fn of_object_average(
    usage: i64,
    target: i64,
    replicas: i32,
    (tolerances, external): (Tolerances, bool),
) -> Proposal {
    let ratio = usage as f64 / (target as f64 * f64::from(replicas));
    let wanted = usage as f64 / target as f64;
    let (replicas_wanted, verdict) = match tolerances.cover(ratio) {
        true => (replicas, Verdict::WithinTolerance),
        false if external => (ceil_saturating(wanted), Verdict::Ratio),
        false => (ceil(wanted), Verdict::Ratio),
    };
    let average = (usage as f64 / f64::from(replicas)).ceil();
    let full = external && usage as f64 >= i64::MAX as f64;
    let usage = if full { i64::MAX } else { to_i64(average) };
    Proposal { replicas: replicas_wanted, usage, ratio, verdict }
}

/// The sum of an external metric's label sets for a target of the whole; beyond 64 bits it stops at the largest number.
#[must_use]
pub fn sum(values: impl IntoIterator<Item = i64>) -> i64 {
    values.into_iter().fold(0, i64::saturating_add)
}

/// The sum of an external metric's label sets for a target per replica. The controller takes a sum below 0 for one
/// that has wrapped around, and goes on with the largest number.
#[must_use]
pub fn sum_for_average(values: impl IntoIterator<Item = i64>) -> i64 {
    let mut sum = 0_i64;
    for value in values {
        sum = sum.wrapping_add(value);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

/// Pods by how the controller treats them.
#[derive(Default)]
struct Groups {
    ready: i64,
    /// Of the ready ones.
    total: i64,
    pending: i64,
    missing: i64,
}

/// How many pods are counted with a value that nobody measured.
#[derive(Clone, Copy, Default)]
struct Assumed {
    at_target: i64,
    at_zero: i64,
}

impl Groups {
    fn of(pods: &[PodReading]) -> Self {
        let mut groups = Self::default();
        for pod in pods {
            match (pod.counting, pod.value) {
                (Counting::Ignored, _) => {}
                (Counting::Pending, _) => groups.pending += 1,
                (Counting::Counted, None) => groups.missing += 1,
                (Counting::Counted, Some(_)) if pod.initializing => groups.pending += 1,
                (Counting::Counted, Some(value)) => {
                    groups.ready += 1;
                    groups.total = groups.total.wrapping_add(value);
                }
            }
        }
        groups
    }

    /// The ratio and the average; `None` when there is no value at all.
    fn usage(&self, target: i64, assumed: Assumed) -> Option<(f64, i64)> {
        let total = self.total.wrapping_add(target.wrapping_mul(assumed.at_target));
        let average = total.checked_div(self.ready + assumed.at_target + assumed.at_zero)?;
        (self.ready > 0).then_some((average as f64 / target as f64, average))
    }
}

impl Assumed {
    /// Pods without a value are at the target when the others ask for less, and at 0 when they ask for more.
    fn of(groups: &Groups, ratio: f64, up_with_pending: bool) -> Self {
        let at_target = if ratio < 1.0 { groups.missing } else { 0 };
        let missing_at_zero = if ratio > 1.0 { groups.missing } else { 0 };
        let pending_at_zero = if up_with_pending { groups.pending } else { 0 };
        Self { at_target, at_zero: missing_at_zero + pending_at_zero }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "within 32 bits; beyond them the controller has the smallest"
)]
fn ceil(replicas: f64) -> i32 {
    let replicas = replicas.ceil();
    let fits = replicas >= f64::from(i32::MIN) && replicas <= f64::from(i32::MAX);
    if fits { replicas as i32 } else { i32::MIN }
}

fn ceil_saturating(replicas: f64) -> i32 {
    if replicas > f64::from(i32::MAX) { i32::MAX } else { ceil(replicas) }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "within 64 bits; beyond them the controller has the smallest"
)]
fn to_i64(value: f64) -> i64 {
    let fits = value >= i64::MIN as f64 && value < i64::MAX as f64;
    if fits { value as i64 } else { i64::MIN }
}
