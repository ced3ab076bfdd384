//! What the body of a target looks like without its numbers.
//!
//! A [`Template`] is the text of each line up to its value, in order. It does three things at once: it recognises a
//! body that has the same lines as the last one, by comparing bytes and reading numbers, without parsing a label; it
//! says which series each line is, because it carries the store's [`Shape`]; and it is shared by every target that
//! exposes the same lines, which the replicas of a Deployment do.
//!
//! A template is a function of the lines alone: of their texts in order, the format and the [`Rules`]; and of whether
//! what is called `_created` holds moments. Nothing of how it came about is in it, so the steady way ([`read`] with a
//! last template) and the full parse (without) agree; `tests` holds them to that on mutated bodies. What one line says
//! of another counts wherever it stands.
//!
//! ```text
//! body ─▶ Pass ─┬─ every line stands where it stood ─▶ the last template, values in order
//!               └─ one does not ─▶ Draft (replays the lines so far, collects on) ─▶ sorting ─▶ Templates::intern
//! ```

mod census;
mod declaration;
mod draft;
mod faults;
mod intern;
mod limits;
mod meaning;
mod notes;
mod pass;
mod relabelled;
mod sorting;
mod starts;
#[cfg(test)]
mod tests;

use std::{
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

pub use intern::Templates;
pub use limits::{LimitError, SeriesLimits};

use self::starts::Starts;
use super::allow::{AllowList, NameList};
use crate::{
    exposition::{self, Expected, Format, ParseError, Rejected},
    relabel::SeriesRules,
    store::{AppendError, Charge, Shape, Unreadable},
};

/// How the bodies of a target are read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The metrics that are kept.
    pub allow: Arc<AllowList>,
    /// The untyped series and gauges that count.
    pub counters: Arc<NameList>,
    /// What becomes of the labels of series.
    pub series: Arc<SeriesRules>,
    /// What a body may hold.
    pub limits: SeriesLimits,
    /// One bad line fails the whole body.
    pub strict: bool,
}

/// The lines of a body without their numbers, and the series that they are.
#[derive(Debug)]
pub struct Template {
    format: Format,
    allow: Arc<AllowList>,
    counters: Arc<NameList>,
    series: Arc<SeriesRules>,
    text: Box<[u8]>,
    lines: Box<[Line]>,
    /// Whether all lines are there; of very many unwanted ones the last are not.
    is_whole: bool,
    shape: Arc<Shape>,
    /// Where `process_start_time_seconds` is among the series, if it is kept.
    process_start: Option<u32>,
    /// How many series a list or a rule leaves out.
    left_out: usize,
    /// The lines that are marked as spare or as duplicates.
    spare: Box<[u32]>,
    /// The series whose values decide what they are.
    starts: Starts,
    /// What is to be said of it on a page.
    notes: Arc<[String]>,
    /// The families that these lines make unreadable.
    faults: Box<[Unreadable]>,
    /// Series lines by their text; built when a line is first looked for out of order.
    by_text: OnceLock<HashTable<u32>>,
    /// What it takes of all that scrapes may hold.
    charge: Option<Charge>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    from: u32,
    to: u32,
    mark: Mark,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// A comment without effect.
    Comment,
    /// A comment that declares a type.
    Type,
    /// A series, at this place of the shape.
    Kept(u32),
    /// The moment at which the process started, not kept as a series.
    ProcessStart,
    /// A series that the allow-list leaves out by its name.
    Unwanted,
    /// A series that is not kept, but might be if other lines said other things of it.
    Spare,
    /// A series that stood in an earlier line, which is kept at this place.
    Duplicate(u32),
}

/// What a good body held.
#[derive(Debug)]
pub struct Reading {
    /// Its lines.
    pub template: Arc<Template>,
    /// For each series its place in the last template's shape; `None` when it has the same template as the last one,
    /// or when there was none.
    pub moved: Option<Vec<Option<u32>>>,
    /// `process_start_time_seconds`, if it has one.
    pub process_start: Option<f64>,
    /// Samples that it had.
    pub samples: usize,
    /// The bad lines.
    pub rejected: Rejected,
    /// Protobuf families that had nothing to tell (native histograms).
    pub skipped: usize,
    /// The series with a timestamp of their own (milliseconds since 1970), by place, ascending.
    pub timestamps: Vec<(u32, i64)>,
    /// The families that cannot be read, and why; no value of theirs counts.
    pub unreadable: Vec<Unreadable>,
}

/// Why nothing of a body is used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no exposition.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It holds more than it may.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// All bodies together hold more than they may.
    #[error(transparent)]
    Full(#[from] AppendError),
}

