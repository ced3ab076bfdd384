use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a few rounds of the HPA controller on a busy two-core machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Asks again until `attempt` succeeds; after the deadline fails with what the last attempt saw.
pub(crate) fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        let seen = match attempt() {
            Ok(result) => return result,
            Err(seen) => seen,
        };
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}; last seen: {seen}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Asks again until `observe` gives `expected`.
pub(crate) fn eventually_equals<T: PartialEq + Debug>(
    what: &str,
    deadline: Duration,
    expected: &T,
    mut observe: impl FnMut() -> T,
) {
    eventually(what, deadline, || {
        let seen = observe();
        if seen == *expected { Ok(()) } else { Err(format!("{seen:?}, not {expected:?}")) }
    });
}
