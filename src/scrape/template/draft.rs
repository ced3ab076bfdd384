//! A template in the making: the full parse.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{
    Line, Mark, Rules, Template, declaration,
    limits::{self, LimitError},
    meaning::{Counting, counts, is_wanted, series_kind},
};
use crate::{
    exposition::{self, Dialect, Families, Format, Lines, Membership, Metadata, Role, Series},
    store::ShapeBuilder,
};

/// Collects lines, and what they are, in the order of the body.
pub(super) struct Draft {
    format: Format,
    rules: Rules,
    text: Vec<u8>,
    lines: Vec<Line>,
    families: Families,
    seen: HashTable<Seen>,
    hash: RandomState,
    shape: ShapeBuilder,
    moved: Vec<Option<u32>>,
    samples: usize,
    process_start: Option<u32>,
    created: bool,
    broken: Option<LimitError>,
}

/// A series that has stood in a line.
#[derive(Clone, Copy)]
struct Seen {
    hash: u64,
    line: u32,
}

impl Draft {
    /// An empty one; room is made for a body like the last one.
    pub(super) fn new(format: Format, rules: &Rules, last: Option<&Arc<Template>>) -> Self {
        let (bytes, lines) = last.map_or((0, 0), |last| (last.text.len(), last.lines.len()));
        Self {
            format,
            rules: rules.clone(),
            text: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(lines),
            families: Families::default(),
            seen: HashTable::with_capacity(lines),
            hash: RandomState::default(),
            shape: ShapeBuilder::default(),
            moved: Vec::with_capacity(lines),
            samples: 0,
            process_start: None,
            created: false,
            broken: None,
        }
    }

    /// Takes the first lines of `last`.
    pub(super) fn take_over_start(&mut self, last: &Template, lines: usize) {
        for line in last.lines.iter().take(lines) {
            self.take_over(last, *line);
        }
    }

    /// Takes a line that is as in `last`.
    pub(super) fn take_over(&mut self, last: &Template, line: Line) -> Mark {
        let text = last.text(line);
        match line.mark {
            Mark::Comment | Mark::Type => self.comment_again(text),
            _ => self.series(std::str::from_utf8(text).unwrap_or_default(), line.place()),
        }
    }

    /// Takes a comment. `text` is the line, or for protobuf what [`declaration::write`] wrote.
    pub(super) fn comment(&mut self, text: &[u8], metadata: &Metadata<'_>) -> Mark {
        let mark = match metadata {
            Metadata::Type { family, kind } => {
                self.families.declare(family, *kind);
                Mark::Type
            }
            _ => Mark::Comment,
        };
        self.push(text, mark)
    }

    /// Takes a series, whose place in the last shape is `last_place` if it was there.
    pub(super) fn series(&mut self, text: &str, last_place: Option<u32>) -> Mark {
        self.samples += 1;
        if self.samples > self.rules.limits.samples || self.broken.is_some() {
            return Mark::Unwanted;
        }
        let Ok(mut series) = Series::parse(text) else { return Mark::Unwanted };
        let membership = self.families.membership(&series.name);
        series.canonicalise(membership);
        if let Err(error) = limits::check(&series, text, &self.rules.limits) {
            self.broken = Some(error);
            return Mark::Unwanted;
        }
        let mark = self.mark(&series, membership);
        if let Mark::Kept(_) = mark {
            let labels = series.labels.iter().map(|(name, value)| (&**name, &**value));
            self.shape.add(&series.name, series_kind(&series, membership), labels);
            self.moved.push(last_place);
            self.created |= membership.role == Role::Created;
        }
        self.push(text.as_bytes(), mark)
    }

