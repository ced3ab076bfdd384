//! Series that may say when others began to count: `orders_created` beside `orders_total` does, and so may a gauge that
//! has this name by chance. The values tell: a start is a moment.

use super::census::{Census, is_moment};
use crate::exposition::Reading;

/// The names in doubt, and what was found of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Starts(Vec<Doubt>);

#[derive(Clone, PartialEq, Debug)]
struct Doubt {
    /// The number of the name.
    name: u32,
    is_start: bool,
    /// Where its values are: among those of the kept series, and of the spare lines.
    places: Vec<u32>,
    spare: Vec<u32>,
}

impl Starts {
    pub(super) fn of(census: &Census) -> Self {
        let names = (0_u32..).zip(census.names());
        let doubtful = names.filter(|(_, name)| name.is_candidate && census.may_be_start(&name.text));
        let doubt = |(at, name): (u32, &super::census::Name)| Doubt {
            name: at,
            is_start: name.are_moments(),
            places: Vec::new(),
            spare: Vec::new(),
        };
        Self(doubtful.map(doubt).collect())
    }

    pub(super) fn add_place(&mut self, name: u32, place: u32) {
        if let Some(doubt) = self.get(name) {
            doubt.places.push(place);
        }
    }

    pub(super) fn add_spare(&mut self, name: u32, at: u32) {
        if let Some(doubt) = self.get(name) {
            doubt.spare.push(at);
        }
    }

    /// Whether these values say the same.
    pub(super) fn hold(&self, values: &[f64], spare: &[Reading]) -> bool {
        self.0.iter().all(|doubt| {
            let value = |at: &u32| values.get(*at as usize).copied().unwrap_or_default();
            let other = |at: &u32| spare.get(*at as usize).map_or(0.0, |reading| reading.value);
            let mut all = doubt.places.iter().map(value).chain(doubt.spare.iter().map(other));
            all.all(is_moment) == doubt.is_start
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let doubts = self.0.iter();
        doubts.map(|doubt| size_of::<Doubt>() + 4 * (doubt.places.len() + doubt.spare.len())).sum()
    }

    fn get(&mut self, name: u32) -> Option<&mut Doubt> {
        let at = self.0.binary_search_by_key(&name, |doubt| doubt.name).ok()?;
        self.0.get_mut(at)
    }
}
