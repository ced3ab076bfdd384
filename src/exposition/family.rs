//! Metric families: what a TYPE line says, and which part of a family a series is.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The type of a metric family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// Goes up, and back to zero at a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets with count and sum.
    Histogram,
    /// Buckets that may go down.
    GaugeHistogram,
    /// Precomputed quantiles with count and sum.
    Summary,
    /// A constant 1 whose labels are the message.
    Info,
    /// One 0 or 1 a state.
    StateSet,
    /// Not said (`untyped`, `unknown`, or no TYPE at all).
    #[default]
    Unknown,
}

/// Which part of its family a series is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Role {
    /// The value itself; for a summary, a quantile.
    #[default]
    Value,
    /// A cumulative bucket of a histogram.
    Bucket,
    /// The sum of the observations.
    Sum,
    /// The count of the observations.
    Count,
    /// Not a measurement: when the counting of the series of the same labels began, in seconds since the epoch.
    Created,
}

/// The type of the family that a series belongs to, and its part in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Membership {
    /// The family's type.
    pub kind: Kind,
    /// The part in it.
    pub role: Role,
}

impl Kind {
    /// The type by its word in a text-format TYPE line, which is case-sensitive.
    #[must_use]
    pub fn from_text(word: &str) -> Option<Self> {
        Some(match word {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "summary" => Self::Summary,
            "untyped" => Self::Unknown,
            _ => return None,
        })
    }

    /// The word for it, as OpenMetrics has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Gauge => 1,
            Self::Info => 2,
            Self::StateSet => 3,
            Self::Counter => 4,
            Self::Summary => 5,
            Self::GaugeHistogram => 6,
            Self::Histogram => 7,
        }
    }

    /// The type by its word in an OpenMetrics TYPE line.
    #[must_use]
    pub fn from_openmetrics(word: &str) -> Option<Self> {
        Some(match word {
            "gaugehistogram" => Self::GaugeHistogram,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "unknown" => Self::Unknown,
            "untyped" => return None,
            _ => return Self::from_text(word),
        })
    }
}

/// The types that a body declares. Where a declaration stands says nothing: families may be interleaved, and declared
/// again or below their samples.
#[derive(Debug, Default)]
pub struct Families {
    // names come from pods: the seed must not be guessable
    kinds: HashMap<Box<str>, Kind, RandomState>,
}

impl Families {
    /// Notes the type of `family`. Gives back another type that it was declared as before; of two, whatever their order,
    /// the one with more parts counts.
    pub fn declare(&mut self, family: &str, kind: Kind) -> Option<Kind> {
        let Some(known) = self.kinds.get_mut(family) else {
            self.kinds.insert(family.into(), kind);
            return None;
        };
        let before = *known;
        if kind.rank() > before.rank() {
            *known = kind;
        }
        (before != kind).then_some(before)
    }

    /// The type that `family` was declared as.
    #[must_use]
    pub fn kind(&self, family: &str) -> Option<Kind> {
        self.kinds.get(family).copied()
    }

    /// Which family the series named `name` belongs to, as what.
    ///
    /// A family of exactly that name comes first, but for `_created`: the Python client declares those as gauges of
    /// their own in the text format.
    #[must_use]
    pub fn membership(&self, name: &str) -> Membership {
        let kind = self.kinds.get(name).copied();
        if kind.is_none_or(|kind| kind == Kind::Gauge)
            && let Some(kind) = name.strip_suffix("_created").and_then(|base| self.counting(base))
        {
            return Membership { kind, role: Role::Created };
        }
        match kind {
            Some(kind) => Membership { kind, role: Role::Value },
            None => PARTS.iter().find_map(|part| self.part(name, part)).unwrap_or_default(),
        }
    }

    /// A family that has a moment at which its counting began; text and protobuf name counters with their `_total`.
    fn counting(&self, base: &str) -> Option<Kind> {
        let counts = |kind: &Kind| matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary);
        let kind = |name: &str| self.kinds.get(name).copied().filter(counts);
        kind(base).or_else(|| kind(&format!("{base}_total")))
    }

    fn part(&self, name: &str, &(suffix, role, kinds): &Part) -> Option<Membership> {
        let kind = *self.kinds.get(name.strip_suffix(suffix)?)?;
        kinds.contains(&kind).then_some(Membership { kind, role })
    }
}

type Part = (&'static str, Role, &'static [Kind]);

const PARTS: [Part; 7] = [
    ("_bucket", Role::Bucket, &[Kind::Histogram, Kind::GaugeHistogram]),
    ("_sum", Role::Sum, &[Kind::Histogram, Kind::GaugeHistogram, Kind::Summary]),
    ("_count", Role::Count, &[Kind::Histogram, Kind::GaugeHistogram, Kind::Summary]),
    ("_gsum", Role::Sum, &[Kind::GaugeHistogram]),
    ("_gcount", Role::Count, &[Kind::GaugeHistogram]),
    ("_total", Role::Value, &[Kind::Counter]),
    ("_info", Role::Value, &[Kind::Info]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn families(declared: &[(&str, Kind)]) -> Families {
        let mut families = Families::default();
        for &(name, kind) in declared {
            families.declare(name, kind);
        }
        families
    }

    #[test]
    fn of_two_types_of_a_family_the_same_one_counts_in_any_order_and_the_other_is_told() {
        for [one, other] in [[Kind::Gauge, Kind::Histogram], [Kind::Histogram, Kind::Gauge]] {
            let mut families = families(&[("h", one)]);
            assert_eq!(families.declare("h", one), None);
            assert_eq!(families.declare("h", other), Some(one));
            assert_eq!(families.membership("h_bucket").kind, Kind::Histogram);
        }
    }

    #[test]
    fn a_series_is_a_part_of_the_family_whose_suffix_it_has() {
        let families = families(&[
            ("h", Kind::Histogram),
            ("g", Kind::GaugeHistogram),
            ("s", Kind::Summary),
            ("c", Kind::Counter),
            ("text_total", Kind::Counter),
            ("build", Kind::Info),
        ]);
        for (name, kind, role) in [
            ("h_bucket", Kind::Histogram, Role::Bucket),
            ("h_sum", Kind::Histogram, Role::Sum),
            ("h_created", Kind::Histogram, Role::Created),
            ("g_gcount", Kind::GaugeHistogram, Role::Count),
            ("s", Kind::Summary, Role::Value),
            ("s_count", Kind::Summary, Role::Count),
            ("s_bucket", Kind::Unknown, Role::Value),
            ("c_total", Kind::Counter, Role::Value),
            ("c_created", Kind::Counter, Role::Created),
            ("text_total", Kind::Counter, Role::Value),
            ("text_created", Kind::Counter, Role::Created),
            ("build_info", Kind::Info, Role::Value),
            ("other", Kind::Unknown, Role::Value),
        ] {
            assert_eq!(families.membership(name), Membership { kind, role }, "{name}");
        }
    }

    #[test]
    fn a_family_of_its_own_comes_before_a_suffix_except_for_created() {
        let families = families(&[
            ("h", Kind::Histogram),
            ("h_count", Kind::Gauge),
            ("c_total", Kind::Counter),
            ("c_created", Kind::Gauge),
            ("users_created", Kind::Gauge),
        ]);
        assert_eq!(families.membership("h_count"), Membership { kind: Kind::Gauge, role: Role::Value });
        assert_eq!(families.membership("c_created"), Membership { kind: Kind::Counter, role: Role::Created });
        assert_eq!(families.membership("users_created"), Membership { kind: Kind::Gauge, role: Role::Value });
    }
}
