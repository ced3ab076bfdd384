//! The lines of a draft, told what they are: the full parse.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{
    Line, Mark, Template,
    census::PROCESS_START,
    draft::{Draft, Pending},
    faults::Faults,
    limits::{self, LimitError},
    meaning::{Counting, Meaning, Verdict},
    notes::Notes,
    relabelled,
    starts::Starts,
};
use crate::{
    exposition::{Membership, Reading, Series},
    store::{SeriesKind, ShapeBuilder},
};

/// What a draft comes to.
pub(super) struct Sorted {
    pub(super) template: Template,
    /// For each series the place in the shape of the last template.
    pub(super) moved: Vec<Option<u32>>,
    /// The series with a timestamp of their own.
    pub(super) timestamps: Vec<(u32, i64)>,
    /// What stands in the spare lines, in their order.
    pub(super) spare: Vec<Reading>,
    /// `process_start_time_seconds`, if it is not kept as a series.
    pub(super) process_start: Option<f64>,
}

/// Sorts the lines of `draft`; `values` gets one for each series of the template.
pub(super) fn sort(
    draft: Draft,
    last: Option<&Template>,
    values: &mut Vec<f64>,
) -> Result<Sorted, LimitError> {
    let mut sorter = Sorter::new(&draft);
    sorter.tell_conflicts();
    values.clear();
    let marks = sorter.sort_lines(values)?;
    if let Some(last) = last {
        sorter.match_respelled(&marks, last);
    }
    if sorter.found.has_starts {
        sorter.link_created(&marks);
    }
    let found = sorter.finish(&marks)?;
    Ok(found.into_sorted(draft, &marks))
}

/// What the series of one name are in this body.
struct Named {
    meaning: Meaning,
    is_wanted: bool,
}

/// Walks over the lines.
struct Sorter<'d> {
    draft: &'d Draft,
    named: Vec<Named>,
    seen: HashTable<Seen>,
    hash: RandomState,
    samples: usize,
    found: Found,
}

/// What the lines come to.
struct Found {
    shape: ShapeBuilder,
    notes: Notes,
    faults: Faults,
    starts: Starts,
    moved: Vec<Option<u32>>,
    timestamps: Vec<(u32, i64)>,
    spare: Vec<Reading>,
    spare_lines: Vec<u32>,
    /// The place of the process's start, if it is kept.
    start_place: Option<u32>,
    process_start: Option<f64>,
    left_out: usize,
    has_starts: bool,
}

/// A series that has stood in a line.
#[derive(Clone, Copy)]
struct Seen {
    hash: u64,
    line: u32,
    place: u32,
}

impl<'d> Sorter<'d> {
    fn new(draft: &'d Draft) -> Self {
        let mut notes = Notes::new(&draft.rules);
        let named = draft.census.names().iter().map(|name| {
            let meaning = draft.census.meaning(&name.text, &draft.rules);
            Named { meaning, is_wanted: notes.is_kept(&name.text, meaning, &draft.rules) }
        });
        let named: Vec<Named> = named.collect();
        let mut shape = ShapeBuilder::default();
        for (name, _) in draft.census.names().iter().zip(&named).filter(|(_, named)| !named.is_wanted) {
            shape.leave_out(&name.text);
        }
        let starts = Starts::of(&draft.census);
        let room = draft.pending.len();
        Self {
            draft,
            named,
            seen: HashTable::with_capacity(room),
            hash: RandomState::default(),
            samples: 0,
            found: Found {
                shape,
                notes,
                faults: Faults::default(),
                starts,
                moved: Vec::with_capacity(room),
                timestamps: Vec::new(),
                spare: Vec::new(),
                spare_lines: Vec::new(),
                start_place: None,
                process_start: None,
                left_out: draft.unwanted,
                has_starts: false,
            },
        }
    }

    fn tell_conflicts(&mut self) {
        for (family, [one, other]) in self.draft.census.conflicts() {
            let (one, other) = (one.word(), other.word());
            let fault = format!("# TYPE declares {family:?} as {one} and as {other}");
            for family in self.draft.census.stored_families(family, &self.draft.rules) {
                self.found.faults.add(&family, || fault.clone());
            }
        }
    }

    /// Marks each pending line, in order; `values` gets what is kept.
    fn sort_lines(&mut self, values: &mut Vec<f64>) -> Result<Vec<Mark>, LimitError> {
        let draft = self.draft;
        let spare = (0_u32..).zip(&draft.lines).filter(|(_, line)| line.mark == Mark::Spare);
        let mut marks = Vec::with_capacity(draft.pending.len());
        for ((at, line), pending) in spare.zip(&draft.pending) {
            let mark = self.sort_line((at, *line), pending)?;
            self.found.take(at, mark, pending, values);
            marks.push(mark);
        }
        Ok(marks)
    }

