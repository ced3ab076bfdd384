//! A shape in the making.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::{Family, Group, PackedLabels, Series, SeriesKind, Set, Shape, labels::pack};
use crate::store::scraped::names::Names;

/// Collects a shape, series by series.
#[derive(Debug, Default)]
pub struct ShapeBuilder {
    series: Vec<Series>,
    labels: Vec<u8>,
    groups: BTreeMap<Box<str>, (SeriesKind, Vec<u32>)>,
    left_out: BTreeSet<Box<str>>,
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
        self.series.push(Series { kind, labels_from, labels_to: self.labels_len(), created: 0, group: 0 });
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
    /// the first thousand are remembered.
    pub fn leave_out(&mut self, name: &str) {
        if self.left_out.len() < MOST_LEFT_OUT && !self.left_out.contains(name) {
            self.left_out.insert(name.into());
        }
    }

    /// The shape.
    #[must_use]
    pub fn build(mut self) -> Shape {
        let groups = std::mem::take(&mut self.groups);
        let mut families = Families::default();
        let groups: Box<[Group]> = groups
            .into_iter()
            .map(|(name, (kind, members))| {
                let family = families.place(kind.family(&name));
                Group { name, kind, members: members.into(), family }
            })
            .collect();
        self.enlist(&groups);
        let families = families.build(&groups, |series| self.labels_of(series), &self.series);
        let names =
            Names::of(&groups, &families, |at| self.series.get(at as usize).map(|series| series.kind));
        let left_out = self.left_out.into_iter().collect();
        Shape { series: self.series.into(), groups, families, labels: self.labels.into(), names, left_out }
    }

    /// Tells each series its group.
    fn enlist(&mut self, groups: &[Group]) {
        for (at, group) in (0..).zip(groups) {
            let enlist = |member: &u32| self.series.get_mut(*member as usize).map(|series| series.group = at);
            group.members.iter().filter_map(enlist).for_each(drop);
        }
    }

    fn labels_of(&self, series: u32) -> PackedLabels<'_> {
        let series = self.series.get(series as usize);
        let range = series.map_or(0..0, |series| series.labels_from as usize..series.labels_to as usize);
        PackedLabels(self.labels.get(range).unwrap_or_default())
    }

    fn labels_len(&self) -> u32 {
        u32::try_from(self.labels.len()).unwrap_or(u32::MAX)
    }
}

/// Families by the order of their first group.
#[derive(Default)]
struct Families {
    places: HashMap<Box<str>, usize, RandomState>,
}

impl Families {
    fn place(&mut self, name: &str) -> usize {
        let next = self.places.len();
        *self.places.entry(name.into()).or_insert(next)
    }

    fn build<'a>(
        self,
        groups: &[Group],
        labels: impl Fn(u32) -> PackedLabels<'a>,
        series: &[Series],
    ) -> Box<[Family]> {
        let mut sets: Vec<Sets<'a>> = Vec::new();
        sets.resize_with(self.places.len(), Sets::default);
        for group in groups {
            let Some(sets) = sets.get_mut(group.family) else { continue };
            let kinds =
                group.members.iter().filter_map(|member| Some((*member, series.get(*member as usize)?.kind)));
            kinds.for_each(|(member, kind)| sets.add(member, kind, labels(member)));
        }
        let mut names: Vec<(Box<str>, usize)> = self.places.into_iter().collect();
        names.sort_unstable_by_key(|(_, place)| *place);
        let family = |((name, _), sets): ((Box<str>, usize), Sets<'_>)| Family { name, sets: sets.build() };
        names.into_iter().zip(sets).map(family).collect()
    }
}

/// The histograms of one family, by their labels without `le`.
#[derive(Default)]
struct Sets<'a> {
    places: HashMap<Vec<(&'a str, &'a str)>, usize, RandomState>,
    sets: Vec<(Vec<u32>, Set)>,
}

impl<'a> Sets<'a> {
    fn add(&mut self, series: u32, kind: SeriesKind, labels: PackedLabels<'a>) {
        if !matches!(kind, SeriesKind::Bucket(_) | SeriesKind::Sum | SeriesKind::Count) {
            return;
        }
        let mut labels: Vec<_> = labels.iter().filter(|(name, _)| *name != "le").collect();
        labels.sort_unstable();
        let next = self.sets.len();
        let place = *self.places.entry(labels).or_insert(next);
        if place == next {
            self.sets.push(Default::default());
        }
        let Some((buckets, set)) = self.sets.get_mut(place) else { return };
        match kind {
            SeriesKind::Bucket(_) => buckets.push(series),
            SeriesKind::Sum => set.sum = Some(series),
            _ => set.count = Some(series),
        }
    }

    fn build(self) -> Box<[Set]> {
        let with_buckets = |(buckets, set): (Vec<u32>, Set)| Set { buckets: buckets.into(), ..set };
        self.sets.into_iter().map(with_buckets).collect()
    }
}

/// Names that are not kept and yet remembered, for an answer that says so.
const MOST_LEFT_OUT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LabelSource;

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
        let groups: Vec<_> = shape.groups().iter().map(|group| (&*group.name, &*group.members)).collect();
        assert_eq!(groups, [("a", &[1, 3][..]), ("b_total", &[0, 2])]);
        assert_eq!(&*shape.family_of(2).unwrap().name, "b");
    }

    #[test]
    fn the_parts_of_a_histogram_are_found_by_their_labels_in_whatever_order() {
        let mut builder = ShapeBuilder::default();
        builder.add("d_count", SeriesKind::Count, [("b", "1"), ("a", "2")]);
        builder.add("d_bucket", SeriesKind::Bucket(1.0), [("a", "2"), ("b", "1"), ("le", "1.0")]);
        builder.add("d_bucket", SeriesKind::Bucket(1.0), [("a", "3"), ("le", "1.0")]);
        builder.add("d_sum", SeriesKind::Sum, [("a", "2"), ("b", "1")]);
        let shape = builder.build();
        let sets = &shape.family_of(0).unwrap().sets;
        let parts: Vec<_> = sets.iter().map(|set| (&*set.buckets, set.sum, set.count)).collect();
        assert_eq!(parts, [(&[1][..], Some(3), Some(0)), (&[2][..], None, None)]);
    }
}
