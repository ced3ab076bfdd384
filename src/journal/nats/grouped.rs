//! Records in the order of the stream, and which of them are one batch.
//!
//! The parts of a batch stand side by side. A part that a later record has replaced, or that has ended, is not delivered:
//! then the batch is torn, and its other parts alone would show half of it.

use std::sync::Arc;

/// A record of the stream.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Piece<C> {
    pub(super) sequence: u64,
    /// Of the series. It has one record in the stream.
    pub(super) series: Arc<str>,
    /// `None` of a record that cannot be read.
    pub(super) change: Option<C>,
}

/// Where in a batch a record stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) batch: Arc<str>,
    /// From one.
    pub(super) number: u64,
    pub(super) is_last: bool,
}

/// Records that belong together.
#[derive(PartialEq, Debug)]
pub(super) enum Group<C> {
    /// All that were written together.
    Whole(Vec<Piece<C>>),
    /// What is left of those.
    Torn(Vec<Piece<C>>),
}

/// Puts batches together.
pub(super) struct Grouping<C> {
    open: Option<Open<C>>,
}

struct Open<C> {
    last: Part,
    pieces: Vec<Piece<C>>,
}

impl<C> Default for Grouping<C> {
    fn default() -> Self {
        Self { open: None }
    }
}

impl<C> Grouping<C> {
    /// The groups that the next record completes: one that it interrupts, and its own.
    pub(super) fn feed(
        &mut self,
        piece: Piece<C>,
        part: Option<Part>,
    ) -> impl Iterator<Item = Group<C>> + use<C> {
        let Some(part) = part else {
            return self.interrupt().into_iter().chain(Some(Group::Whole(vec![piece])));
        };
        let interrupted = if self.goes_on_with(&piece, &part) { None } else { self.interrupt() };
        let completed = self.add(piece, part);
        interrupted.into_iter().chain(completed)
    }

    /// What was begun and does not go on.
    pub(super) fn interrupt(&mut self) -> Option<Group<C>> {
        self.open.take().map(|open| Group::Torn(open.pieces))
    }

    /// The sequence of the first record that is kept back.
    pub(super) fn first(&self) -> Option<u64> {
        self.open.as_ref()?.pieces.first().map(|piece| piece.sequence)
    }

    fn goes_on_with(&self, piece: &Piece<C>, part: &Part) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let before = open.pieces.last().map(|piece| piece.sequence + 1);
            open.last.batch == part.batch
                && open.last.number + 1 == part.number
                && before == Some(piece.sequence)
        })
    }

    fn add(&mut self, piece: Piece<C>, part: Part) -> Option<Group<C>> {
        let is_last = part.is_last;
        match &mut self.open {
            Some(open) => {
                open.pieces.push(piece);
                open.last = part;
            }
            None if part.number == 1 => self.open = Some(Open { last: part, pieces: vec![piece] }),
            None => return Some(Group::Torn(vec![piece])),
        }
        let whole = if is_last { self.open.take() } else { None };
        whole.map(|open| Group::Whole(open.pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(sequence: u64) -> Piece<()> {
        Piece { sequence, series: "s".into(), change: None }
    }

    /// A sequence, and where in which batch it stands, and whether that is its end.
    type Record<'a> = (u64, Option<(&'a str, u64, bool)>);

    /// The groups of these records, by sequence: torn ones with a tilde.
    fn groups(records: &[Record<'_>]) -> Vec<String> {
        let mut grouping = Grouping::default();
        let mut groups = Vec::new();
        for (sequence, part) in records {
            let part = part.map(|(batch, number, is_last)| Part { batch: batch.into(), number, is_last });
            groups.extend(grouping.feed(piece(*sequence), part));
        }
        groups.extend(grouping.interrupt());
        groups.iter().map(shown).collect()
    }

    fn shown(group: &Group<()>) -> String {
        let (mark, pieces) = match group {
            Group::Whole(pieces) => ("", pieces),
            Group::Torn(pieces) => ("~", pieces),
        };
        let sequences = pieces.iter().map(|piece| piece.sequence.to_string()).collect::<Vec<_>>();
        format!("{mark}{}", sequences.join(" "))
    }

    #[test]
    fn the_parts_of_a_batch_come_together_and_others_alone() {
        let records = [
            (1, None),
            (2, Some(("a", 1, false))),
            (3, Some(("a", 2, false))),
            (4, Some(("a", 3, true))),
            (7, Some(("b", 1, true))),
            (8, None),
        ];
        assert_eq!(groups(&records), ["1", "2 3 4", "7", "8"]);
    }

    #[test]
    fn a_batch_that_lacks_a_part_is_torn_wherever_it_lacks_it() {
        let (first, second, last) = (Some(("a", 1, false)), Some(("a", 2, false)), Some(("a", 3, true)));
        assert_eq!(groups(&[(3, second), (4, last)]), ["~3", "~4"], "the first");
        assert_eq!(groups(&[(2, first), (4, last), (5, None)]), ["~2", "~4", "5"], "one in the middle");
        assert_eq!(groups(&[(2, first), (3, second), (5, None)]), ["~2 3", "5"], "the last");
        assert_eq!(groups(&[(2, first), (3, Some(("b", 1, true)))]), ["~2", "3"], "all but the first");
        assert_eq!(
            groups(&[(2, first), (9, second)]),
            ["~2", "~9"],
            "records between two parts are no part of it"
        );
    }
}
