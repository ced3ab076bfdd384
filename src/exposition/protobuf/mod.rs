//! The delimited protobuf exposition, told as the text that the same registry would give.
//!
//! Each sample becomes a series text, in one reused buffer, so that whoever remembers texts from scrape to scrape
//! needs no second way for protobuf. What a client writes is decoded metric by metric: a body cannot make us hold
//! more than one [`MAX_METRIC_BYTES`] of it in decoded form.

mod messages;
mod samples;
mod series_text;

use prost::Message;

use super::{
    error::ParseError,
    family::Kind,
    metadata::Metadata,
    visit::{Summary, Visitor},
};
use messages::{Family, Fields, Metric};
use samples::Teller;

/// The largest single metric. A histogram of a thousand buckets with exemplars takes a fifth of it.
const MAX_METRIC_BYTES: usize = 1 << 20;

/// The longest name of a family; whoever keeps series keeps far shorter ones.
const MAX_NAME_BYTES: usize = 4 << 10;

/// Why a message is refused.
type Reason = String;

/// Reads a body of length-prefixed `MetricFamily` messages.
pub(super) fn read(body: &[u8], visitor: &mut impl Visitor) -> Result<Summary, ParseError> {
    let mut teller = Teller::new(visitor);
    let mut rest = body;
    let mut message = 0;
    while !rest.is_empty() {
        message += 1;
        let read = split_message(rest).and_then(|(family, after)| {
            tell_family(family, &mut teller)?;
            Ok(after)
        });
        rest = read.map_err(|reason| ParseError::Protobuf { message, reason })?;
    }
    Ok(teller.summary)
}

fn split_message(mut rest: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    let length = prost::decode_length_delimiter(&mut rest).map_err(|error| error.to_string())?;
    rest.split_at_checked(length)
        .ok_or_else(|| format!("truncated: {length} bytes announced, {} left", rest.len()))
}

fn tell_family(message: &[u8], teller: &mut Teller<'_, impl Visitor>) -> Result<(), Reason> {
    let family = Family::decode(message).map_err(|error| error.to_string())?;
    if family.name().len() > MAX_NAME_BYTES {
        return Err(format!("a family's name has {} bytes, more than {MAX_NAME_BYTES}", family.name().len()));
    }
    let kind = kind(family.r#type()).ok_or_else(|| {
        format!("family {:?} has the unknown metric type {}", quoted(family.name()), family.r#type())
    })?;
    teller.visitor.metadata(None, &Metadata::Type { family: family.name().into(), kind });
    let mut native_only = false;
    for field in Fields::of(message) {
        if let (Family::METRIC, Some(metric)) = field? {
            let metric = decode_metric(metric, &family)?;
            native_only |= teller.metric(&family, kind, &metric)?;
        }
    }
    if native_only {
        teller.summary.skipped.add(family.name());
    }
    Ok(())
}

fn decode_metric(metric: &[u8], family: &Family) -> Result<Metric, Reason> {
    if metric.len() > MAX_METRIC_BYTES {
        return Err(format!(
            "a metric of family {:?} has more than {MAX_METRIC_BYTES} bytes",
            quoted(family.name())
        ));
    }
    Metric::decode(metric).map_err(|error| format!("family {:?}: {error}", quoted(family.name())))
}

/// As much of a family's name as an error quotes.
fn quoted(name: &str) -> String {
    name.chars().take(QUOTED_CHARS).collect()
}

const QUOTED_CHARS: usize = 80;

fn kind(r#type: i32) -> Option<Kind> {
    Some(match r#type {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Summary,
        3 => Kind::Unknown,
        4 => Kind::Histogram,
        5 => Kind::GaugeHistogram,
        _ => return None,
    })
}