    fn sort_line(&mut self, (at, line): (u32, Line), pending: &Pending) -> Result<Mark, LimitError> {
        let text = self.draft.text(line);
        let Some(named) = self.named.get(pending.name as usize) else { return Ok(Mark::Spare) };
        let meaning = named.meaning;
        let Ok(mut series) = Series::parse(text) else { return Ok(Mark::Spare) };
        if !named.is_wanted {
            return Ok(self.found.leave_out(&series));
        }
        series.canonicalise(meaning.membership);
        let is_start = is_process_start(&series);
        let Some(series) = relabelled::apply(series, &self.draft.rules.series) else {
            return Ok(self.found.drop(is_start));
        };
        limits::check(&series, text, &self.draft.rules.limits)?;
        self.count()?;
        let Some(kind) = self.found.judge(&series, meaning, text) else { return Ok(Mark::Spare) };
        if let Some(first) = self.first(&series, at, meaning.membership) {
            return Ok(Mark::Duplicate(first));
        }
        Ok(Mark::Kept(self.found.add(&series, kind, is_start)))
    }

    fn count(&mut self) -> Result<(), LimitError> {
        self.samples += 1;
        let limit = self.draft.rules.limits.samples;
        let found = self.draft.pending.len();
        if self.samples > limit { Err(LimitError::Samples { found, limit }) } else { Ok(()) }
    }

    /// The place of the same series in an earlier line, however it is spelled there.
    fn first(&mut self, series: &Series<'_>, at: u32, membership: Membership) -> Option<u32> {
        let hash = self.hash.hash_one(series);
        let draft = self.draft;
        let same = |seen: &Seen| {
            let line = || draft.lines.get(seen.line as usize).map(|line| draft.text(*line));
            seen.hash == hash
                && line().and_then(|text| relabelled::read(text, membership, &draft.rules.series)).as_ref()
                    == Some(series)
        };
        if let Some(seen) = self.seen.find(hash, same) {
            return Some(seen.place);
        }
        let seen = Seen { hash, line: at, place: self.found.place() };
        self.seen.insert_unique(hash, seen, |seen| seen.hash);
        None
    }

    /// The kept series: the text, the place, and what its name means.
    fn kept(&self, marks: &[Mark]) -> impl Iterator<Item = (&'d str, u32, Meaning)> {
        let draft = self.draft;
        let spare = draft.lines.iter().filter(|line| line.mark == Mark::Spare);
        let named = draft.pending.iter().map(|pending| self.named.get(pending.name as usize));
        spare.zip(named).zip(marks).filter_map(move |((line, named), mark)| match mark {
            Mark::Kept(place) => Some((draft.text(*line), *place, named?.meaning)),
            _ => None,
        })
    }

    /// Finds series of `last` that are spelled another way now, such as with labels in another order.
    fn match_respelled(&mut self, marks: &[Mark], last: &Template) {
        let missing = self.found.moved.iter().filter(|place| place.is_none()).count();
        let matched = self.found.moved.len() - missing;
        if missing == 0 || matched >= last.shape.len() {
            return;
        }
        let mut gone = vec![true; last.shape.len()];
        for place in self.found.moved.iter().flatten() {
            if let Some(gone) = gone.get_mut(*place as usize) {
                *gone = false;
            }
        }
        let is_gone = |place: u32| gone.get(place as usize).copied().unwrap_or_default();
        let places: HashMap<Series<'_>, u32, RandomState> = last
            .lines
            .iter()
            .filter_map(|line| Some((line.place().filter(|place| is_gone(*place))?, last.text(*line))))
            .filter_map(|(place, text)| Some((Series::parse(std::str::from_utf8(text).ok()?).ok()?, place)))
            .collect();
        let respelled: Vec<(u32, u32)> = self
            .kept(marks)
            .filter(|(_, place, _)| self.found.moved.get(*place as usize) == Some(&None))
            .filter_map(|(text, place, _)| Some((place, *places.get(&Series::parse(text).ok()?)?)))
            .collect();
        for (place, from) in respelled {
            if let Some(moved) = self.found.moved.get_mut(place as usize) {
                *moved = Some(from);
            }
        }
    }

