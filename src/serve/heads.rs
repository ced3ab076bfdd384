//! Which part of what a client sends is the head of a request that is not complete, and who pays for it.
//!
//! A complete head is here for an instant. One that is half sent is kept until its deadline, before anybody knows who
//! sends it. So it takes a share of a budget that all connections have together, and counts as large as it may become:
//! a few bytes of a compressed head can stand for many.

use std::sync::Arc;

use memchr::memmem;

use super::{activity::Activity, budget::ByteBudget};

/// The heads of one connection.
pub(super) struct Heads {
    budget: ByteBudget,
    /// What one head may take.
    most: usize,
    protocol: Protocol,
    incomplete: bool,
    /// Requests that had come when this was last known.
    requests: u64,
}

enum Protocol {
    /// So many bytes of the preface of HTTP/2 have come.
    Unknown(usize),
    Http1,
    Http2(Frames),
}

/// Where in the frames of an HTTP/2 connection its client is.
#[derive(Default)]
struct Frames {
    head: [u8; FRAME_HEAD],
    /// How many bytes of `head` have come.
    known: usize,
    /// How many bytes of the frame's payload are to come.
    left: usize,
    /// A block of headers has begun and not ended.
    in_block: bool,
}

impl Heads {
    pub(super) fn new(budget: ByteBudget, most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { budget, most, protocol: Protocol::Unknown(0), incomplete: false, requests: 0 }
    }

    /// Takes note of what was read last.
    pub(super) fn read(&mut self, bytes: &[u8], activity: &Arc<Activity>) {
        let bytes = self.after_preface(bytes);
        let incomplete = match &mut self.protocol {
            Protocol::Unknown(matched) => *matched > 0,
            Protocol::Http1 => self.http1(bytes, activity),
            Protocol::Http2(frames) => {
                frames.read(bytes);
                frames.in_block
            }
        };
        if incomplete != self.incomplete {
            self.incomplete = incomplete;
            self.tell(activity);
        }
    }

    /// Whether a look is worth it although nothing was read.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    fn http1(&mut self, bytes: &[u8], activity: &Activity) -> bool {
        let came = self.requests != activity.requests();
        self.requests = activity.requests();
        // What comes while a request is answered is its body.
        if activity.is_answering() {
            return false;
        }
        if bytes.is_empty() {
            return self.incomplete && !came;
        }
        memmem::find(bytes, b"\r\n\r\n").is_none()
    }

    fn tell(&self, activity: &Activity) {
        if self.incomplete {
            let share = self.budget.begin();
            share.holds(self.most);
            activity.head_begins(share);
        } else {
            activity.head_ends();
        }
    }

    /// What of `bytes` comes after the preface of HTTP/2, if there is one.
    fn after_preface<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Protocol::Unknown(matched) = self.protocol else { return bytes };
        let wanted = PREFACE.get(matched..).unwrap_or_default();
        let shared = wanted.len().min(bytes.len());
        if wanted.get(..shared) != bytes.get(..shared) {
            self.protocol = Protocol::Http1;
            return bytes;
        }
        self.protocol = if shared == wanted.len() {
            Protocol::Http2(Frames::default())
        } else {
            Protocol::Unknown(matched + shared)
        };
        bytes.get(shared..).unwrap_or_default()
    }
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let step = if self.known < FRAME_HEAD { self.head(bytes) } else { self.payload(bytes) };
            bytes = bytes.get(step..).unwrap_or_default();
        }
    }

    /// Takes bytes of a frame's head; says how many.
    fn head(&mut self, bytes: &[u8]) -> usize {
        let step = bytes.len().min(FRAME_HEAD - self.known);
        let to = self.head.iter_mut().skip(self.known);
        to.zip(bytes).for_each(|(to, byte)| *to = *byte);
        self.known += step;
        if self.known == FRAME_HEAD {
            let [a, b, c, ..] = self.head;
            self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            self.in_block |= self.has_headers();
            self.end_of_payload();
        }
        step
    }

    /// Takes bytes of a frame's payload; says how many.
    fn payload(&mut self, bytes: &[u8]) -> usize {
        let step = bytes.len().min(self.left);
        self.left -= step;
        self.end_of_payload();
        step
    }

    fn end_of_payload(&mut self) {
        if self.left == 0 {
            let [.., flags, _, _, _, _] = self.head;
            self.in_block &= !(self.has_headers() && flags & END_HEADERS != 0);
            self.known = 0;
        }
    }

    fn has_headers(&self) -> bool {
        let [_, _, _, kind, ..] = self.head;
        matches!(kind, HEADERS | CONTINUATION)
    }
}

/// RFC 9113 §3.4, §4.1, §6.2 and §6.10.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::budget::Room;

    fn heads() -> (Heads, Arc<Activity>) {
        let budget = ByteBudget::new(Room { holders: 10, bytes: 1 << 20 });
        (Heads::new(budget, 16), Activity::new())
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., a, b, c] = u64::try_from(payload.len()).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn a_head_of_http2_is_incomplete_from_its_first_frame_to_its_last_however_it_is_cut() {
        let whole = [
            PREFACE.to_vec(),
            frame(4, 0, b"settings"),
            frame(HEADERS, 0, b"first"),
            frame(CONTINUATION, 0, b""),
            frame(CONTINUATION, END_HEADERS, b"last"),
            frame(0, 1, b"a body"),
        ]
        .concat();
        let ends = whole.len() - frame(0, 1, b"a body").len();
        let begins = PREFACE.len() + 9 + 8 + 9;
        for size in 1..whole.len() {
            let (mut heads, activity) = heads();
            let mut read = 0;
            for part in whole.chunks(size) {
                heads.read(part, &activity);
                read += part.len();
                let expected = read < PREFACE.len() || (begins..ends).contains(&read);
                assert_eq!(heads.is_incomplete(), expected, "{read} bytes in parts of {size}");
            }
        }
    }

    #[test]
    fn a_head_of_http1_is_incomplete_until_its_request_comes_and_a_body_is_none() {
        let (mut heads, activity) = heads();
        heads.read(b"POST / HTTP/1.1\r\nhost: x", &activity);
        assert!(heads.is_incomplete());
        let answering = activity.request();
        heads.read(b"", &activity);
        assert!(!heads.is_incomplete());
        heads.read(b"body", &activity);
        assert!(!heads.is_incomplete());
        drop(answering);
        heads.read(b"POST / HTTP/1.1\r\n\r\nbody", &activity);
        assert!(!heads.is_incomplete(), "it came at once");
        heads.read(b"P", &activity);
        assert!(heads.is_incomplete());
    }
}
