//! One scrape: fetch, unpack, read, append.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::{
    buffers::Buffers,
    client::{Client, Form, Head, Kept},
    error::{ScrapeError, Stage},
    options::ScrapeOptions,
    pools::Pools,
    state::Measured,
    targets::TargetSpec,
    template::{self, Reading, Rules, SeriesLimits, Template, Templates},
    turns::{Turn, Turns},
};
use crate::{
    exposition::{Format, decode},
    model::Tenant,
    store::{Scrape, Target},
};

/// What all targets share.
pub(super) struct Workshop {
    pub(super) client: Client,
    pub(super) templates: Templates,
    pub(super) pools: Pools,
    /// Whether failing targets rest.
    pub(super) rests: bool,
    parsing: Turns,
    bodies: Buffers<u8>,
    values: Buffers<f64>,
    limits: SeriesLimits,
    body_bytes: usize,
}

/// What a target keeps from scrape to scrape.
#[derive(Default)]
pub(super) struct Memory {
    connection: Option<Kept>,
    /// What the last appended body looked like, for as long as the store has it.
    template: Weak<Template>,
    wire_bytes: usize,
    body_bytes: usize,
}

/// What is known of a target's bodies.
struct LastBody {
    /// The unpacked bytes of the last one.
    bytes: usize,
    /// What the last appended one looked like.
    template: Option<Arc<Template>>,
    /// Where another is found.
    templates: Templates,
}

/// A body that has been read.
struct ReadBody {
    result: Result<Reading, ScrapeError>,
    values: Vec<f64>,
    body_bytes: usize,
}

impl ReadBody {
    fn is_too_large(&self) -> bool {
        matches!(
            self.result,
            Err(ScrapeError::Decode(decode::DecodeError::TooLarge(_)) | ScrapeError::Size { .. })
        )
    }
}

impl Workshop {
    pub(super) fn new(options: &ScrapeOptions) -> Self {
        Self {
            client: Client::new(options),
            templates: Templates::default(),
            pools: Pools::new(options),
            rests: options.apart,
            parsing: Turns::new(options.parsing),
            bodies: Buffers::new(4 * options.parsing),
            values: Buffers::new(2 * options.parsing),
            limits: options.series_limits,
            body_bytes: options.body_bytes,
        }
    }

    /// Scrapes `spec` and appends what it exposes. `measured` tells what was found, whatever the result.
    pub(super) async fn scrape(
        self: &Arc<Self>,
        spec: &TargetSpec,
        target: &Target,
        memory: &mut Memory,
        (at, measured): (Timestamp, &mut Measured),
    ) -> Result<(), ScrapeError> {
        let mut wire = self.bodies.take(memory.wire_bytes);
        let fetched = self.client.fetch(spec, &mut memory.connection, memory.body_bytes, &mut wire).await;
        let head = match fetched {
            Ok(head) => head,
            Err(error) => {
                self.bodies.put(wire);
                return Err(error);
            }
        };
        measured.wire_bytes = wire.len();
        measured.content_type_fallback = head.form.negotiated.fallback && !wire.is_empty();
        memory.wire_bytes = wire.len();
        let last = LastBody {
            bytes: memory.body_bytes,
            template: memory.template.upgrade(),
            templates: self.templates.charged_to(target.account()),
        };
        let read = self.parse(wire, &head, spec, last).await?;
        measured.body_bytes = read.body_bytes;
        memory.body_bytes = read.body_bytes;
        let appended = read.result.and_then(|reading| {
            note(measured, &reading, memory);
            append(target, spec, memory, (at, reading, &read.values))
        });
        self.values.put(read.values);
        appended
    }

    /// Parses at once what is small, and elsewhere what would hold up the other tasks of this thread. How large a packed
    /// body is, unpacking it tells: no further than what is small.
    async fn parse(
        self: &Arc<Self>,
        wire: Vec<u8>,
        head: &Head,
        spec: &TargetSpec,
        last: LastBody,
    ) -> Result<ReadBody, ScrapeError> {
        let rules = Rules {
            allow: spec.settings.allow.clone(),
            counters: spec.settings.counters.clone(),
            series: spec.settings.series.clone(),
            limits: self.limits,
            strict: spec.settings.strict,
        };
        let form = head.form;
        let most = if form.encoding == decode::Encoding::Gzip { SMALL_BODY / 16 } else { SMALL_BODY };
        let _turn = self.parser_turn(&Tenant::of(&spec.object)).await?;
        if wire.len() <= most && last.bytes <= SMALL_BODY {
            let small = self.body_bytes.min(SMALL_BODY);
            let read = self.read(&wire, form, (&rules, small), &last);
            if small == self.body_bytes || !read.is_too_large() {
                self.bodies.put(wire);
                return Ok(read);
            }
            self.values.put(read.values);
        }
        let workshop = self.clone();
        let read = move || {
            let read = workshop.read(&wire, form, (&rules, workshop.body_bytes), &last);
            workshop.bodies.put(wire);
            read
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| ScrapeError::Lost)
    }