    /// Tells the shape which series say when others began to count.
    fn link_created(&mut self, marks: &[Mark]) {
        let mut moments: HashMap<Counting, u32, RandomState> = HashMap::default();
        let mut counters = Vec::new();
        for (text, place, meaning) in self.kept(marks) {
            let rules = &self.draft.rules.series;
            let Some(series) = relabelled::read(text, meaning.membership, rules) else { continue };
            match meaning.judge(&series) {
                Verdict::Counts(SeriesKind::Created) => {
                    moments.insert(Counting::of(&series, meaning, &self.hash), place);
                }
                _ if meaning.counts() => counters.push((Counting::of(&series, meaning, &self.hash), place)),
                _ => {}
            }
        }
        for (counting, place) in counters {
            if let Some(&created) = moments.get(&counting) {
                self.found.shape.created(place, created);
            }
        }
    }

    fn finish(self, marks: &[Mark]) -> Result<Found, LimitError> {
        let Self { draft, mut found, .. } = self;
        let mut spare = 0_u32;
        for (pending, mark) in draft.pending.iter().zip(marks) {
            match mark {
                Mark::Kept(place) => found.starts.add_place(pending.name, *place),
                Mark::Spare | Mark::Duplicate(_) => {
                    found.starts.add_spare(pending.name, spare);
                    spare += 1;
                }
                _ => {}
            }
        }
        found.faults.check()?;
        Ok(found)
    }
}

impl Found {
    /// A series that no list, or no rule, keeps; the start of the process is told all the same.
    fn leave_out(&mut self, series: &Series<'_>) -> Mark {
        self.drop(is_process_start(series))
    }

    fn drop(&mut self, is_start: bool) -> Mark {
        self.left_out += 1;
        let is_first = is_start && self.process_start.is_none();
        if is_first { Mark::ProcessStart } else { Mark::Spare }
    }

    /// How the series counts; `None` if it is not read.
    fn judge(&mut self, series: &Series<'_>, meaning: Meaning, text: &str) -> Option<SeriesKind> {
        match meaning.judge(series) {
            Verdict::Counts(kind) => return Some(kind),
            Verdict::Unread => self.notes.unread(&series.name),
            Verdict::Flawed(flaw) => {
                self.faults.add(meaning.family(&series.name), || limits::excerpt(text) + ": " + flaw);
            }
        }
        None
    }

    fn add(&mut self, series: &Series<'_>, kind: SeriesKind, is_start: bool) -> u32 {
        let place = self.place();
        if is_start {
            self.start_place = Some(place);
        }
        self.has_starts |= kind == SeriesKind::Created;
        let labels = series.labels.iter().map(|(name, value)| (&**name, &**value));
        self.shape.add(&series.name, kind, labels);
        place
    }

    fn place(&self) -> u32 {
        u32::try_from(self.moved.len()).unwrap_or(u32::MAX)
    }

    fn take(&mut self, at: u32, mark: Mark, pending: &Pending, values: &mut Vec<f64>) {
        match mark {
            Mark::Kept(place) => {
                values.push(pending.reading.value);
                self.moved.push(pending.last_place);
                self.timestamps.extend(pending.reading.timestamp_ms.map(|timestamp| (place, timestamp)));
            }
            Mark::ProcessStart => self.process_start = Some(pending.reading.value),
            _ => {
                self.spare.push(pending.reading);
                self.spare_lines.push(at);
            }
        }
    }

    fn into_sorted(self, draft: Draft, marks: &[Mark]) -> Sorted {
        let mut lines = draft.lines;
        for (line, mark) in lines.iter_mut().filter(|line| line.mark == Mark::Spare).zip(marks) {
            line.mark = *mark;
        }
        let template = Template {
            format: draft.format,
            allow: draft.rules.allow,
            counters: draft.rules.counters,
            series: draft.rules.series,
            text: draft.text.into(),
            lines: lines.into(),
            is_whole: draft.is_whole,
            shape: Arc::new(self.shape.build()),
            process_start: self.start_place,
            left_out: self.left_out,
            spare: self.spare_lines.into(),
            starts: self.starts,
            notes: self.notes.into_list(),
            faults: self.faults.into_list().into(),
            by_text: OnceLock::new(),
            charge: None,
        };
        Sorted {
            template,
            moved: self.moved,
            timestamps: self.timestamps,
            spare: self.spare,
            process_start: self.process_start,
        }
    }
}

impl Draft {
    /// The text of a line that is a series.
    fn text(&self, line: Line) -> &str {
        let text = self.text.get(line.from as usize..line.to as usize).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

fn is_process_start(series: &Series<'_>) -> bool {
    series.name == PROCESS_START && series.labels.is_empty()
}