    /// The template, and for each of its series the place in the shape of `last`.
    pub(super) fn finish(
        mut self,
        last: Option<&Template>,
    ) -> Result<(Template, Vec<Option<u32>>), LimitError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if let Some(last) = last {
            self.match_respelled(last);
        }
        if self.created {
            self.link_created();
        }
        let template = Template {
            format: self.format,
            allow: self.rules.allow,
            text: self.text.into(),
            lines: self.lines.into(),
            shape: Arc::new(self.shape.build()),
            process_start: self.process_start,
            by_text: OnceLock::new(),
            charge: None,
        };
        Ok((template, self.moved))
    }

    fn comment_again(&mut self, text: &[u8]) -> Mark {
        let dialect = match self.format {
            Format::Text => Dialect::Text,
            Format::OpenMetrics => Dialect::OpenMetrics,
            Format::Protobuf => {
                let declaration = std::str::from_utf8(text).ok().and_then(declaration::read);
                let Some((family, kind)) = declaration else { return Mark::Comment };
                return self.comment(text, &Metadata::Type { family: family.into(), kind });
            }
        };
        match Lines::new(text, dialect).next_line() {
            Some(Ok(exposition::Line::Metadata(line))) => self.comment(text, &line.metadata),
            _ => Mark::Comment,
        }
    }

    fn push(&mut self, text: &[u8], mark: Mark) -> Mark {
        let limit = self.rules.limits.samples.saturating_mul(LINES_PER_SAMPLE).saturating_add(1000);
        if self.lines.len() >= limit {
            self.broken.get_or_insert(LimitError::Lines { limit });
            return mark;
        }
        let from = self.text_len();
        self.text.extend_from_slice(text);
        self.lines.push(Line { from, to: self.text_len(), mark });
        mark
    }

    fn text_len(&self) -> u32 {
        // bodies are capped far below
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn line_len(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    fn mark(&mut self, series: &Series<'_>, membership: Membership) -> Mark {
        if !self.is_first(series, membership) {
            return Mark::Duplicate;
        }
        let is_start = series.name == PROCESS_START && series.labels.is_empty();
        match is_wanted(&self.rules, series, membership) {
            true => {
                let place = u32::try_from(self.moved.len()).unwrap_or(u32::MAX);
                self.process_start = if is_start { Some(place) } else { self.process_start };
                Mark::Kept(place)
            }
            false if is_start => Mark::ProcessStart,
            false => Mark::Unwanted,
        }
    }

    /// Whether no earlier line is the same series, however spelled.
    fn is_first(&mut self, series: &Series<'_>, membership: Membership) -> bool {
        let hash = self.hash.hash_one(series);
        let (lines, text) = (&self.lines, &self.text);
        let same = |seen: &Seen| {
            seen.hash == hash
                && lines.get(seen.line as usize).is_some_and(|line| {
                    let text = text.get(line.from as usize..line.to as usize).unwrap_or_default();
                    parse_again(text, membership).as_ref() == Some(series)
                })
        };
        if self.seen.find(hash, same).is_some() {
            return false;
        }
        let seen = Seen { hash, line: self.line_len() };
        self.seen.insert_unique(hash, seen, |seen| seen.hash);
        true
    }

    /// Finds series of `last` that are spelled another way now, such as with labels in another order.
    fn match_respelled(&mut self, last: &Template) {
        let missing = self.moved.iter().filter(|place| place.is_none()).count();
        let matched = self.moved.len() - missing;
        if missing == 0 || matched >= last.shape.len() {
            return;
        }
        let mut gone = vec![true; last.shape.len()];
        for place in self.moved.iter().flatten() {
            if let Some(gone) = gone.get_mut(*place as usize) {
                *gone = false;
            }
        }
        let is_gone = |place: u32| gone.get(place as usize).copied().unwrap_or_default();
        let places: HashMap<Series<'_>, u32, RandomState> = last
            .lines
            .iter()
            .filter_map(|line| Some((line.place().filter(|place| is_gone(*place))?, last.text(*line))))
            .filter_map(|(place, text)| Some((parse_again(text, Membership::default())?, place)))
            .collect();
        for line in &self.lines {
            let Some(place) = line.place() else { continue };
            let Some(moved @ None) = self.moved.get_mut(place as usize) else { continue };
            let text = self.text.get(line.from as usize..line.to as usize).unwrap_or_default();
            *moved = parse_again(text, Membership::default()).and_then(|series| places.get(&series).copied());
        }
    }

    /// Tells the shape which series say when others began to count.
    fn link_created(&mut self) {
        let mut moments: HashMap<Counting, u32, RandomState> = HashMap::default();
        let mut counters = Vec::new();
        for line in &self.lines {
            let Some(place) = line.place() else { continue };
            let text = self.text.get(line.from as usize..line.to as usize).unwrap_or_default();
            let Some(series) = parse_again(text, Membership::default()) else { continue };
            let membership = self.families.membership(&series.name);
            let counting = Counting::of(&series, membership, &self.hash);
            match membership {
                Membership { role: Role::Created, .. } => drop(moments.insert(counting, place)),
                _ if counts(membership) => counters.push((counting, place)),
                _ => {}
            }
        }
        for (counting, place) in counters {
            if let Some(&created) = moments.get(&counting) {
                self.shape.created(place, created);
            }
        }
    }
}

fn parse_again(text: &[u8], membership: Membership) -> Option<Series<'_>> {
    let mut series = Series::parse(std::str::from_utf8(text).ok()?).ok()?;
    series.canonicalise(membership);
    Some(series)
}

/// Many clients write HELP and TYPE for a single sample; a page that is mostly comments is an attack.
const LINES_PER_SAMPLE: usize = 4;

/// What the client libraries expose of their process.
const PROCESS_START: &str = "process_start_time_seconds";