/// Reads a body. `values` gets one value for each series of the resulting template's shape.
///
/// # Errors
/// When the body as a whole is of no use or over a limit; `values` is then of no use either.
pub fn read(
    body: &[u8],
    format: Format,
    rules: &Rules,
    last: Option<&Arc<Template>>,
    (templates, values): (&Templates, &mut Vec<f64>),
) -> Result<Reading, ReadError> {
    values.clear();
    let mut pass = pass::Pass::new(format, rules, last, values);
    let options = exposition::Options { strict: rules.strict };
    let summary = exposition::read(body, format, options, &mut pass)?;
    let ended = pass.end(templates)?;
    let process_start = match ended.process_start {
        None => ended.template.process_start.and_then(|at| values.get(at as usize).copied()),
        started => started,
    };
    Ok(Reading {
        template: ended.template,
        moved: ended.moved,
        process_start,
        samples: summary.samples,
        rejected: summary.rejected,
        skipped: summary.skipped.count,
        timestamps: ended.timestamps,
        unreadable: ended.unreadable,
    })
}

impl Template {
    /// The series, as the store knows them.
    #[must_use]
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Estimated heap bytes, the shape's included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let faults = self.faults.iter().map(|fault| fault.family.len() + fault.fault.len());
        let told: usize = self.notes.iter().map(String::len).chain(faults).sum();
        let lines = self.lines.len() * size_of::<Line>() + 4 * self.spare.len() + self.starts.bytes();
        size_of::<Self>() + self.text.len() + lines + self.shape.bytes() + told
    }

    /// What a page says of it: entries of annotations that meet nothing, and what is exposed and not read.
    #[must_use]
    pub fn notes(&self) -> &Arc<[String]> {
        &self.notes
    }

    /// How many series a list or a rule leaves out.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn is_read_by(&self, rules: &Rules) -> bool {
        self.allow == rules.allow && self.counters == rules.counters && self.series == rules.series
    }

    /// What its target was charged for it.
    #[must_use]
    pub fn charged(&self) -> usize {
        self.charge.as_ref().map_or(0, Charge::amount)
    }

    /// What it makes the process hold at most: beside itself the index of its lines, and the names of its metrics.
    fn cost(&self) -> usize {
        self.bytes() + self.lines.len() * INDEX_OF_LINE + self.shape.catalog_bytes()
    }

    #[inline]
    fn text(&self, line: Line) -> &[u8] {
        self.text.get(line.from as usize..line.to as usize).unwrap_or_default()
    }

    #[inline]
    fn expected(&self, at: usize) -> Expected<'_> {
        let Some(&line) = self.lines.get(at) else { return Expected::Unknown };
        match line.mark {
            // protobuf has no comments; what its families declare is compared in another way
            Mark::Comment | Mark::Type if self.format == Format::Protobuf => Expected::Unknown,
            Mark::Comment | Mark::Type => Expected::Comment(self.text(line)),
            _ => Expected::Series(self.text(line)),
        }
    }

    /// A line of this text: one of the next ones, else, if it is a series, any.
    fn find(&self, text: &[u8], at: usize, anywhere: bool) -> Option<usize> {
        let ahead = self.lines.iter().enumerate().skip(at).take(LOOK_AHEAD);
        let mut same = ahead.filter(|(_, line)| !line.is_duplicate() && self.text(**line) == text);
        match same.next() {
            Some((found, _)) => Some(found),
            None if anywhere => self.find_anywhere(text),
            None => None,
        }
    }

    fn find_anywhere(&self, text: &[u8]) -> Option<usize> {
        let table = self.by_text.get_or_init(|| self.index());
        let same = |&at: &u32| self.lines.get(at as usize).is_some_and(|line| self.text(*line) == text);
        table.find(hash_text(text), same).map(|&at| at as usize)
    }

    fn index(&self) -> HashTable<u32> {
        let hash = |&at: &u32| self.lines.get(at as usize).map_or(0, |line| hash_text(self.text(*line)));
        let mut table = HashTable::with_capacity(self.lines.len());
        for (at, line) in (0_u32..).zip(&self.lines) {
            if !matches!(line.mark, Mark::Comment | Mark::Type | Mark::Duplicate(_)) {
                table.insert_unique(hash_text(self.text(*line)), at, hash);
            }
        }
        table
    }
}

impl Line {
    /// Its place among the kept series.
    fn place(self) -> Option<u32> {
        if let Mark::Kept(place) = self.mark { Some(place) } else { None }
    }

    fn is_duplicate(self) -> bool {
        matches!(self.mark, Mark::Duplicate(_))
    }
}

/// Texts come from pods, so the seed must not be guessable; one seed for the process, since tables are kept.
fn hash_text(text: &[u8]) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::default).hash_one(text)
}

/// A place in a hash table that is nearly half empty.
const INDEX_OF_LINE: usize = 10;

/// How far a removed block of lines may reach before lines are looked up by hash. Most changes are a few series that
/// come or go; comparing lengths and a few bytes is cheaper than hashing.
const LOOK_AHEAD: usize = 16;
