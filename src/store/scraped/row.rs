//! One scrape of the past, kept as what it differs in from the scrape after it.
//!
//! Most series of a target stand still between two scrapes, and most that move are counters that grow by a small
//! whole number. So a lane takes four bits, and one, two or four bytes when it moved by a whole number that fits;
//! anything else is kept as its eight bytes. Values come back exactly as they were.
//!
//! ```text
//! codes: 4 bits a lane │ payload offset: 4 bytes every 32 lanes │ payload
//! ```

/// The values of one scrape, readable from those of the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    lanes: u32,
    bytes: Box<[u8]>,
}

/// How a lane is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Code {
    Same,
    Delta8,
    Delta16,
    Delta32,
    Whole,
    /// The series was not there.
    Absent,
}

impl Row {
    /// Keeps `before` (one lane a series; `None` where the series was not there) relative to `after`.
    pub(super) fn between(before: impl IntoIterator<Item = Option<f64>>, after: &[f64]) -> Self {
        let lanes = after.len();
        let mut codes = vec![0_u8; lanes.div_ceil(2)];
        let mut offsets = Vec::with_capacity(lanes.div_ceil(CHUNK) * 4);
        let mut payload = Vec::with_capacity(lanes);
        for (lane, (before, after)) in before.into_iter().zip(after).enumerate() {
            if lane % CHUNK == 0 {
                offsets.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
            }
            let code = append(&mut payload, before, *after) as u8;
            if let Some(pair) = codes.get_mut(lane / 2) {
                *pair |= code << (lane % 2 * 4);
            }
        }
        codes.extend_from_slice(&offsets);
        codes.extend_from_slice(&payload);
        Self { lanes: u32::try_from(lanes).unwrap_or(u32::MAX), bytes: codes.into() }
    }

    /// The value of `lane` then, given its value `after`; `None` if the series was not there.
    pub(super) fn before(&self, lane: u32, after: f64) -> Option<f64> {
        let lane = lane as usize;
        let chunk = lane / CHUNK;
        let pairs = self.bytes.get(chunk * CHUNK / 2..lane / 2)?;
        let size_of_pair = |pair: &u8| SIZES.get(usize::from(*pair)).copied().unwrap_or_default();
        let last = if lane % 2 == 1 { self.code(lane - 1).size() } else { 0 };
        let within = pairs.iter().map(|pair| usize::from(size_of_pair(pair))).sum::<usize>() + last;
        let payload = self.payload().get(self.offset(chunk)? + within..)?;
        match self.code(lane) {
            Code::Same => Some(after),
            Code::Delta8 => Some(after - f64::from(i8::from_le_bytes(*payload.first_chunk()?))),
            Code::Delta16 => Some(after - f64::from(i16::from_le_bytes(*payload.first_chunk()?))),
            Code::Delta32 => Some(after - f64::from(i32::from_le_bytes(*payload.first_chunk()?))),
            Code::Whole => Some(f64::from_le_bytes(*payload.first_chunk()?)),
            Code::Absent => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    fn code(&self, lane: usize) -> Code {
        let pair = self.bytes.get(lane / 2).copied().unwrap_or_default();
        Code::of(pair >> (lane % 2 * 4) & 0xf)
    }

    fn offset(&self, chunk: usize) -> Option<usize> {
        let at = (self.lanes as usize).div_ceil(2) + chunk * 4;
        let offset = self.bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*offset)).ok()
    }

    fn payload(&self) -> &[u8] {
        let lanes = self.lanes as usize;
        self.bytes.get(lanes.div_ceil(2) + lanes.div_ceil(CHUNK) * 4..).unwrap_or_default()
    }
}

impl Code {
    const fn of(bits: u8) -> Self {
        match bits {
            0 => Self::Same,
            1 => Self::Delta8,
            2 => Self::Delta16,
            3 => Self::Delta32,
            4 => Self::Whole,
            _ => Self::Absent,
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Same | Self::Absent => 0,
            Self::Delta8 => 1,
            Self::Delta16 => 2,
            Self::Delta32 => 4,
            Self::Whole => 8,
        }
    }
}

/// The bytes of the payload that the two lanes of each possible byte of codes take.
const SIZES: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut pair = 0_u8;
    loop {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::indexing_slicing,
            reason = "16 at most; an u8 is in the table"
        )]
        {
            sizes[pair as usize] = (Code::of(pair & 0xf).size() + Code::of(pair >> 4).size()) as u8;
        }
        if pair == u8::MAX {
            break;
        }
        pair += 1;
    }
    sizes
};

fn append(payload: &mut Vec<u8>, before: Option<f64>, after: f64) -> Code {
    let Some(before) = before else { return Code::Absent };
    if before.to_bits() == after.to_bits() {
        return Code::Same;
    }
    let Some(delta) = whole_delta(before, after) else {
        payload.extend_from_slice(&before.to_le_bytes());
        return Code::Whole;
    };
    if let Ok(delta) = i8::try_from(delta) {
        payload.extend_from_slice(&delta.to_le_bytes());
        return Code::Delta8;
    }
    if let Ok(delta) = i16::try_from(delta) {
        payload.extend_from_slice(&delta.to_le_bytes());
        return Code::Delta16;
    }
    payload.extend_from_slice(&delta.to_le_bytes());
    Code::Delta32
}

/// `after - before` if it is a whole number that takes `after` back to exactly `before`.
fn whole_delta(before: f64, after: f64) -> Option<i32> {
    let delta = after - before;
    if delta.abs() > f64::from(i32::MAX) || delta.fract() != 0.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range, as checked above")]
    let delta = delta as i32;
    ((after - f64::from(delta)).to_bits() == before.to_bits()).then_some(delta)
}

/// Lanes that share one payload offset: a read walks at most this many codes.
const CHUNK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(a: Option<f64>, b: Option<f64>) -> bool {
        a.map(f64::to_bits) == b.map(f64::to_bits)
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            (0..1000_i32).prop_map(f64::from),
            any::<i32>().prop_map(f64::from),
            (0..10_u32).prop_map(|tenths| f64::from(tenths) / 10.0),
            Just(f64::NAN),
            Just(0.0),
            Just(-0.0),
            Just(9_007_199_254_740_993.0),
        ]
    }

    proptest! {
        #[test]
        fn values_come_back_exactly(
            pairs in proptest::collection::vec((proptest::option::of(value()), value()), 0..200)
        ) {
            let after: Vec<f64> = pairs.iter().map(|(_, after)| *after).collect();
            let row = Row::between(pairs.iter().map(|(before, _)| *before), &after);
            for (lane, (before, after)) in (0..).zip(&pairs) {
                prop_assert!(same(row.before(lane, *after), *before), "lane {} {:?}", lane, pairs[lane as usize]);
            }
        }
    }

    #[test]
    fn what_stands_still_takes_half_a_byte() {
        let values = vec![1.5; 1024];
        let row = Row::between(values.iter().copied().map(Some), &values);
        assert_eq!(row.bytes.len(), 512 + 32 * 4);
    }

    #[test]
    fn a_lane_that_does_not_exist_has_no_value() {
        let row = Row::between([Some(1.0)], &[2.0]);
        assert_eq!(row.before(64, 0.0), None);
    }
}
