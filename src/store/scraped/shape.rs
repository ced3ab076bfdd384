//! What a target exposes, without the numbers: its series in order, each with name, kind and labels.
//!
//! Pods of one Deployment expose the same lines, so one shape is shared by all of them; what a target has of its own
//! is numbers only. Labels are packed into one arena and read in place: a selector is matched without allocating.

use crate::model::LabelSource;

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
    /// The sum of a histogram's or summary's observations; a counter.
    Sum,
    /// The number of a histogram's or summary's observations; a counter.
    Count,
    /// A summary's quantile, computed by the target.
    Quantile(f64),
    /// `NAME_created`: the moment at which a counter began, in seconds since 1970. Not listed by discovery.
    Created,
}

impl SeriesKind {
    pub(super) fn is_counter(self) -> bool {
        matches!(self, Self::Counter | Self::Bucket(_) | Self::Sum | Self::Count)
    }
}

/// The series of a target in the order of its exposition.
#[derive(Debug, Default)]
pub struct Shape {
    series: Box<[Series]>,
    groups: Box<[Group]>,
    labels: Box<[u8]>,
    left_out: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug)]
struct Series {
    kind: SeriesKind,
    labels_from: u32,
    labels_to: u32,
    /// The series `NAME_created` with the same labels, plus one; 0 is none.
    created: u32,
}

/// All series of one sample name.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) kind: SeriesKind,
    pub(super) members: Box<[u32]>,
}

/// Collects a shape, series by series.
#[derive(Debug, Default)]
pub struct ShapeBuilder {
    series: Vec<Series>,
    labels: Vec<u8>,
    groups: std::collections::BTreeMap<Box<str>, (SeriesKind, Vec<u32>)>,
    left_out: std::collections::BTreeSet<Box<str>>,
}

/// The labels of one series, in place.
#[derive(Clone, Copy, Debug)]
pub struct PackedLabels<'a>(&'a [u8]);

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
        let left_out: usize = self.left_out.iter().map(|name| name.len() + size_of::<Box<str>>()).sum();
        self.series.len() * size_of::<Series>() + self.labels.len() + groups + left_out
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

    pub(super) fn group(&self, name: &str) -> Option<&Group> {
        let at = self.groups.binary_search_by(|group| (*group.name).cmp(name)).ok()?;
        self.groups.get(at)
    }

    /// Whether the target exposes series of this sample name that are not kept.
    #[expect(dead_code, reason = "the reading side follows")]
    pub(super) fn leaves_out(&self, name: &str) -> bool {
        self.left_out.binary_search_by(|left| (**left).cmp(name)).is_ok()
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl ShapeBuilder {
    /// Adds the next series; gives back its place. Labels come in any order; `le` and `quantile` are in the kind and
    /// may be left out or given as well.
    pub fn add<'l>(
        &mut self,
        name: &str,
        kind: SeriesKind,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
    ) -> u32 {
        let at = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        let labels_from = self.labels_len();
        for (name, value) in labels {
            pack(&mut self.labels, name);
            pack(&mut self.labels, value);
        }
        self.series.push(Series { kind, labels_from, labels_to: self.labels_len(), created: 0 });
        self.groups.entry(name.into()).or_insert_with(|| (kind, Vec::new())).1.push(at);
        at
    }

    /// Says that series `created` holds the moment (seconds since 1970) at which `series` began to count.
    pub fn created(&mut self, series: u32, created: u32) {
        if let Some(series) = self.series.get_mut(series as usize) {
            series.created = created + 1;
        }
    }

    /// Says that the target exposes series of this name that are not kept, so that a read can say so. Of many names
    /// the first [`MOST_LEFT_OUT`] are remembered.
    pub fn leave_out(&mut self, name: &str) {
        if self.left_out.len() < MOST_LEFT_OUT && !self.left_out.contains(name) {
            self.left_out.insert(name.into());
        }
    }

    /// The shape.
    #[must_use]
    pub fn build(self) -> Shape {
        let groups = self
            .groups
            .into_iter()
            .map(|(name, (kind, members))| Group { name, kind, members: members.into() })
            .collect();
        let left_out = self.left_out.into_iter().collect();
        Shape { series: self.series.into(), groups, labels: self.labels.into(), left_out }
    }

    fn labels_len(&self) -> u32 {
        u32::try_from(self.labels.len()).unwrap_or(u32::MAX)
    }
}

impl<'a> PackedLabels<'a> {
    /// The pairs, in the order of the exposition.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || Some((unpack(&mut rest)?, unpack(&mut rest)?)))
    }
}

impl LabelSource for PackedLabels<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.iter().find(|(label, _)| *label == name).map(|(_, value)| value)
    }
}

/// Quantiles, mean and rate of a histogram are five names for its three groups; a counter has two.
const NAMES_OF_GROUP: usize = 2;
/// Names that are not kept and yet remembered, for an answer that says so.
const MOST_LEFT_OUT: usize = 1_000;
/// Of a name in the catalog, beside its text.
const NAME_OVERHEAD: usize = 128;

/// A length in two bytes, then the text. Longer texts do not get here: scrape limits are far below.
fn pack(arena: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(0);
    arena.extend_from_slice(&length.to_le_bytes());
    arena.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
}

fn unpack<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_in_place() {
        let mut builder = ShapeBuilder::default();
        builder.add("up", SeriesKind::Gauge, []);
        let at = builder.add("http_requests_total", SeriesKind::Counter, [("method", "GET"), ("code", "")]);
        let shape = builder.build();
        assert_eq!(shape.labels(0).iter().count(), 0);
        assert_eq!(shape.labels(at).iter().collect::<Vec<_>>(), [("method", "GET"), ("code", "")]);
        assert_eq!(shape.labels(at).label("method"), Some("GET"));
        assert_eq!(shape.labels(at).label("path"), None);
    }

    #[test]
    fn series_of_one_name_form_a_group() {
        let mut builder = ShapeBuilder::default();
        for method in ["GET", "POST"] {
            builder.add("b_total", SeriesKind::Counter, [("method", method)]);
            builder.add("a", SeriesKind::Gauge, [("method", method)]);
        }
        let shape = builder.build();
        assert_eq!(*shape.group("b_total").unwrap().members, [0, 2]);
        assert_eq!(*shape.group("a").unwrap().members, [1, 3]);
        assert!(shape.group("c").is_none());
    }
}
