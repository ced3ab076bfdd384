//! What targets contribute to a value, and how it becomes one number.

use super::quantile::Histograms;
use crate::{
    model::{Fold, Options, Quantity},
    store::Absence,
};

/// A value, and what it was computed over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::store) struct Derived {
    pub(in crate::store) value: f64,
    /// Milliseconds; 0 for what is not computed over time.
    pub(in crate::store) window: i64,
    /// The oldest moment that a part of it tells of.
    pub(in crate::store) at: i64,
}

/// What one target contributes to a value.
#[derive(Debug)]
pub(in crate::store) struct Contribution {
    pub(in crate::store) parts: Parts,
    pub(in crate::store) window: i64,
    pub(in crate::store) at: i64,
}

#[derive(Debug)]
pub(in crate::store) enum Parts {
    /// Values that are folded; of quantiles the highest counts.
    Values {
        values: Vec<f64>,
        kind: ValueKind,
    },
    Buckets {
        q: f64,
        buckets: Histograms,
    },
    Ratio {
        sum: f64,
        count: f64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum ValueKind {
    Gauge,
    Rate,
    Quantile,
}

impl Contribution {
    /// Adds another target's; an error if the two do not mean the same.
    pub(in crate::store) fn merge(&mut self, other: Self) -> Result<(), ()> {
        self.window = self.window.max(other.window);
        self.at = self.at.min(other.at);
        match (&mut self.parts, other.parts) {
            (Parts::Values { values, kind }, Parts::Values { values: more, kind: other })
                if *kind == other =>
            {
                values.extend(more);
            }
            (Parts::Buckets { buckets, .. }, Parts::Buckets { buckets: more, .. }) => buckets.merge(more),
            (Parts::Ratio { sum, count }, Parts::Ratio { sum: more_sum, count: more_count }) => {
                *sum += more_sum;
                *count += more_count;
            }
            _ => return Err(()),
        }
        Ok(())
    }

    /// The folded value: as the asker says, else by the rule of the target; times what the asker says.
    pub(in crate::store) fn fold(self, options: &Options, rule: Fold) -> Result<Derived, Absence> {
        let fold = options.fold.unwrap_or(rule);
        let is_one = match self.parts {
            Parts::Values { kind, .. } => kind == ValueKind::Quantile && fold != Fold::Max,
            Parts::Buckets { .. } | Parts::Ratio { .. } => true,
        };
        if options.fold.is_some() && is_one {
            return Err(Absence::NotFolded);
        }
        let value = match self.parts {
            Parts::Values { values, kind: ValueKind::Quantile } => Fold::Max.of(&values),
            Parts::Values { values, .. } => fold.of(&values),
            Parts::Buckets { q, buckets } => buckets.quantile(q),
            Parts::Ratio { count, .. } if count <= 0.0 => Err(Absence::NoObservations),
            Parts::Ratio { sum, count } => Ok(sum / count),
        }?;
        let scale = options.scale.map_or(1.0, Quantity::to_f64);
        Ok(Derived { value: value * scale, window: self.window, at: self.at })
    }
}
