//! Series texts written from protobuf labels.

use super::{
    super::grammar::{is_bare_label_name, is_bare_metric_name},
    messages::LabelPair,
};

/// A buffer for series texts, reused from sample to sample.
#[derive(Default)]
pub(super) struct SeriesBuffer {
    text: String,
    labels: String,
}

impl SeriesBuffer {
    /// Takes the labels of a metric, which all its series share.
    pub(super) fn labels(&mut self, labels: &[LabelPair]) {
        self.labels.clear();
        for label in labels {
            push_label(&mut self.labels, label.name(), label.value());
        }
    }

    /// Writes the series of `family` and `suffix` with the labels of the metric, and perhaps a bound.
    pub(super) fn write(&mut self, family: &str, suffix: &str, bound: Option<(&str, &str)>) -> &str {
        let Self { text, labels } = self;
        text.clear();
        if is_bare_metric_name(family) {
            text.extend([family, suffix, "{"]);
        } else {
            text.push_str("{\"");
            push_escaped(text, family);
            text.extend([suffix, "\","]);
        }
        text.push_str(labels);
        if let Some((name, value)) = bound {
            push_label(text, name, value);
        }
        // every label left a comma behind, and so did a quoted name; a bare name without labels needs no braces
        if text.pop() == Some(',') {
            text.push('}');
        }
        text
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    if is_bare_label_name(name) {
        text.push_str(name);
    } else {
        text.push('"');
        push_escaped(text, name);
        text.push('"');
    }
    text.push_str("=\"");
    push_escaped(text, value);
    text.push_str("\",");
}

fn push_escaped(text: &mut String, raw: &str) {
    for char in raw.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            char => text.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::series::Series, *};
    use proptest::prelude::*;

    fn write(family: &str, labels: &[(&str, &str)], bound: Option<(&str, &str)>) -> String {
        let labels: Vec<LabelPair> = labels
            .iter()
            .map(|(name, value)| LabelPair {
                name: Some((*name).to_owned()),
                value: Some((*value).to_owned()),
            })
            .collect();
        let mut buffer = SeriesBuffer::default();
        buffer.labels(&labels);
        buffer.write(family, "_x", bound).to_owned()
    }

    #[test]
    fn a_series_is_written_as_a_client_would_write_it() {
        for (family, labels, bound, text) in [
            ("a", &[][..], None, "a_x"),
            ("a", &[("l", "v")], None, "a_x{l=\"v\"}"),
            ("a", &[], Some(("le", "1.0")), "a_x{le=\"1.0\"}"),
            ("a", &[("l", "v")], Some(("le", "1.0")), "a_x{l=\"v\",le=\"1.0\"}"),
            ("a.b", &[], None, "{\"a.b_x\"}"),
            ("a.b", &[("l.m", "\"\\\n")], None, "{\"a.b_x\",\"l.m\"=\"\\\"\\\\\\n\"}"),
        ] {
            assert_eq!(write(family, labels, bound), text);
        }
    }

    proptest! {
        #[test]
        fn any_name_and_labels_survive_being_written_and_parsed(
            family in ".{1,9}", label in ".{1,9}", value in ".{1,9}",
        ) {
            prop_assume!(label != "__name__");
            let text = write(&family, &[(&label, &value)], None);
            let series = Series::parse(&text).unwrap();
            prop_assert_eq!(&*series.name, format!("{}_x", family));
            prop_assert_eq!(series.label(&label), Some(&*value));
        }
    }
}
