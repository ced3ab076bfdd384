//! One walk over a body, beside the template of the last one.

use std::sync::Arc;

use super::{
    Line, Mark, ReadError, Rules, Template, Templates, declaration,
    draft::Draft,
    faults::{self, Refusals},
    sorting::Sorted,
};
use crate::{
    exposition::{Expected, Format, Metadata, Reading, Refusal, SampleLine, Visitor},
    store::Unreadable,
};

/// Compares the body with the last template line by line. As long as they agree nothing is built; from the first
/// line on that differs, a [`Draft`] is.
pub(super) struct Pass<'a> {
    format: Format,
    rules: &'a Rules,
    last: Option<&'a Arc<Template>>,
    /// Whether the lines of `last` may be expected: they were read in this format.
    comparable: bool,
    /// The line of `last` that is expected next.
    at: usize,
    draft: Option<Draft>,
    /// What stands in the kept lines, while there is no draft.
    values: &'a mut Vec<f64>,
    timestamps: Vec<(u32, i64)>,
    process_start: Option<f64>,
    /// What stands in the spare lines.
    spare: Vec<Reading>,
    refusals: Refusals,
    declaration: String,
}

/// For each series its place in the last shape.
type Moved = Vec<Option<u32>>;

/// What a walk comes to.
pub(super) struct Ended {
    pub(super) template: Arc<Template>,
    pub(super) moved: Option<Moved>,
    pub(super) process_start: Option<f64>,
    pub(super) timestamps: Vec<(u32, i64)>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        format: Format,
        rules: &'a Rules,
        last: Option<&'a Arc<Template>>,
        values: &'a mut Vec<f64>,
    ) -> Self {
        let comparable = last.is_some_and(|last| last.format == format);
        let same = comparable && last.is_some_and(|last| last.is_read_by(rules));
        let draft = (!same).then(|| Draft::new(format, rules, last));
        Self {
            format,
            rules,
            last,
            comparable,
            at: 0,
            draft,
            values,
            timestamps: Vec::new(),
            process_start: None,
            spare: Vec::new(),
            refusals: Refusals::default(),
            declaration: String::new(),
        }
    }

    /// What came out, for a body that was read to its end.
    pub(super) fn end(mut self, templates: &Templates) -> Result<Ended, ReadError> {
        let (template, moved) = match self.last {
            Some(last) if self.is_as(last) => (last.clone(), None),
            _ => self.build(templates)?,
        };
        let readings = (self.values.as_slice(), self.spare.as_slice());
        let unreadable = faults::all(self.refusals, &template, self.rules, readings)?;
        Ok(Ended {
            template,
            moved,
            process_start: self.process_start,
            timestamps: self.timestamps,
            unreadable,
        })
    }

    /// Whether the whole body was as `last`.
    fn is_as(&self, last: &Template) -> bool {
        let rest = last.lines.get(self.at..).unwrap_or_default();
        self.draft.is_none()
            && last.is_whole
            && rest.iter().all(|line| line.mark == Mark::Comment)
            && last.starts.hold(self.values, &self.spare)
    }

    fn build(&mut self, templates: &Templates) -> Result<(Arc<Template>, Option<Moved>), ReadError> {
        self.diverge();
        let draft = self.draft.take().unwrap_or_else(|| Draft::new(self.format, self.rules, self.last));
        let sorted = draft.finish(self.last.map(|last| &**last), self.values)?;
        let Sorted { template, moved, timestamps, spare, process_start } = sorted;
        (self.timestamps, self.spare, self.process_start) = (timestamps, spare, process_start);
        let template = templates.intern(template)?;
        let reshaped = self.last.is_some_and(|last| !Arc::ptr_eq(last.shape(), template.shape()));
        Ok((template, reshaped.then_some(moved)))
    }

    /// From here on the body differs from `last`: what they had in common is parsed after all.
    fn diverge(&mut self) {
        if self.draft.is_some() {
            return;
        }
        let mut draft = Draft::new(self.format, self.rules, self.last);
        let mut values = self.values.drain(..);
        let mut spare = std::mem::take(&mut self.spare).into_iter();
        let mut timestamps = std::mem::take(&mut self.timestamps).into_iter().peekable();
        let nothing = Reading { value: f64::NAN, timestamp_ms: None };
        for line in self.last.iter().flat_map(|last| last.lines.iter().take(self.at)) {
            let reading = match line.mark {
                Mark::Kept(place) => values.next().map(|value| {
                    let timestamp = timestamps.next_if(|(of, _)| *of == place);
                    Reading { value, timestamp_ms: timestamp.map(|(_, timestamp)| timestamp) }
                }),
                Mark::Spare | Mark::Duplicate(_) => spare.next(),
                Mark::ProcessStart => self.process_start.map(|value| Reading { value, ..nothing }),
                Mark::Comment | Mark::Type | Mark::Unwanted => None,
            };
            if let Some(last) = self.last {
                draft.take_over(last, *line, reading.unwrap_or(nothing));
            }
        }
        drop(values);
        self.draft = Some(draft);
    }

    /// Finds the next line that has `text`, if there is nothing but void comments before it.
    fn find_beyond_comments(&self, text: &[u8]) -> Option<(usize, Line)> {
        let last = self.last.filter(|_| self.draft.is_none())?;
        let ahead = last.lines.get(self.at..)?;
        let comments = ahead.iter().take_while(|line| line.mark == Mark::Comment).count();
        let line = *ahead.get(comments)?;
        (last.text(line) == text).then_some((self.at + comments, line))
    }

    // inlined by hand, as is `recognised`: a call for each line is a tenth of what a line costs
    #[inline(always)]
    fn take(&mut self, mark: Mark, reading: Reading) {
        if let Mark::Kept(place) = mark {
            self.values.push(reading.value);
            if reading.timestamp_ms.is_some() {
                self.stamp(place, reading);
            }
        } else if mark != Mark::Unwanted {
            self.put_aside(mark, reading);
        }
    }

    #[cold]
    #[inline(never)]
    fn stamp(&mut self, place: u32, reading: Reading) {
        self.timestamps.extend(reading.timestamp_ms.map(|timestamp| (place, timestamp)));
    }

    #[cold]
    #[inline(never)]
    fn put_aside(&mut self, mark: Mark, reading: Reading) {
        match mark {
            Mark::ProcessStart => self.process_start = Some(reading.value),
            Mark::Spare | Mark::Duplicate(_) => self.spare.push(reading),
            _ => {}
        }
    }

    /// Gives a line that is as in the last template to the draft.
    #[cold]
    #[inline(never)]
    fn take_over(&mut self, line: Line, reading: Option<Reading>) {
        let nothing = Reading { value: f64::NAN, timestamp_ms: None };
        if let (Some(draft), Some(last)) = (&mut self.draft, self.last) {
            draft.take_over(last, line, reading.unwrap_or(nothing));
        }
    }

    /// Where the line stands in `last`, if it does; what follows it there is expected next.
    fn follow(&mut self, text: &[u8], anywhere: bool) -> Option<Line> {
        let last = self.last?;
        let found = last.find(text, self.at, anywhere)?;
        self.at = found + 1;
        last.lines.get(found).copied()
    }

    fn declared(&mut self, text: &[u8], metadata: &Metadata<'_>) {
        if let Some((found, _)) = self.find_beyond_comments(text) {
            self.at = found + 1;
            return;
        }
        self.diverge();
        self.follow(text, false);
        if let Some(draft) = &mut self.draft {
            draft.comment(text, metadata);
        }
    }

    /// A comment that has no effect never makes a body differ: some servers write the time into one.
    fn commented(&mut self, text: &[u8], metadata: &Metadata<'_>) {
        match (&mut self.draft, self.last) {
            (Some(draft), _) => {
                draft.comment(text, metadata);
                self.follow(text, false);
            }
            (None, Some(last)) if last.lines.get(self.at).is_some_and(|line| line.mark == Mark::Comment) => {
                self.at += 1;
            }
            (None, _) => {}
        }
    }
}

