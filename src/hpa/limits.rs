//! From the replicas that the metrics ask for to the replicas that are set: bounds, rates and stabilisation windows.

use super::spec::{Behavior, PolicyKind, Rules, Select};

/// What a number of replicas is held within.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// `spec.minReplicas`, 1 if it is not set.
    pub min: i32,
    /// `spec.maxReplicas`.
    pub max: i32,
    /// The replicas that the scale target is set to now.
    pub current: i32,
}

/// What the controller remembers of an HPA. It is nowhere in the cluster: unknown history is empty history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// What was recommended earlier.
    pub recommendations: Vec<Recommendation>,
    /// Steps up.
    pub ups: Vec<ScaleEvent>,
    /// Steps down.
    pub downs: Vec<ScaleEvent>,
}

/// What the metrics asked for at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recommendation {
    /// How many seconds ago.
    pub age: u32,
    /// How many replicas.
    pub replicas: i32,
}

/// A step of the scale target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScaleEvent {
    /// How many seconds ago.
    pub age: u32,
    /// By how many replicas.
    pub change: i32,
}

/// A number of replicas within the limits, and what held it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The number that is set.
    pub replicas: i32,
    /// The number after the stabilisation window, before the other limits.
    pub stabilized: i32,
    /// Which limit held it, if one did.
    pub limit: Limit,
}

/// What holds a number of replicas; the names are the reasons of the condition `ScalingLimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Limit {
    /// Nothing.
    DesiredWithinRange,
    /// `minReplicas`.
    TooFewReplicas,
    /// `maxReplicas`.
    TooManyReplicas,
    /// The policies for more replicas.
    ScaleUpLimit,
    /// The policies for fewer replicas.
    ScaleDownLimit,
}

/// Without `spec.behavior`: the controller's own window for fewer replicas, and at most twice as many replicas (4 at
/// least) at a time.
pub(super) fn plain(bounds: Bounds, wanted: i32, history: &History, down_window: u32) -> Held {
    let recent = history.recommendations.iter().filter(|recommendation| recommendation.age < down_window);
    let stabilized = recent.fold(wanted, |most, recommendation| most.max(recommendation.replicas));
    let rate = bounds.current.saturating_mul(2).max(4);
    let (most, limit) = match bounds.max > rate {
        true => (rate, Limit::ScaleUpLimit),
        false => (bounds.max, Limit::TooManyReplicas),
    };
    let (replicas, limit) = match stabilized {
        few if few < bounds.min => (bounds.min, Limit::TooFewReplicas),
        many if many > most => (most, limit),
        within => (within, Limit::DesiredWithinRange),
    };
    Held { replicas, stabilized, limit }
}

/// With `spec.behavior`.
pub(super) fn shaped(
    bounds: Bounds,
    wanted: i32,
    (behavior, history): (&Behavior, &History),
    down_window: u32,
) -> Held {
    let stabilized = stabilized(bounds.current, wanted, (behavior, history), down_window);
    let (most, limit) = most(bounds, &behavior.scale_up, history);
    let (fewest, few_limit) = fewest(bounds, &behavior.scale_down, history);
    let (replicas, limit) = match stabilized {
        many if many > bounds.current && many > most => (most, limit),
        few if few < bounds.current && few < fewest => (fewest, few_limit),
        within => (within, Limit::DesiredWithinRange),
    };
    Held { replicas, stabilized, limit }
}

/// The current number, moved up to the least and down to the most that was recommended within the windows.
fn stabilized(
    current: i32,
    wanted: i32,
    (behavior, history): (&Behavior, &History),
    down_window: u32,
) -> i32 {
    let within = |window: u32| history.recommendations.iter().filter(move |one| one.age < window);
    let up = within(behavior.scale_up.window.unwrap_or(0)).fold(wanted, |least, one| least.min(one.replicas));
    let down = behavior.scale_down.window.unwrap_or(down_window);
    let down = within(down).fold(wanted, |most, one| most.max(one.replicas));
    current.max(up).min(down)
}

fn most(bounds: Bounds, rules: &Rules, history: &History) -> (i32, Limit) {
    let rate = up_limit(bounds.current, rules, history).max(bounds.current);
    match bounds.max > rate {
        true => (rate, Limit::ScaleUpLimit),
        false => (bounds.max, Limit::TooManyReplicas),
    }
}

fn fewest(bounds: Bounds, rules: &Rules, history: &History) -> (i32, Limit) {
    let rate = down_limit(bounds.current, rules, history).min(bounds.current);
    match bounds.min < rate {
        true => (rate, Limit::ScaleDownLimit),
        false => (bounds.min, Limit::TooFewReplicas),
    }
}

fn up_limit(current: i32, rules: &Rules, history: &History) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start(current, policy.period, history);
        match policy.kind {
            PolicyKind::Pods => start.saturating_add(policy.value),
            PolicyKind::Percent => {
                to_i32((f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil())
            }
        }
    });
    match rules.select {
        Select::Disabled => current,
        Select::Min => proposals.min().unwrap_or(i32::MAX),
        Select::Max => proposals.max().unwrap_or(i32::MIN),
    }
}

fn down_limit(current: i32, rules: &Rules, history: &History) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start(current, policy.period, history);
        match policy.kind {
            PolicyKind::Pods => start.saturating_sub(policy.value),
            PolicyKind::Percent => to_i32(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)),
        }
    });
    match rules.select {
        Select::Disabled => current,
        // For fewer replicas the smallest change is the largest number.
        Select::Min => proposals.max().unwrap_or(i32::MIN),
        Select::Max => proposals.min().unwrap_or(i32::MAX),
    }
}

/// How many replicas there were when a policy's period began.
fn start(current: i32, period: u32, history: &History) -> i32 {
    let changed = |events: &[ScaleEvent]| -> i32 {
        events.iter().filter(|event| event.age < period).map(|event| event.change).sum()
    };
    current - changed(&history.ups) + changed(&history.downs)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, far beyond what a policy gives")]
fn to_i32(value: f64) -> i32 {
    value as i32
}
