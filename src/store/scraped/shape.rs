//! What a target exposes, without the numbers: its series in order, each with name, kind and labels.
//!
//! Pods of one Deployment expose the same lines, so one shape is shared by all of them; what a target has of its own
//! is numbers only. Labels are packed into one arena and read in place: a selector is matched without allocating.

mod build;
mod labels;

pub use build::ShapeBuilder;
pub use labels::PackedLabels;

use super::names::Names;

/// How a series counts, from its family's type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SeriesKind {
    /// Goes up and down.
    Gauge,
    /// The exposition does not say; read as a gauge.
    Untyped,
    /// Only goes up, until it is reset.
    Counter,
    /// A histogram's cumulative bucket with its upper bound; a counter.
    Bucket(f64),
    /// The sum of a histogram's or summary's observations; a counter, unless observations are negative.
    Sum,
    /// The number of a histogram's or summary's observations; a counter.
    Count,
    /// A summary's quantile, computed by the target.
    Quantile(f64),
    /// `NAME_created`: the moment at which a counter began, in seconds since 1970. Not listed by discovery.
    Created,
}

/// The series of a target in the order of its exposition.
#[derive(Debug, Default)]
pub struct Shape {
    series: Box<[Series]>,
    groups: Box<[Group]>,
    families: Box<[Family]>,
    labels: Box<[u8]>,
    names: Names,
    left_out: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug)]
struct Series {
    kind: SeriesKind,
    labels_from: u32,
    labels_to: u32,
    /// The series `NAME_created` with the same labels, plus one; 0 is none.
    created: u32,
    group: u32,
}

/// All series of one sample name.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) kind: SeriesKind,
    pub(super) members: Box<[u32]>,
    /// Its place among the families.
    pub(super) family: usize,
}

/// All series whose names differ in the suffix of their part only.
#[derive(Debug)]
pub(super) struct Family {
    /// The name without the suffix.
    pub(super) name: Box<str>,
    /// The histograms or summaries in it, one a label set.
    pub(super) sets: Box<[Set]>,
}

/// A histogram or summary of one label set.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) buckets: Box<[u32]>,
    pub(super) sum: Option<u32>,
    pub(super) count: Option<u32>,
}

impl SeriesKind {
    pub(super) fn is_counter(self) -> bool {
        matches!(self, Self::Counter | Self::Bucket(_) | Self::Sum | Self::Count)
    }

    /// Whether a fall says that the counting began anew.
    pub(super) fn falls_at_reset(self) -> bool {
        self.is_counter() && self != Self::Sum
    }

    /// Whether values of the past are asked for.
    pub(super) fn has_past(self) -> bool {
        self.is_counter() || self == Self::Created
    }

    /// The name of the family of a series of this kind: its own without the suffix of its part.
    pub(super) fn family(self, name: &str) -> &str {
        let suffixes: &[&str] = match self {
            Self::Counter => &["_total"],
            Self::Bucket(_) => &["_bucket"],
            Self::Sum => &["_sum", "_gsum"],
            Self::Count => &["_count", "_gcount"],
            Self::Created => &["_created"],
            Self::Gauge | Self::Untyped | Self::Quantile(_) => &[],
        };
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
    }
}

impl Shape {
    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The labels of series `at`.
    #[must_use]
    pub fn labels(&self, at: u32) -> PackedLabels<'_> {
        let series = self.series.get(at as usize);
        let range = series.map_or(0..0, |series| series.labels_from as usize..series.labels_to as usize);
        PackedLabels(self.labels.get(range).unwrap_or_default())
    }

    /// Estimated heap bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let groups: usize =
            self.groups.iter().map(|group| group.name.len() + 4 * group.members.len() + 64).sum();
        let families: usize = self.families.iter().map(Family::bytes).sum();
        let left_out: usize = self.left_out.iter().map(|name| name.len() + size_of::<Box<str>>()).sum();
        let series = self.series.len() * size_of::<Series>() + self.labels.len();
        series + groups + families + left_out + self.names.bytes()
    }

    /// Estimated bytes of the names that its groups are found by in the catalog: a few each, in two places.
    #[must_use]
    pub fn catalog_bytes(&self) -> usize {
        self.groups.iter().map(|group| NAMES_OF_GROUP * (group.name.len() + NAME_OVERHEAD)).sum()
    }

    pub(super) fn kind(&self, at: u32) -> Option<SeriesKind> {
        self.series.get(at as usize).map(|series| series.kind)
    }

    pub(super) fn created(&self, at: u32) -> Option<u32> {
        self.series.get(at as usize)?.created.checked_sub(1)
    }

    pub(super) fn family_of(&self, at: u32) -> Option<&Family> {
        let group = self.groups.get(self.series.get(at as usize)?.group as usize)?;
        self.families.get(group.family)
    }

    pub(super) fn name_of(&self, at: u32) -> Option<&str> {
        let group = self.groups.get(self.series.get(at as usize)?.group as usize)?;
        Some(&group.name)
    }

    pub(super) fn families(&self) -> &[Family] {
        &self.families
    }

    pub(super) fn family(&self, at: usize) -> Option<&Family> {
        self.families.get(at)
    }

    pub(super) fn group(&self, at: usize) -> Option<&Group> {
        self.groups.get(at)
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What a target of this shape is asked for.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether the target exposes series of this sample name that are not kept.
    pub(super) fn leaves_out(&self, name: &str) -> bool {
        self.left_out.binary_search_by(|left| (**left).cmp(name)).is_ok()
    }
}

impl Set {
    /// All its series.
    pub(super) fn members(&self) -> impl Iterator<Item = u32> {
        self.buckets.iter().copied().chain(self.sum).chain(self.count)
    }

    /// A series that has the labels of the whole, without `le` if there is one.
    pub(super) fn representative(&self) -> Option<u32> {
        self.count.or(self.sum).or_else(|| self.buckets.first().copied())
    }
}

impl Family {
    fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| size_of::<Set>() + 4 * set.buckets.len()).sum();
        size_of::<Self>() + self.name.len() + sets
    }
}

/// Quantiles, mean and rate of a histogram are five names for its three groups; a counter has two.
const NAMES_OF_GROUP: usize = 2;
/// Of a name in the catalog, beside its text.
const NAME_OVERHEAD: usize = 128;
