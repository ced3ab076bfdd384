//! The protobuf wire format, written front to back into one buffer.
//!
//! The HPA asks for protobuf on every read, so this is the hot path: no message is built in memory first. A nested
//! message is written in place, and its length put before it afterwards. What a field is comes from the
//! `generated.proto` files of Kubernetes; as their Go writer does, empty strings are written, so that an answer is
//! the same bytes as upstream's.

use std::fmt::{Display, Write};

/// A message under construction.
#[derive(Default)]
pub(in crate::api) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// An empty message that `capacity` bytes fit in without another allocation.
    pub(in crate::api) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// The finished bytes.
    pub(in crate::api) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that stand before the message, such as the magic number.
    pub(in crate::api) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A string field; an empty one is written too.
    pub(in crate::api) fn string(&mut self, field: u8, text: &str) {
        self.tag(field, LENGTH_DELIMITED);
        self.varint(text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// A string field of whatever `text` prints.
    pub(in crate::api) fn text(&mut self, field: u8, text: impl Display) {
        self.message(field, |string| {
            // The only error of `write!` is one of the sink, and a vector has none.
            let _ = write!(string, "{text}");
        });
    }

    /// A repeated string field.
    pub(in crate::api) fn strings<'a>(&mut self, field: u8, texts: impl IntoIterator<Item = &'a str>) {
        for text in texts {
            self.string(field, text);
        }
    }

    /// An integer field.
    pub(in crate::api) fn integer(&mut self, field: u8, value: i64) {
        self.tag(field, VARINT);
        self.varint(value.cast_unsigned());
    }

    /// A boolean field.
    pub(in crate::api) fn boolean(&mut self, field: u8, value: bool) {
        self.integer(field, i64::from(value));
    }

    /// A nested message, written by `body`.
    pub(in crate::api) fn message(&mut self, field: u8, body: impl FnOnce(&mut Self)) {
        self.tag(field, LENGTH_DELIMITED);
        let start = self.bytes.len();
        body(self);
        let mut length = Self::default();
        length.varint((self.bytes.len() - start) as u64);
        self.bytes.splice(start..start, length.bytes);
    }

    fn tag(&mut self, field: u8, wire_type: u8) {
        self.varint(u64::from(field) << 3 | u64::from(wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.bytes.push(low);
            }
            self.bytes.push(low | 0x80);
        }
    }
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.raw(text.as_bytes());
        Ok(())
    }
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Inner {
        #[prost(string, tag = "1")]
        text: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Outer {
        #[prost(int64, tag = "1")]
        number: i64,
        #[prost(message, repeated, tag = "16")]
        inner: Vec<Inner>,
        #[prost(bool, tag = "3")]
        flag: bool,
    }

    #[test]
    fn prost_reads_what_is_written_at_every_length_of_a_length() {
        for size in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let texts = ["x".repeat(size), "é".to_owned()];
            let mut message = Message::default();
            message.integer(1, -7);
            for text in &texts {
                message.message(16, |inner| inner.text(1, text));
            }
            message.boolean(3, true);
            let read = Outer::decode(&*message.into_bytes()).unwrap();
            assert_eq!(read.number, -7);
            assert_eq!(read.inner.iter().map(|inner| &*inner.text).collect::<Vec<_>>(), [&*texts[0], "é"]);
            assert!(read.flag);
        }
    }
}
