//! The text (or protobuf) of a target -> samples, or errors that name the line; our own parser.
//!
//! Three formats: the Prometheus text format 0.0.4 and 1.0.0 (one grammar: 1.0.0 only adds quoted UTF-8 names, and
//! Prometheus takes them whatever version the header says), OpenMetrics 1.0, and the delimited protobuf.
//!
//! # How a body is read
//! [`read`] walks a body and tells a [`Visitor`] what it finds, without allocating a thing per line. The visitor may
//! say what it [expects](Visitor::expected) at each place: what stood there in the last scrape. Then a line costs one
//! compare and one number, and its labels are not parsed. Otherwise the line gets the full grammar, and the visitor
//! the [`SampleLine`], whose labels [`Series::parse`] gives on demand. Both ways agree on every input, because the
//! raw text of name and labels decides alone where it ends ([`Lines::next_if_series`] says why).
//!
//! [`parse`] is the same for a caller that wants all samples in a list. [`Lines`] is the layer below, for text.
//!
//! # Tolerance
//! Text is lenient by line, because one bad line of a pod should not stop an autoscaler: it is skipped, counted,
//! and the first three are [shown](Rejected). A body without one good line is an error all the same, and
//! [`Options::strict`] gives the all-or-nothing of Prometheus. OpenMetrics and protobuf are always strict: they have
//! an end marker or framing, so a fault means truncation or a broken exporter.
//!
//! `docs/scraping-formats.md` lists each rule in which we differ from Prometheus, and why.

mod canonical;
mod collect;
mod content_type;
pub mod decode;
mod error;
mod family;
mod grammar;
mod lines;
mod metadata;
mod protobuf;
mod series;
mod value;
mod visit;

pub use canonical::{canonical_float, canonical_le};
pub use collect::{Parsed, ParsedSample, parse};
pub use content_type::{ACCEPT_OPENMETRICS, ACCEPT_TEXT, Format, Negotiated};
pub use error::{About, BadLine, ParseError, Reason, Refusal, Rejected, Skipped};
pub use family::{Families, Kind, Membership, Role};
pub use lines::{Dialect, Line, Lines, MetadataLine, Reading, SampleLine};
pub use metadata::Metadata;
pub use series::{Series, SeriesText, series_name};
pub use visit::{Expected, Options, Summary, Visitor, read};
