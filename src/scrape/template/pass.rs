//! One walk over a body, beside the template of the last one.

use std::sync::Arc;

use super::{Line, Mark, ReadError, Rules, Template, Templates, declaration, draft::Draft};
use crate::exposition::{Expected, Format, Metadata, Reading, SampleLine, Visitor};

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
    values: &'a mut Vec<f64>,
    process_start: Option<f64>,
    declaration: String,
}

/// What a walk comes to.
pub(super) struct Ended {
    pub(super) template: Arc<Template>,
    pub(super) moved: Option<Vec<Option<u32>>>,
    pub(super) process_start: Option<f64>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        format: Format,
        rules: &'a Rules,
        last: Option<&'a Arc<Template>>,
        values: &'a mut Vec<f64>,
    ) -> Self {
        let comparable = last.is_some_and(|last| last.format == format);
        let same = comparable && last.is_some_and(|last| last.allow == rules.allow);
        let draft = (!same).then(|| Draft::new(format, rules, last));
        Self {
            format,
            rules,
            last,
            comparable,
            at: 0,
            draft,
            values,
            process_start: None,
            declaration: String::new(),
        }
    }

    /// What came out, for a body that was read to its end.
    pub(super) fn end(mut self, templates: &Templates) -> Result<Ended, ReadError> {
        if let Some(last) = self.last
            && self.draft.is_none()
            && last.lines.get(self.at..).unwrap_or_default().iter().all(|line| line.mark == Mark::Comment)
        {
            return Ok(Ended { template: last.clone(), moved: None, process_start: self.process_start });
        }
        self.diverge();
        let draft = self.draft.take().unwrap_or_else(|| Draft::new(self.format, self.rules, self.last));
        let (template, moved) = draft.finish(self.last.map(|last| &**last))?;
        let template = templates.intern(template)?;
        let reshaped = self.last.is_some_and(|last| !Arc::ptr_eq(last.shape(), template.shape()));
        Ok(Ended { template, moved: reshaped.then_some(moved), process_start: self.process_start })
    }

    /// From here on the body differs from `last`: what they had in common is parsed after all.
    fn diverge(&mut self) {
        if self.draft.is_some() {
            return;
        }
        let mut draft = Draft::new(self.format, self.rules, self.last);
        if let Some(last) = self.last {
            draft.take_over_start(last, self.at);
        }
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

    #[inline]
    fn take(&mut self, mark: Mark, value: f64) {
        match mark {
            Mark::Kept(_) => self.values.push(value),
            Mark::ProcessStart => self.process_start = Some(value),
            Mark::Comment | Mark::Type | Mark::Unwanted | Mark::Duplicate => {}
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

    #[inline]
    fn recognised(&mut self, reading: Option<Reading>) {
        let Some(last) = self.last else { return };
        let Some(&line) = last.lines.get(self.at) else { return };
        self.at += 1;
        let mark = match &mut self.draft {
            None => line.mark,
            Some(draft) => draft.take_over(last, line),
        };
        if let Some(reading) = reading {
            self.take(mark, reading.value);
        }
    }

    fn sample(&mut self, sample: &SampleLine<'_>) {
        let text = sample.series.as_str();
        if let Some((found, line)) = self.find_beyond_comments(text.as_bytes()) {
            self.at = found + 1;
            self.take(line.mark, sample.reading.value);
            return;
        }
        self.diverge();
        let last_place = self.follow(text.as_bytes(), true).and_then(Line::place);
        let mark = self.draft.as_mut().map_or(Mark::Unwanted, |draft| draft.series(text, last_place));
        self.take(mark, sample.reading.value);
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
