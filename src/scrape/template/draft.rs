//! A template in the making: the lines of a body, until it is known what they are.

use std::sync::Arc;

use super::{
    Line, Mark, Rules, Template,
    census::Census,
    limits::LimitError,
    sorting::{self, Sorted},
};
use crate::exposition::{Format, Metadata, Reading, series_name};

/// Collects lines in the order of the body. What a series is, the whole body says: a type may be declared below it.
pub(super) struct Draft {
    pub(super) format: Format,
    pub(super) rules: Rules,
    pub(super) text: Vec<u8>,
    pub(super) lines: Vec<Line>,
    /// One for each line that is marked as a spare one.
    pub(super) pending: Vec<Pending>,
    pub(super) census: Census,
    /// How many series are no candidates.
    pub(super) unwanted: usize,
    /// Whether all lines are here.
    pub(super) is_whole: bool,
    broken: Option<LimitError>,
}

/// A sample that may be kept.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) reading: Reading,
    /// Its place in the last shape, if it was there.
    pub(super) last_place: Option<u32>,
    /// The number of its name.
    pub(super) name: u32,
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
            pending: Vec::with_capacity(last.map_or(0, |last| last.shape.len())),
            census: Census::default(),
            unwanted: 0,
            is_whole: true,
            broken: None,
        }
    }

    /// Takes a line that is as in `last`.
    pub(super) fn take_over(&mut self, last: &Template, line: Line, reading: Reading) {
        let text = last.text(line);
        match line.mark {
            Mark::Comment => self.push(text, Mark::Comment),
            Mark::Type => self.declared(text),
            _ => self.series(std::str::from_utf8(text).unwrap_or_default(), line.place(), reading),
        }
    }

    /// Takes a comment. `text` is the line, or for protobuf a declaration.
    pub(super) fn comment(&mut self, text: &[u8], metadata: &Metadata<'_>) {
        match metadata {
            Metadata::Type { family, kind } => {
                self.census.declare(family, *kind);
                self.push(text, Mark::Type);
            }
            _ => self.push(text, Mark::Comment),
        }
    }

    /// Takes a sample, whose place in the last shape is `last_place` if it was there.
    pub(super) fn series(&mut self, text: &str, last_place: Option<u32>, reading: Reading) {
        if let Some(broken) = &mut self.broken {
            if let LimitError::Samples { found, .. } = broken {
                *found += usize::from(self.rules.allow.may_keep(&series_name(text)));
            }
            return;
        }
        let name = self.census.note(text, reading.value, &self.rules);
        if !self.census.is_candidate(name) {
            self.unwanted += 1;
            return self.push(text.as_bytes(), Mark::Unwanted);
        }
        let limit = self.rules.limits.samples;
        let may_leave_out = !self.rules.allow.list().is_empty() || self.rules.series.may_drop();
        let most = if may_leave_out { limit.saturating_mul(LINES_PER_SAMPLE) } else { limit };
        if self.pending.len() >= most {
            self.broken = Some(LimitError::Samples { found: most + 1, limit });
            return;
        }
        self.pending.push(Pending { reading, last_place, name });
        self.push(text.as_bytes(), Mark::Spare);
    }

    /// The template and the values, with the place of each series in the shape of `last`.
    pub(super) fn finish(self, last: Option<&Template>, values: &mut Vec<f64>) -> Result<Sorted, LimitError> {
        match self.broken {
            Some(error) => Err(error),
            None => sorting::sort(self, last, values),
        }
    }

    fn declared(&mut self, text: &[u8]) {
        self.census.declare_text(text, self.format);
        self.push(text, Mark::Type);
    }

    fn push(&mut self, text: &[u8], mark: Mark) {
        let limit = self.rules.limits.samples.saturating_mul(LINES_PER_SAMPLE).saturating_add(1000);
        let others = self.lines.len() - self.unwanted.min(limit).min(self.lines.len());
        if mark == Mark::Unwanted && self.unwanted > limit {
            self.is_whole = false;
            return;
        }
        if mark != Mark::Unwanted && others >= limit {
            self.broken.get_or_insert(LimitError::Lines { limit });
            return;
        }
        let from = self.text_len();
        self.text.extend_from_slice(text);
        self.lines.push(Line { from, to: self.text_len(), mark });
    }

    fn text_len(&self) -> u32 {
        // bodies are capped far below
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

/// Many clients write HELP and TYPE for a single sample; a page that is mostly comments is an attack.
const LINES_PER_SAMPLE: usize = 4;
