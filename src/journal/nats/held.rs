//! Records that wait for others.
//!
//! The records that have torn a batch stand after it in the stream, and before a pulse that is sent once the tear is
//! known. Until that pulse is delivered, the rest of the batch and all after it wait; then they are applied together, and
//! nobody has seen half of a batch.

use super::grouped::{Group, Piece};

/// The records that wait.
pub(super) struct Held<C> {
    pieces: Vec<Piece<C>>,
    /// The pulse that ends the wait.
    until: Option<u64>,
}

impl<C> Default for Held<C> {
    fn default() -> Self {
        Self { pieces: Vec::new(), until: None }
    }
}

impl<C> Held<C> {
    /// Takes a group; `pulse` sends a pulse and tells its number. The records that wait no longer.
    pub(super) fn take(&mut self, group: Group<C>, pulse: impl FnOnce() -> u64) -> Vec<Piece<C>> {
        match group {
            Group::Whole(pieces) if self.until.is_none() => return pieces,
            Group::Whole(pieces) => self.pieces.extend(pieces),
            Group::Torn(pieces) => {
                self.until = Some(pulse());
                self.pieces.extend(pieces);
            }
        }
        if self.pieces.len() <= MOST {
            return Vec::new();
        }
        // A replica that is so far behind that each of its batches is torn shows halves rather than nothing.
        tracing::warn!(
            records = MOST,
            "batches of the journal may be seen in half: this replica is too far behind"
        );
        self.release()
    }

    /// The newest pulse that was delivered is this one. The records that wait no longer.
    pub(super) fn deliver(&mut self, pulse: u64) -> Vec<Piece<C>> {
        if self.until.is_some_and(|until| until <= pulse) { self.release() } else { Vec::new() }
    }

    /// The sequence of the first record that waits.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.first().map(|piece| piece.sequence)
    }

    pub(super) fn release(&mut self) -> Vec<Piece<C>> {
        self.until = None;
        std::mem::take(&mut self.pieces)
    }
}

/// About 50 MB of records.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sequences: &[u64]) -> Vec<Piece<()>> {
        let piece = |sequence: &u64| Piece { sequence: *sequence, series: "s".into(), change: None };
        sequences.iter().map(piece).collect()
    }

    #[test]
    fn what_comes_after_a_torn_batch_waits_with_it_for_the_pulse_after_the_last_tear() {
        let mut held = Held::default();
        assert_eq!(held.take(Group::Whole(pieces(&[1])), || unreachable!()), pieces(&[1]));
        assert_eq!(held.take(Group::Torn(pieces(&[2, 3])), || 7), []);
        assert_eq!(held.take(Group::Whole(pieces(&[5])), || unreachable!()), []);
        assert_eq!(held.take(Group::Torn(pieces(&[6])), || 8), []);
        assert_eq!(held.first(), Some(2));
        assert_eq!(held.deliver(7), [], "a record that has torn the second may stand after it");
        assert_eq!(held.deliver(8), pieces(&[2, 3, 5, 6]));
        assert_eq!(held.first(), None);
        assert_eq!(held.take(Group::Whole(pieces(&[9])), || unreachable!()), pieces(&[9]));
    }

    #[test]
    fn no_more_wait_than_fit() {
        let mut held = Held::default();
        let many: Vec<u64> = (1..=MOST as u64).collect();
        assert_eq!(held.take(Group::Torn(pieces(&many)), || 1), []);
        let released = held.take(Group::Whole(pieces(&[MOST as u64 + 1])), || unreachable!());
        assert_eq!(released.len(), MOST + 1);
        assert_eq!(held.first(), None);
    }
}
