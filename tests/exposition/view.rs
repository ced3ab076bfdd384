//! What a body holds, in a form that an oracle's answer can be compared with.

use std::collections::BTreeMap;

use custom_metrics_adapter::exposition::{
    Families, Format, Metadata, Options, ParseError, SampleLine, Visitor, read,
};

/// One sample as an oracle would tell it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Told {
    pub(crate) raw: String,
    /// With `__name__`, without empty values.
    pub(crate) labels: BTreeMap<String, String>,
    /// As Rust prints it, so that NaN equals NaN.
    pub(crate) value: String,
    pub(crate) timestamp_ms: Option<i64>,
}

/// Keeps everything that it is told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) samples: Vec<Told>,
    pub(crate) metadata: Vec<String>,
    families: Families,
}

impl Visitor for Recorder {
    fn sample(&mut self, sample: &SampleLine<'_>) {
        let mut series = sample.series.series();
        series.canonicalise(self.families.membership(&series.name));
        let owned = |(name, value): &(_, _)| (String::clone(name), String::clone(value));
        let mut labels: BTreeMap<String, String> = series
            .clone()
            .into_owned()
            .labels
            .iter()
            .map(|(n, v)| owned(&(n.to_string(), v.to_string())))
            .collect();
        labels.insert("__name__".to_owned(), series.name.into_owned());
        self.samples.push(Told {
            raw: sample.series.as_str().to_owned(),
            labels,
            value: format!("{:?}", sample.reading.value),
            timestamp_ms: sample.reading.timestamp_ms,
        });
    }

    fn metadata(&mut self, _: Option<&[u8]>, metadata: &Metadata<'_>) {
        match metadata {
            Metadata::Type { family, kind } => {
                self.families.declare(family, *kind);
                self.metadata.push(format!("TYPE {family} {}", format!("{kind:?}").to_lowercase()));
            }
            Metadata::Help { family, text } => self.metadata.push(format!("HELP {family} {text:?}")),
            Metadata::Unit { family, unit } => self.metadata.push(format!("UNIT {family} {unit:?}")),
            Metadata::End | Metadata::Comment => {}
        }
    }
}

/// Reads a body as Prometheus would: all or nothing.
pub(crate) fn strict(body: &[u8], format: Format) -> Result<Recorder, ParseError> {
    let mut recorder = Recorder::default();
    read(body, format, Options { strict: true }, &mut recorder)?;
    Ok(recorder)
}

/// The format by its name in the vectors.
pub(crate) fn format(name: &str) -> Format {
    match name {
        "prom" => Format::Text,
        "om" => Format::OpenMetrics,
        other => panic!("no format is called {other}"),
    }
}

/// The way in which Go prints a float, as Rust prints it.
pub(crate) fn go_float(text: &str) -> String {
    format!("{:?}", text.parse::<f64>().unwrap())
}
