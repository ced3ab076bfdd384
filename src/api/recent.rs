//! The last different reads, by whom, and how they ended: for a person who asks why nothing comes.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use foldhash::fast::RandomState;
use http::{Uri, request::Parts};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::error::ApiError;
use crate::auth::User;

/// What was read lately. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct RecentReads(Arc<Inner>);

#[derive(Default)]
struct Inner {
    hashes: RandomState,
    reads: Mutex<HashMap<u64, RecentRead, RandomState>>,
}

/// One path that one user has read, once or more often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentRead {
    /// Path and query.
    pub path: String,
    /// Who asked.
    pub user: String,
    /// When it was asked last.
    pub at: Timestamp,
    /// How often.
    pub times: u64,
    /// Why there was no value the last time; `None` if there was one.
    pub error: Option<String>,
}

impl RecentReads {
    /// All of them, the newest first.
    #[must_use]
    pub fn all(&self) -> Vec<RecentRead> {
        let mut all: Vec<RecentRead> = self.0.reads.lock().values().cloned().collect();
        all.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.path.cmp(&other.path)));
        all
    }

    pub(super) fn note(&self, head: &Parts, user: &User, error: Option<&ApiError>) {
        // Two reads with the same 64 bits would be shown as one: this is for people.
        let key = self.key(&head.uri, user);
        let at = Timestamp::now();
        let error = error.map(|error| cut(error.to_string(), LONGEST));
        let mut reads = self.0.reads.lock();
        if let Some(known) = reads.get_mut(&key) {
            (known.at, known.times, known.error) = (at, known.times.saturating_add(1), error);
            return;
        }
        if reads.len() >= MOST {
            let oldest = reads.iter().min_by_key(|(_, read)| read.at).map(|(key, _)| *key);
            oldest.map(|oldest| reads.remove(&oldest));
        }
        let path = cut(head.uri.to_string(), LONGEST);
        reads.insert(
            key,
            RecentRead { path, user: cut(user.name.clone(), LONGEST_USER), at, times: 1, error },
        );
    }

    fn key(&self, uri: &Uri, user: &User) -> u64 {
        self.0.hashes.hash_one((uri.path(), uri.query(), &user.name))
    }
}

fn cut(mut text: String, longest: usize) -> String {
    text.truncate(text.floor_char_boundary(longest));
    text.shrink_to_fit();
    text
}

/// Different reads that are kept.
const MOST: usize = 1_000;

/// Bytes of a path, and of a reason.
const LONGEST: usize = 512;

const LONGEST_USER: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn note(reads: &RecentReads, path: &str, user: &str, error: Option<&ApiError>) {
        let (head, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        reads.note(&head, &User { name: user.to_owned(), ..User::anonymous() }, error);
    }

    #[test]
    fn the_same_read_by_the_same_user_is_one_with_its_last_outcome() {
        let reads = RecentReads::default();
        note(&reads, "/a?x=1", "ann", Some(&ApiError::Timeout));
        note(&reads, "/a?x=1", "ann", None);
        note(&reads, "/a?x=1", "bob", Some(&ApiError::Timeout));
        note(&reads, "/a?x=2", "ann", None);
        let all = reads.all();
        let of = |path: &str, user: &str| {
            all.iter()
                .find(|read| (&*read.path, &*read.user) == (path, user))
                .map(|read| (read.times, read.error.is_some()))
        };
        assert_eq!(
            (all.len(), of("/a?x=1", "ann"), of("/a?x=1", "bob")),
            (3, Some((2, false)), Some((1, true)))
        );
    }

    #[test]
    fn a_thousand_are_kept_the_newest_of_all() {
        let reads = RecentReads::default();
        for number in 0..1_100 {
            note(&reads, &format!("/{number}/{}", "x".repeat(2_000)), "ann", None);
        }
        let all = reads.all();
        assert_eq!(all.len(), MOST);
        assert!(all.iter().all(|read| read.path.len() == LONGEST), "a path is cut");
        assert!(!all.iter().any(|read| read.path.starts_with("/99/")), "the oldest are gone");
        assert!(all.iter().any(|read| read.path.starts_with("/1099/")));
    }
}
