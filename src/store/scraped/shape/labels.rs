//! Labels in an arena: each text behind its length in two bytes.

use crate::model::LabelSource;

/// The labels of one series, in place.
#[derive(Clone, Copy, Debug)]
pub struct PackedLabels<'a>(pub(super) &'a [u8]);

impl<'a> PackedLabels<'a> {
    /// The pairs, in the order of the exposition.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || Some((unpack(&mut rest)?, unpack(&mut rest)?)))
    }

    pub(in super::super) fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The same labels as bytes, which are equal if they are.
    pub(in super::super) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl LabelSource for PackedLabels<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.iter().find(|(label, _)| *label == name).map(|(_, value)| value)
    }
}

/// Longer texts do not get here: the limits of a scrape are far below.
pub(super) fn pack(arena: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(0);
    arena.extend_from_slice(&length.to_le_bytes());
    arena.extend_from_slice(text.as_bytes().get(..usize::from(length)).unwrap_or_default());
}

fn unpack<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}
