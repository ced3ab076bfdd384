//! How several numbers become one.

/// How several series of one name become one number. Rates are taken first, so a restart of one of them does not hide in
/// the sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Fold {
    /// Added up.
    #[default]
    Sum,
    /// Their mean.
    Average,
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

/// How the values that a gauge had within a window become one number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Over {
    /// Their mean.
    Average,
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

impl Fold {
    /// The fold of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sum" => Some(Self::Sum),
            _ => Over::named(name).map(Self::from),
        }
    }
}

impl Over {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "avg" => Some(Self::Average),
            "max" => Some(Self::Max),
            "min" => Some(Self::Min),
            _ => None,
        }
    }
}

impl From<Over> for Fold {
    fn from(over: Over) -> Self {
        match over {
            Over::Average => Self::Average,
            Over::Max => Self::Max,
            Over::Min => Self::Min,
        }
    }
}
