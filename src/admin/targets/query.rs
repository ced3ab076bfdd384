//! Which targets are asked for, as it stands in the URL.

use crate::{
    admin::number,
    scrape::{Health, TargetStatus},
};

/// A filter, an order and a part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    pub(super) namespace: String,
    pub(super) state: Option<State>,
    /// Words that the pod, the URL or the error has.
    pub(super) text: String,
    pub(super) sort: Sort,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// What an operator tells targets apart by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum State {
    Down,
    Refused,
    /// Scraped well, and something of it is not as its owner meant it.
    Problems,
    Waiting,
    Terminating,
    Up,
}

/// An order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sort {
    /// Those that need somebody first.
    #[default]
    State,
    Name,
    /// The slowest first.
    Duration,
    /// The largest first.
    Samples,
}

impl State {
    pub(super) const ALL: [Self; 6] =
        [Self::Down, Self::Refused, Self::Problems, Self::Waiting, Self::Terminating, Self::Up];

    pub(super) fn of(target: &TargetStatus) -> Self {
        match target.health {
            Health::Down => Self::Down,
            Health::Refused => Self::Refused,
            Health::Unknown => Self::Waiting,
            Health::Terminating => Self::Terminating,
            Health::Up if has_problems(target) => Self::Problems,
            Health::Up => Self::Up,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Refused => "refused",
            Self::Problems => "problems",
            Self::Waiting => "waiting",
            Self::Terminating => "terminating",
            Self::Up => "up",
        }
    }

    pub(super) fn tone(self) -> &'static str {
        match self {
            Self::Down | Self::Refused => "bad",
            Self::Problems => "warn",
            Self::Waiting | Self::Terminating => "quiet",
            Self::Up => "good",
        }
    }
}

fn has_problems(target: &TargetStatus) -> bool {
    let odd = target.last_scrape.as_ref().is_some_and(|last| {
        last.rejected > 0 || last.unreadable > 0 || !last.notes.is_empty() || last.skipped_families > 0
    });
    odd || !target.problems.is_empty()
}

impl Sort {
    pub(super) const ALL: [Self; 4] = [Self::State, Self::Name, Self::Duration, Self::Samples];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Duration => "duration",
            Self::Samples => "samples",
        }
    }

    pub(super) fn sort(self, targets: &mut [TargetStatus]) {
        let took =
            |target: &TargetStatus| target.last_scrape.as_ref().map_or(-1.0, |last| last.duration_seconds);
        let samples = |target: &TargetStatus| target.last_scrape.as_ref().map_or(0, |last| last.samples);
        targets.sort_by(|a, b| (&a.namespace, &a.pod, &a.url).cmp(&(&b.namespace, &b.pod, &b.url)));
        match self {
            Self::State => targets.sort_by_key(State::of),
            Self::Name => {}
            Self::Duration => targets.sort_by(|a, b| took(b).total_cmp(&took(a))),
            Self::Samples => targets.sort_by_key(|target| std::cmp::Reverse(samples(target))),
        }
    }
}

impl Asked {
    pub(super) fn of(query: &str) -> Self {
        let mut asked =
            Self { limit: number(query, "limit").unwrap_or(SHOWN).clamp(1, MOST), ..Self::default() };
        asked.offset = number(query, "offset").unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "namespace" => asked.namespace = value.into_owned(),
                "state" => asked.state = State::ALL.into_iter().find(|state| state.name() == value),
                "q" => asked.text = value.into_owned(),
                "sort" => {
                    asked.sort = Sort::ALL.into_iter().find(|sort| sort.name() == value).unwrap_or_default();
                }
                _ => {}
            }
        }
        asked
    }

    pub(super) fn wants(&self, target: &TargetStatus) -> bool {
        (self.namespace.is_empty() || self.namespace == target.namespace)
            && self.state.is_none_or(|state| state == State::of(target))
            && self.text.split_whitespace().all(|word| mentions(target, word))
    }

    /// The part of `rows` that is asked for.
    pub(super) fn part<'t, T>(&self, rows: &'t [T]) -> &'t [T] {
        let rest = rows.get(self.offset..).unwrap_or_default();
        rest.get(..self.limit).unwrap_or(rest)
    }

    /// The query of the part after this one, if there is one.
    pub(super) fn next(&self, all: usize) -> Option<Self> {
        let offset = self.offset.saturating_add(self.limit);
        (offset < all).then(|| Self { offset, ..self.clone() })
    }

    /// The query of the part before this one, if there is one.
    pub(super) fn previous(&self) -> Option<Self> {
        (self.offset > 0).then(|| Self { offset: self.offset.saturating_sub(self.limit), ..self.clone() })
    }

    pub(super) fn with_state(&self, state: Option<State>) -> Self {
        Self { state, offset: 0, ..self.clone() }
    }

    /// As it stands in a URL.
    pub(super) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let state = self.state.map_or("", State::name);
        let sort = if self.sort == Sort::State { "" } else { self.sort.name() };
        for (name, value) in
            [("namespace", &*self.namespace), ("state", state), ("q", &self.text), ("sort", sort)]
        {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        for (name, value, default) in [("offset", self.offset, 0), ("limit", self.limit, SHOWN)] {
            if value != default {
                query.append_pair(name, &value.to_string());
            }
        }
        query.finish()
    }
}

fn mentions(target: &TargetStatus, word: &str) -> bool {
    let error = target.last_scrape.as_ref().and_then(|last| last.error.as_ref());
    let texts =
        [Some(&target.namespace), Some(&target.pod), target.url.as_ref(), error.map(|error| &error.message)];
    texts.into_iter().flatten().chain(&target.problems).any(|text| text.contains(word))
}

/// Rows of a page.
const SHOWN: usize = 1_000;

/// Rows that a program may ask for at once.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_it_was_made_of() {
        for query in ["", "namespace=shop&state=down&q=web+refused&sort=samples&offset=20&limit=10"] {
            assert_eq!(Asked::of(query).query(), query);
        }
        assert_eq!(Asked::of("state=nonsense&sort=x&offset=x&limit=0"), Asked { limit: 1, ..Asked::of("") });
    }

    #[test]
    fn parts_follow_each_other_and_end() {
        let asked = Asked::of("limit=2");
        let second = asked.next(3).unwrap();
        assert_eq!((asked.part(&[1, 2, 3]), second.part(&[1, 2, 3])), (&[1, 2][..], &[3][..]));
        assert_eq!((second.next(3), second.previous()), (None, Some(asked)));
        assert_eq!(Asked { offset: 9, ..second }.part(&[1]), [0; 0]);
    }
}
