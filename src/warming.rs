//! When a replica that begins is warm: it has scraped as often as a rate needs, or need not, because no other one serves.
//!
//! Without it a rolling update would hand the HPA's reads to a replica that knows no rate yet. A replica that is alone serves
//! at once, because what it has is better than nothing; kube-apiserver would have nobody to ask.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What is asked again and again.
pub struct Warming<Others, Cold> {
    /// Whether another replica serves; the error if nobody can say.
    pub others: Others,
    /// How many targets have been scraped too seldom; `None` while the pods are not known.
    pub cold: Cold,
    /// How long to wait at most.
    pub wait: Duration,
}

impl<Others, Asked, Cold> Warming<Others, Cold>
where
    Others: Fn() -> Asked,
    Asked: Future<Output = Result<bool, String>>,
    Cold: Fn() -> Option<usize>,
{
    /// Returns once the replica is warm; until then tells `reason` why it is not.
    pub async fn finish(self, reason: impl Fn(String)) {
        let end = Instant::now() + self.wait;
        let mut calm = 0;
        while calm < CALM && Instant::now() < end {
            match (self.others)().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let remedy = "bind Role custom-metrics-adapter:replicas to this service account";
                    tracing::warn!(
                        error,
                        remedy,
                        "ready before the first scrapes: whether another replica serves is not known"
                    );
                    return;
                }
            }
            let cold = (self.cold)();
            calm = if cold == Some(0) { calm + 1 } else { 0 };
            reason(match cold {
                None => "another replica serves, and the pods are not known yet".to_owned(),
                Some(cold) => {
                    format!("another replica serves, and {cold} targets have not been scraped twice")
                }
            });
            sleep(LOOK).await;
        }
        if calm < CALM {
            tracing::warn!(waited = ?self.wait, "ready although targets have not been scraped twice: the wait is over (--wait-for-scrapes)");
        }
    }
}

const LOOK: Duration = Duration::from_secs(1);

/// How many looks in a row find nothing cold: the targets of pods that have just become known take a moment.
const CALM: u32 = 2;

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// After how many seconds it is warm, and the reasons until then.
    async fn finished(
        others: impl Fn() -> Result<bool, String>,
        cold: impl Fn() -> Option<usize>,
    ) -> (u64, Vec<String>) {
        let others = || std::future::ready(others());
        let (begun, reasons) = (Instant::now(), RefCell::new(Vec::new()));
        let warming = Warming { others, cold, wait: Duration::from_secs(45) };
        warming.finish(|reason| reasons.borrow_mut().push(reason)).await;
        let mut reasons = reasons.into_inner();
        reasons.dedup();
        (begun.elapsed().as_secs(), reasons)
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_is_alone_or_cannot_know_it_waits_for_nothing() {
        assert_eq!(finished(|| Ok(false), || Some(7)).await, (0, vec![]));
        assert_eq!(finished(|| Err("forbidden".to_owned()), || Some(7)).await, (0, vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn beside_another_it_waits_until_every_target_was_scraped_twice() {
        let looks = Cell::new(0);
        let cold = || {
            looks.set(looks.get() + 1);
            [None, Some(0), Some(3), Some(3)].get(looks.get() - 1).copied().unwrap_or(Some(0))
        };
        let (seconds, reasons) = finished(|| Ok(true), cold).await;
        assert_eq!(seconds, 6, "what is not cold for one look counts for nothing");
        assert_eq!(reasons[0], "another replica serves, and the pods are not known yet");
        assert_eq!(reasons[2], "another replica serves, and 3 targets have not been scraped twice");
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_no_longer_than_it_may_nor_for_a_replica_that_has_gone() {
        assert_eq!(finished(|| Ok(true), || Some(1)).await.0, 45);
        let looks = Cell::new(0);
        let others = || {
            looks.set(looks.get() + 1);
            Ok(looks.get() < 5)
        };
        assert_eq!(finished(others, || Some(1)).await.0, 4);
    }
}
