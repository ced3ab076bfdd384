//! Which build this is. `build.rs` finds the commit and its date.

use std::sync::LazyLock;

use jiff::Timestamp;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, `…-dirty` if its sources were changed; `unknown` in a debug build and one from a tarball.
pub const COMMIT: &str = env!("CMA_BUILT_COMMIT");

/// When the commit was made (`2026-01-31T09:00:00Z`), or `unknown`.
pub static DATE: LazyLock<String> =
    LazyLock::new(|| date(env!("CMA_BUILT_SECONDS")).unwrap_or_else(|| "unknown".to_owned()));

/// What `--version` prints behind the name.
pub static LINE: LazyLock<String> = LazyLock::new(|| format!("{VERSION} (commit {COMMIT}, {})", *DATE));

fn date(seconds: &str) -> Option<String> {
    let at = Timestamp::from_second(seconds.parse().ok()?).ok()?;
    Some(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_the_seconds_or_none() {
        assert_eq!(date("1767225599"), Some("2025-12-31T23:59:59Z".to_owned()));
        for nonsense in ["", "yesterday", "99999999999999"] {
            assert_eq!(date(nonsense), None, "{nonsense}");
        }
    }
}
