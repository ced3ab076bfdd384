//! What the store may hold, and the refusal that says so.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::model::Tenant;

/// Upper bounds of what is held; each has a flag of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Written series in all.
    pub series: usize,
    /// Series of one object, so that one writer with unbounded labels cannot take all of them.
    pub series_per_object: usize,
    /// Scraped series in all.
    pub scraped_series: usize,
    /// Bytes of scrapes in all, what targets share included.
    pub scraped_bytes: usize,
    /// What one tenant may take of each of them, `series_per_object` aside.
    pub share: Percent,
}

/// A part of a limit, from 1 % to 100 %.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percent(u8);

impl Percent {
    /// All of a limit.
    pub const WHOLE: Self = Self(100);

    /// `None` for what is not from 1 to 100.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }

    /// Whether `part` of `whole` is as much, or more.
    #[must_use]
    pub fn is_met_by(self, part: usize, whole: usize) -> bool {
        part.saturating_mul(100) >= whole.saturating_mul(usize::from(self.0))
    }

    /// This part of `limit`, rounded up.
    #[must_use]
    pub fn of(self, limit: usize) -> usize {
        let percent = usize::from(self.0);
        (limit / 100).saturating_mul(percent) + (limit % 100 * percent).div_ceil(100)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 1_000_000,
            series_per_object: 10_000,
            scraped_series: 10_000_000,
            scraped_bytes: 1 << 30,
            share: Percent::WHOLE,
        }
    }
}

/// Which limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LimitKind {
    /// [`Limits::series`].
    WrittenSeries,
    /// [`Limits::scraped_series`].
    ScrapedSeries,
    /// [`Limits::scraped_bytes`].
    ScrapedBytes,
}

/// How often a limit has refused something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which limit.
    pub kind: LimitKind,
    /// Because a tenant had its share.
    pub share: u64,
    /// Because the limit itself was reached.
    pub limit: u64,
}

/// Why a batch was refused; nothing of it was stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The store is full.
    #[error("the store holds {held} series and may hold {limit}: {new} new ones do not fit")]
    Full {
        /// Series held.
        held: usize,
        /// Series that the batch would add.
        new: usize,
        /// The limit.
        limit: usize,
    },
    /// Scrapes hold too much.
    #[error("scrapes hold {held} bytes and may hold {limit}: {new} more do not fit")]
    Bytes {
        /// Bytes held.
        held: usize,
        /// Bytes that would be added.
        new: usize,
        /// The limit.
        limit: usize,
    },
    /// A tenant has its share of a limit.
    #[error(
        "{tenant}: {held} {kind} of the {limit} that one namespace may have, and {new} more do not fit: expose or \
         write fewer label sets there, or raise {} or --namespace-share",
        .kind.flag()
    )]
    Share {
        /// Of which limit.
        kind: LimitKind,
        /// Who has it.
        tenant: Tenant,
        /// What the tenant holds.
        held: usize,
        /// What would be added.
        new: usize,
        /// Its share.
        limit: usize,
    },
    /// One object has too many series.
    #[error("{object} has {held} series and may have {limit}: another label set or metric does not fit")]
    ObjectFull {
        /// Which object.
        object: String,
        /// Series it has.
        held: usize,
        /// The limit.
        limit: usize,
    },
}

impl AppendError {
    /// Whether a tenant's share refused, not the limit of all.
    #[must_use]
    pub fn is_share(&self) -> bool {
        matches!(self, Self::Share { .. })
    }
}

/// What does not add up: held and new are more than the limit.
pub(super) struct Sum {
    pub(super) held: usize,
    pub(super) new: usize,
    pub(super) limit: usize,
}

impl LimitKind {
    pub(super) fn over_limit(self, Sum { held, new, limit }: Sum) -> AppendError {
        match self {
            Self::WrittenSeries | Self::ScrapedSeries => AppendError::Full { held, new, limit },
            Self::ScrapedBytes => AppendError::Bytes { held, new, limit },
        }
    }

    pub(super) fn over_share(self, tenant: &Tenant, Sum { held, new, limit }: Sum) -> AppendError {
        AppendError::Share { kind: self, tenant: tenant.clone(), held, new, limit }
    }

    /// As a label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrittenSeries => "written_series",
            Self::ScrapedSeries => "scraped_series",
            Self::ScrapedBytes => "scraped_bytes",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::WrittenSeries => "--max-series",
            Self::ScrapedSeries => "--scrape-max-series",
            Self::ScrapedBytes => "--scrape-max-bytes",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrittenSeries => "written series",
            Self::ScrapedSeries => "scraped series",
            Self::ScrapedBytes => "bytes of scrapes",
        })
    }
}

/// An estimate of heap bytes, for the pages.
#[derive(Default)]
pub(super) struct Bytes(AtomicUsize);

impl Bytes {
    pub(super) fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn charge(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn refund(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Replaces one estimate by another.
    pub(super) fn recount(&self, before: usize, after: usize) {
        self.charge(after);
        self.refund(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_limit_is_rounded_up_and_never_nothing() {
        let quarter = Percent::new(25).unwrap();
        assert_eq!([1, 2, 4, 5, 200_000].map(|limit| quarter.of(limit)), [1, 1, 1, 2, 50_000]);
        assert_eq!([1, 99, 1 << 30].map(|limit| Percent::WHOLE.of(limit)), [1, 99, 1 << 30]);
        assert_eq!((quarter.of(0), Percent::WHOLE.of(usize::MAX)), (0, usize::MAX));
        assert_eq!((Percent::new(0), Percent::new(101)), (None, None));
    }
}
