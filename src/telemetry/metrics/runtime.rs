//! The tokio runtime: what of its metrics is stable.

use std::time::Duration;

use prometheus::Error;
use tokio::runtime::{Handle, RuntimeMetrics};

use super::{
    float,
    registration::{Reading, Registration},
};

pub(super) fn register(registration: &mut Registration<'_>) -> Result<(), Error> {
    let what = [
        Reading::gauge("runtime_workers", "Worker threads of the tokio runtime."),
        Reading::gauge("runtime_tasks", "Tasks that are alive."),
        Reading::gauge("runtime_queued_tasks", "Tasks in the global queue that wait for a worker."),
        Reading::counter("runtime_busy_seconds_total", "Time that the workers together spent on tasks."),
    ];
    let runtime = Handle::try_current().ok().map(|handle| handle.metrics());
    registration.readings(&what, move |readings| {
        let Some(runtime) = &runtime else { return };
        readings.put("runtime_workers", float(runtime.num_workers()));
        readings.put("runtime_tasks", float(runtime.num_alive_tasks()));
        readings.put("runtime_queued_tasks", float(runtime.global_queue_depth()));
        readings.put("runtime_busy_seconds_total", busy(runtime).as_secs_f64());
    })
}

fn busy(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum()
}