impl Visitor for Pass<'_> {
    #[inline]
    fn expected(&self) -> Expected<'_> {
        match self.last {
            Some(last) if self.comparable => last.expected(self.at),
            _ => Expected::Unknown,
        }
    }

    #[inline(always)]
    fn recognised(&mut self, reading: Option<Reading>) {
        let Some(last) = self.last else { return };
        let Some(&line) = last.lines.get(self.at) else { return };
        self.at += 1;
        match reading {
            _ if self.draft.is_some() => self.take_over(line, reading),
            Some(reading) => self.take(line.mark, reading),
            None => {}
        }
    }

    fn sample(&mut self, sample: &SampleLine<'_>) {
        let text = sample.series.as_str();
        if let Some((found, line)) = self.find_beyond_comments(text.as_bytes()) {
            self.at = found + 1;
            self.take(line.mark, sample.reading);
            return;
        }
        self.diverge();
        let last_place = self.follow(text.as_bytes(), true).and_then(Line::place);
        if let Some(draft) = &mut self.draft {
            draft.series(text, last_place, sample.reading);
        }
    }

    fn refused(&mut self, refusal: &Refusal<'_>) {
        self.refusals.add(refusal, self.rules);
    }

    fn metadata(&mut self, text: Option<&[u8]>, metadata: &Metadata<'_>) {
        match (text, metadata) {
            (_, Metadata::End) => {}
            (Some(text), Metadata::Type { .. }) => self.declared(text, metadata),
            (Some(text), _) => self.commented(text, metadata),
            (None, Metadata::Type { family, kind }) => {
                let mut declaration = std::mem::take(&mut self.declaration);
                declaration::write(&mut declaration, family, *kind);
                self.declared(declaration.as_bytes(), metadata);
                self.declaration = declaration;
            }
            (None, _) => {}
        }
    }
}
