//! A body as a list of samples.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{
    content_type::Format,
    error::{ParseError, Rejected, Skipped},
    family::{Families, Membership},
    lines::{Dialect, Line, Lines, Reading, SampleLine},
    metadata::Metadata,
    series::Series,
    visit::{self, Options, Summary, Visitor},
};

/// A body, parsed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Parsed<'a> {
    /// The samples in the order of the body, each series once: the first wins.
    pub samples: Vec<ParsedSample<'a>>,
    /// How many samples were dropped because their series had stood before.
    pub duplicates: usize,
    /// The bad lines of a text body.
    pub rejected: Rejected,
    /// The families of a protobuf body that hold native histograms only.
    pub skipped: Skipped,
}

/// A sample with its labels parsed and its family known.
#[derive(Clone, PartialEq, Debug)]
pub struct ParsedSample<'a> {
    /// Name and labels; `le` and `quantile` [canonical](Series::canonicalise).
    pub series: Series<'a>,
    /// Value and timestamp.
    pub reading: Reading,
    /// The type of the family and the part in it.
    pub membership: Membership,
}

/// Parses `body` into a list. Text and OpenMetrics are borrowed from, protobuf is not.
///
/// # Errors
/// As [`read`](super::read).
pub fn parse(body: &[u8], format: Format, options: Options) -> Result<Parsed<'_>, ParseError> {
    match format {
        Format::Text => {
            visit::refuse_foreign(body)?;
            parse_text(body, options)
        }
        Format::OpenMetrics => {
            visit::refuse_foreign(body)?;
            parse_openmetrics(body)
        }
        Format::Protobuf => {
            let mut collector = Collector::default();
            let summary = visit::read(body, format, options, &mut collector)?;
            Ok(Parsed { skipped: summary.skipped, ..collector.finish() })
        }
    }
}

fn parse_text(body: &[u8], options: Options) -> Result<Parsed<'_>, ParseError> {
    let mut lines = Lines::new(body, Dialect::Text);
    let mut collector = Collector::default();
    let mut summary = Summary::default();
    while let Some(line) = lines.next_line() {
        match line {
            Ok(line) => summary.samples += collector.line(&line, &lines),
            Err(refusal) if options.strict => return Err(refusal.into()),
            Err(refusal) => summary.rejected.add(refusal),
        }
    }
    let rejected = summary.with_good_samples()?.rejected;
    Ok(Parsed { rejected, ..collector.finish() })
}

fn parse_openmetrics(body: &[u8]) -> Result<Parsed<'_>, ParseError> {
    let mut lines = Lines::new(body, Dialect::OpenMetrics);
    let mut collector = Collector::default();
    while let Some(line) = lines.next_line() {
        collector.line(&line?, &lines);
    }
    if lines.ended() { Ok(collector.finish()) } else { Err(ParseError::MissingEof) }
}

/// Gathers samples. What they are is known at the end only: a type may be declared below its samples.
#[derive(Default)]
struct Collector<'a> {
    samples: Vec<(Series<'a>, Reading)>,
    families: Families,
}

impl<'a> Collector<'a> {
    fn line(&mut self, line: &Line<'a>, lines: &Lines<'a>) -> usize {
        match line {
            Line::Sample(sample) => {
                self.samples.push((lines.last_series(sample), sample.reading));
                1
            }
            Line::Metadata(line) => {
                self.declare(&line.metadata);
                0
            }
        }
    }

    fn declare(&mut self, metadata: &Metadata<'_>) {
        if let Metadata::Type { family, kind } = metadata {
            self.families.declare(family, *kind);
        }
    }

    fn finish(self) -> Parsed<'a> {
        let hash = RandomState::default();
        let mut parsed = Parsed { samples: Vec::with_capacity(self.samples.len()), ..Parsed::default() };
        let mut seen: HashTable<(u64, usize)> = HashTable::with_capacity(self.samples.len());
        for (mut series, reading) in self.samples {
            let membership = self.families.membership(&series.name);
            series.canonicalise(membership);
            let hash = hash.hash_one(&series);
            let samples = &parsed.samples;
            let same = |&(other, at): &(u64, usize)| {
                other == hash
                    && samples.get(at).is_some_and(|sample: &ParsedSample<'_>| sample.series == series)
            };
            if seen.find(hash, same).is_some() {
                parsed.duplicates += 1;
                continue;
            }
            seen.insert_unique(hash, (hash, parsed.samples.len()), |(hash, _)| *hash);
            parsed.samples.push(ParsedSample { series, reading, membership });
        }
        parsed
    }
}

impl Visitor for Collector<'_> {
    fn sample(&mut self, sample: &SampleLine<'_>) {
        self.samples.push((sample.series.series().into_owned(), sample.reading));
    }

    fn metadata(&mut self, _: Option<&[u8]>, metadata: &Metadata<'_>) {
        self.declare(metadata);
    }
}
