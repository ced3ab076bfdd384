//! Labels whose values are closed sets: enums, not text.

/// One label: an enum, with every value that it can have.
pub(super) trait Label: Copy + Send + Sync + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Its values, in the order of [`Label::index`].
    const VALUES: &'static [&'static str];

    /// The place of this value.
    fn index(self) -> usize;
}

/// The labels of a metric: none, one, two or three.
pub(super) trait Labels: Copy + Send + Sync + 'static {
    /// How many combinations there are.
    const COUNT: usize;

    /// The place among them.
    fn index(self) -> usize;

    /// Names and values.
    fn described() -> Vec<LabelValues>;
}

/// A label with the values that it can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LabelValues {
    /// Its name.
    pub name: &'static str,
    /// Its values; none if they are names that users gave.
    pub values: &'static [&'static str],
}

impl LabelValues {
    pub(super) const fn of<L: Label>() -> Self {
        Self { name: L::NAME, values: L::VALUES }
    }
}

impl Labels for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }

    fn described() -> Vec<LabelValues> {
        Vec::new()
    }
}

impl<A: Label> Labels for (A,) {
    const COUNT: usize = A::VALUES.len();

    fn index(self) -> usize {
        self.0.index()
    }

    fn described() -> Vec<LabelValues> {
        vec![LabelValues::of::<A>()]
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    const COUNT: usize = A::VALUES.len() * B::VALUES.len();

    fn index(self) -> usize {
        self.0.index() * B::VALUES.len() + self.1.index()
    }

    fn described() -> Vec<LabelValues> {
        vec![LabelValues::of::<A>(), LabelValues::of::<B>()]
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    const COUNT: usize = A::VALUES.len() * B::VALUES.len() * C::VALUES.len();

    fn index(self) -> usize {
        (self.0.index() * B::VALUES.len() + self.1.index()) * C::VALUES.len() + self.2.index()
    }

    fn described() -> Vec<LabelValues> {
        vec![LabelValues::of::<A>(), LabelValues::of::<B>(), LabelValues::of::<C>()]
    }
}

/// The values at `place` of all combinations of `labels`.
pub(super) fn values_at(labels: &[LabelValues], place: usize) -> Vec<&'static str> {
    let mut rest = place;
    let mut values: Vec<&str> = labels
        .iter()
        .rev()
        .map(|label| {
            let value = label.values.get(rest % label.values.len()).copied().unwrap_or_default();
            rest /= label.values.len();
            value
        })
        .collect();
    values.reverse();
    values
}

/// Makes an enum a [`Label`]: `label!(Place, "route", { Root => "root", … })`. The match is exhaustive, so that a new
/// variant is a compile error here.
macro_rules! label {
    ($enum:ident, $name:literal, { $($variant:ident => $value:literal),+ $(,)? }) => {
        impl $crate::telemetry::metrics::label::Label for $enum {
            const NAME: &'static str = $name;
            const VALUES: &'static [&'static str] = &[$($value),+];

            fn index(self) -> usize {
                enum Places { $($variant),+ }
                match self { $($enum::$variant => Places::$variant as usize),+ }
            }
        }
    };
}

/// Makes a label of status codes, and of `canceled` and `other`: `codes!(Code, { 200 => Ok, … })`.
macro_rules! codes {
    ($enum:ident, { $($code:literal => $variant:ident),+ $(,)? }) => {
        /// How a request was answered.
        #[derive(Clone, Copy)]
        pub(super) enum $enum { $($variant,)+ Canceled, Other }

        impl $enum {
            pub(super) fn of(status: Option<http::StatusCode>) -> Self {
                match status.map(|status| status.as_u16()) {
                    $(Some($code) => Self::$variant,)+
                    None => Self::Canceled,
                    Some(_) => Self::Other,
                }
            }
        }

        impl $crate::telemetry::metrics::label::Label for $enum {
            const NAME: &'static str = "code";
            const VALUES: &'static [&'static str] = &[$(stringify!($code),)+ "canceled", "other"];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

pub(super) use {codes, label};

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Shape {
        Round,
        Square,
    }

    label!(Shape, "shape", { Round => "round", Square => "square" });
    codes!(Code, { 200 => Ok, 404 => NotFound });

    #[test]
    fn each_combination_has_a_place_of_its_own_that_leads_back_to_its_values() {
        let labels = <(Code, Shape)>::described();
        let place = (Code::of(Some(http::StatusCode::NOT_FOUND)), Shape::Square).index();
        assert_eq!(values_at(&labels, place), ["404", "square"]);
        let all: std::collections::BTreeSet<_> =
            (0..<(Code, Shape)>::COUNT).map(|place| values_at(&labels, place)).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(values_at(&labels, (Code::of(None), Shape::Round).index()), ["canceled", "round"]);
    }
}
