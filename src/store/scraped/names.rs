//! From what a target exposes to what an HPA asks for: one table serves the list of names and their lookup.
//!
//! | exposed | asked for as | value |
//! |---|---|---|
//! | gauge `queue_depth` | `queue_depth` | the newest value |
//! | counter `http_requests_total` | `http_requests_per_second` | its rate over the window |
//! | histogram `x` | `x_p50`, `x_p99.9`, … | the quantile of the window's observations |
//! | histogram or summary `x` | `x_avg`, `x_per_second` | mean observation, observations per second |
//! | summary `x` | `x` with a selector on `quantile`, `x_p99` | the quantile that the target computed |
//!
//! Counters answer to their exact names where the target is asked for raw counters only: an HPA on one only ever
//! scales up. Moments (`process_start_time_seconds`) answer and are not listed.

use std::collections::BTreeMap;

use super::shape::{Family, Group, SeriesKind};
use crate::store::Kind;

/// What names mean for a target.
#[derive(Debug, Default)]
pub(super) struct Names(Box<[(Box<str>, Meaning)]>);

/// What is computed for a name, by the places of groups and families in the shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Meaning {
    /// The newest value of a gauge.
    Newest(usize),
    /// The newest value of what is a moment.
    Moment(usize),
    /// A counter by its exact name.
    Raw(usize),
    /// Counters per second.
    Rate(usize),
    /// Observations per second of a family.
    Observations(usize),
    /// Mean observation of a family.
    Average(usize),
    /// The quantile of a family's histograms.
    Quantile(f64, usize),
    /// A quantile that the target computed.
    Published(f64, usize),
}

impl Meaning {
    /// For people.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Newest(_) | Self::Moment(_) => Kind::Gauge,
            Self::Raw(_) => Kind::RawCounter,
            Self::Rate(_) | Self::Observations(_) => Kind::Rate,
            Self::Average(_) => Kind::Average,
            Self::Quantile(..) | Self::Published(..) => Kind::Quantile,
        }
    }
}

impl Names {
    /// The table of a shape. Where two series would answer to one name, the earlier rule here wins: a name that is
    /// exposed means itself.
    pub(super) fn of(
        groups: &[Group],
        families: &[Family],
        kind: impl Fn(u32) -> Option<SeriesKind>,
    ) -> Self {
        let mut table = BTreeMap::new();
        let mut add = |name: String, meaning: Meaning| {
            table.entry(name.into_boxed_str()).or_insert(meaning);
        };
        for (at, group) in groups.iter().enumerate() {
            add(group.name.to_string(), itself(at, group));
        }
        for (at, group) in groups.iter().enumerate().filter(|(_, group)| group.kind == SeriesKind::Counter) {
            add(format!("{}_per_second", group.kind.family(&group.name)), Meaning::Rate(at));
        }
        for (at, family) in families.iter().enumerate() {
            for (suffix, meaning) in of_family(at, family) {
                add(format!("{}{suffix}", family.name), meaning);
            }
        }
        let quantile = |series: &u32| match kind(*series) {
            Some(SeriesKind::Quantile(q)) => Some(q),
            _ => None,
        };
        for (at, group) in groups.iter().enumerate() {
            for q in group.members.iter().filter_map(quantile) {
                add(format!("{}_p{}", group.name, percent(q)), Meaning::Published(q, at));
            }
        }
        Self(table.into_iter().collect())
    }

    /// What a name means.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        self.find(name).or_else(|| self.any_quantile(name))
    }

    /// The names that discovery lists, sorted.
    pub(super) fn listed(&self, raw_counters: bool) -> impl Iterator<Item = &str> {
        let listed = move |meaning: &Meaning| match meaning {
            Meaning::Moment(_) => false,
            Meaning::Raw(_) => raw_counters,
            _ => true,
        };
        self.0.iter().filter(move |(_, meaning)| listed(meaning)).map(|(name, _)| &**name)
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(name, _)| name.len() + size_of::<(Box<str>, Meaning)>()).sum()
    }

    /// Every quantile of a histogram can be asked for; the usual ones are in the table.
    fn any_quantile(&self, name: &str) -> Option<Meaning> {
        let (base, percent) = name.rsplit_once("_p")?;
        let q = quantile_of(percent)?;
        match self.find(&format!("{base}_p{}", self::percent(q))) {
            Some(meaning @ Meaning::Published(..)) => Some(meaning),
            _ => match self.find(&format!("{base}_p{}", USUAL[0]))? {
                Meaning::Quantile(_, family) => Some(Meaning::Quantile(q, family)),
                _ => None,
            },
        }
    }

    fn find(&self, name: &str) -> Option<Meaning> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, meaning)| *meaning)
    }
}

fn itself(at: usize, group: &Group) -> Meaning {
    match group.kind {
        SeriesKind::Created => Meaning::Moment(at),
        SeriesKind::Gauge | SeriesKind::Untyped if is_moment(&group.name) => Meaning::Moment(at),
        SeriesKind::Gauge | SeriesKind::Untyped | SeriesKind::Quantile(_) => Meaning::Newest(at),
        SeriesKind::Counter | SeriesKind::Bucket(_) | SeriesKind::Sum | SeriesKind::Count => Meaning::Raw(at),
    }
}

fn of_family(at: usize, family: &Family) -> Vec<(String, Meaning)> {
    let mut names = Vec::new();
    if family.sets.iter().any(|set| set.count.is_some()) {
        names.push(("_per_second".to_owned(), Meaning::Observations(at)));
    }
    if family.sets.iter().any(|set| set.count.is_some() && set.sum.is_some()) {
        names.push(("_avg".to_owned(), Meaning::Average(at)));
    }
    if family.sets.iter().any(|set| !set.buckets.is_empty()) {
        names.extend(
            USUAL.map(|percent| (format!("_p{percent}"), Meaning::Quantile(f64::from(percent) / 100.0, at))),
        );
    }
    names
}

/// Whether a gauge holds a moment in seconds since 1970, by the names that client libraries and exporters give those.
fn is_moment(name: &str) -> bool {
    ["_start_time_seconds", "_timestamp_seconds", "_last_gc_time_seconds", "_boot_time_seconds"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// `99` and `99.9` are hundredths; `999` and `9999` are the usual spellings of 99.9 and 99.99.
fn quantile_of(percent: &str) -> Option<f64> {
    let digits = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let dotted = match percent.as_bytes() {
        [b'9', _, _, ..] if !percent.contains('.') => {
            let (whole, rest) = percent.split_at_checked(2)?;
            format!("{whole}.{rest}")
        }
        _ => percent.to_owned(),
    };
    let percent: f64 = dotted.parse().ok().filter(|_| digits)?;
    (percent <= 100.0).then_some(percent / 100.0)
}

/// A quantile in hundredths, as it stands in a name: `99.9`.
fn percent(q: f64) -> f64 {
    (q * 1e8).round() / 1e6
}

/// The quantiles that discovery lists of a histogram, in hundredths.
const USUAL: [u8; 3] = [50, 90, 99];
