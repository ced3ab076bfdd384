//! What a history keeps beside what rates need, because somebody asks for it.

use super::{millis, names::Meaning, shape::Shape};
use crate::store::wishes::Wish;

/// A longer window, and gauges with a past.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The longest window that is asked for, in milliseconds.
    window: i64,
    gauges: Vec<Gauge>,
}

/// The series of one name, whose values are kept.
#[derive(Debug)]
struct Gauge {
    name: Box<str>,
    /// The first scrape whose values are kept.
    since: i64,
    /// The places of its series, ascending.
    members: Vec<u32>,
}

impl Kept {
    pub(super) fn is_nothing(&self) -> bool {
        self.window == 0 && self.gauges.is_empty()
    }

    pub(super) fn window(&self) -> i64 {
        self.window
    }

    /// Keeps what is wished for from the scrape of `now` on, the newest one, and nothing else any more.
    pub(super) fn follow(&mut self, wishes: &[Wish], shape: &Shape, now: i64) {
        self.window = wishes.iter().map(|wish| millis(wish.window)).max().unwrap_or_default();
        let wanted = wishes.iter().filter(|wish| wish.over).filter_map(|wish| group(shape, &wish.metric));
        let wanted: Vec<&str> = wanted.map(|(name, _)| name).collect();
        self.gauges.retain(|gauge| wanted.contains(&&*gauge.name));
        for name in wanted {
            if self.since(name).is_none() {
                self.gauges.push(Gauge { name: name.into(), since: now, members: Vec::new() });
            }
        }
        self.find(shape);
    }

    /// Finds its series in another shape.
    pub(super) fn find(&mut self, shape: &Shape) {
        for gauge in &mut self.gauges {
            gauge.members =
                group(shape, &gauge.name).map(|(_, members)| members.to_vec()).unwrap_or_default();
            gauge.members.sort_unstable();
        }
    }

    pub(super) fn since(&self, name: &str) -> Option<i64> {
        self.gauges.iter().find(|gauge| *gauge.name == *name).map(|gauge| gauge.since)
    }

    pub(super) fn has(&self, series: u32) -> bool {
        self.gauges.iter().any(|gauge| gauge.members.binary_search(&series).is_ok())
    }

    pub(super) fn bytes(&self) -> usize {
        let gauge =
            |gauge: &Gauge| size_of::<Gauge>() + gauge.name.len() + gauge.members.len() * size_of::<u32>();
        self.gauges.iter().map(gauge).sum()
    }
}

/// The group of gauges that a name means, with the places of its series.
fn group<'a>(shape: &'a Shape, name: &str) -> Option<(&'a str, &'a [u32])> {
    let group = match shape.names().meaning(name)? {
        Meaning::Newest(at) | Meaning::Moment(at) | Meaning::Raw(at) | Meaning::Published(_, at) => {
            shape.group(at)?
        }
        _ => return None,
    };
    Some((&group.name, &group.members))
}
