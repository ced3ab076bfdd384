//! How many bytes a remembered verdict takes, on the safe side.

use super::{AccessVerdict, Question, TokenDigest, TokenVerdict, User};

pub(super) fn of_access(question: &Question, verdict: &AccessVerdict) -> usize {
    ENTRY + user(&question.user) + question.attributes.text_bytes() + verdict.reason.len()
}

pub(super) fn of_token(_: &TokenDigest, verdict: &TokenVerdict) -> usize {
    let verdict = match verdict {
        TokenVerdict::Authenticated(user) => self::user(user),
        TokenVerdict::Rejected(problem) => problem.len(),
    };
    ENTRY + verdict
}

fn user(user: &User) -> usize {
    let values = user.extra.values().map(|values| 1 + values.len()).sum::<usize>();
    user.text_bytes() + TEXT * (user.groups.len() + values)
}

/// The structs, and what the map and the allocator need for them.
const ENTRY: usize = 1024;
/// A string's own header, and what the allocator rounds up to.
const TEXT: usize = 48;