    async fn parser_turn(&self, tenant: &Tenant) -> Result<Turn, ScrapeError> {
        timeout(PARSER_WAIT, self.parsing.take(tenant)).await.map_err(|_| PARSER_BUSY)
    }

    fn read(&self, wire: &[u8], form: Form, (rules, most): (&Rules, usize), last: &LastBody) -> ReadBody {
        let unpacks = form.encoding == decode::Encoding::Gzip;
        let mut unpacked = if unpacks { self.bodies.take(last.bytes) } else { Vec::new() };
        let mut values = self.values.take(last.template.as_ref().map_or(0, |last| last.shape().len()));
        let mut body_bytes = 0;
        let decoded = decode::decode(form.encoding, wire, most, &mut unpacked);
        let result = decoded.map_err(ScrapeError::from).and_then(|body| {
            body_bytes = body.len();
            if form.may_be_cut(body) {
                return Err(ScrapeError::CutShort);
            }
            let room = (&last.templates, &mut values);
            template::read(body, form.negotiated.format, rules, last.template.as_ref(), room)
                .map_err(ScrapeError::from)
        });
        if unpacks {
            self.bodies.put(unpacked);
        }
        ReadBody { result, values, body_bytes }
    }
}

impl Form {
    /// Whether the body may lack its end: gzip, OpenMetrics and protobuf would tell, and so would a length.
    fn may_be_cut(self, body: &[u8]) -> bool {
        self.ends_by_closing
            && self.encoding == decode::Encoding::Identity
            && self.negotiated.format == Format::Text
            && !matches!(body, [] | [.., b'\n'])
    }
}

fn note(measured: &mut Measured, reading: &Reading, memory: &Memory) {
    measured.samples = reading.samples;
    measured.series = reading.template.shape().len();
    measured.rejected = reading.rejected.clone();
    measured.skipped_families = reading.skipped;
    measured.left_out = reading.template.left_out();
    measured.unreadable.clone_from(&reading.unreadable);
    measured.notes = reading.template.notes().clone();
    measured.steady = std::ptr::eq(memory.template.as_ptr(), Arc::as_ptr(&reading.template));
}

fn append(
    target: &Target,
    spec: &TargetSpec,
    memory: &mut Memory,
    (at, reading, values): (Timestamp, Reading, &[f64]),
) -> Result<(), ScrapeError> {
    let process_started = reading.process_start.and_then(|seconds| moment(seconds, at));
    let shape = reading.template.shape();
    let timestamps = if spec.settings.honor_timestamps { reading.timestamps.as_slice() } else { &[] };
    let scrape = Scrape {
        process_started,
        container_started: spec.started,
        moved: reading.moved.as_deref(),
        timestamps,
        unreadable: &reading.unreadable,
        ..Scrape::new(at, shape, values)
    };
    target.append(scrape).map_err(ScrapeError::Store)?;
    memory.template = Arc::downgrade(&reading.template);
    let charged = reading.template.charged();
    target.keep(reading.template, charged);
    Ok(())
}

/// Seconds since 1970 as a moment, unless it is nonsense: in 1970, or after the scrape that told it.
fn moment(seconds: f64, at: Timestamp) -> Option<Timestamp> {
    let since_epoch = SignedDuration::try_from_secs_f64(seconds).ok()?;
    let moment = Timestamp::from_duration(since_epoch).ok()?;
    (seconds > 0.0 && moment <= at).then_some(moment)
}

/// A scrape that waits for the parser longer gives up: it keeps its body in memory and its turn from others.
const PARSER_WAIT: Duration = Duration::from_secs(5);
const PARSER_BUSY: ScrapeError = ScrapeError::Timeout { stage: Stage::Parser, after: PARSER_WAIT };

/// Parsing this much takes less than a millisecond.
const SMALL_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_parses_in_time_is_given_up() {
        let workshop = Workshop::new(&ScrapeOptions { parsing: 1, ..ScrapeOptions::default() });
        let tenant = |name: &str| Tenant::Namespace(name.into());
        let busy = workshop.parser_turn(&tenant("hog")).await.unwrap();
        let refused = workshop.parser_turn(&tenant("a")).await.err().unwrap();
        assert_eq!(refused.to_string(), "timed out after 5s while waiting for other bodies to be parsed");
        drop(busy);
        assert!(workshop.parser_turn(&tenant("a")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_namespace_cannot_have_every_turn_at_the_parser() {
        let workshop = Workshop::new(&ScrapeOptions { parsing: 4, ..ScrapeOptions::default() });
        let hog = Tenant::Namespace("hog".into());
        let mut held = Vec::new();
        while let Ok(turn) = workshop.parser_turn(&hog).await {
            held.push(turn);
        }
        assert_eq!(held.len(), 3);
        assert!(workshop.parser_turn(&Tenant::Namespace("a".into())).await.is_ok());
    }
}
