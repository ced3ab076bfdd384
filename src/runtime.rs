//! The threads that everything runs on.

use std::{io, num::NonZero, thread::available_parallelism};

use tokio::runtime::{Builder, Runtime};

/// A runtime with a worker for each CPU that the container may use: its CPU limit (the quota of its cgroup) and its CPU
/// set are heeded. At most eight: without a limit a node's hundred cores would be a hundred threads, each with memory
/// of its own, and the adapter never has work for them. `TOKIO_WORKER_THREADS` says otherwise.
///
/// # Errors
/// When the system gives no thread.
pub fn build() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().max_blocking_threads(BLOCKING);
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        builder.worker_threads(workers(available_parallelism().map_or(1, NonZero::get)));
    }
    builder.build()
}

fn workers(cpus: usize) -> usize {
    cpus.min(MOST_WORKERS)
}

const MOST_WORKERS: usize = 8;
/// Bodies of scrapes, pages and searches have limits of their own; files and names need few.
const BLOCKING: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_worker_for_each_cpu_up_to_eight() {
        assert_eq!([1, 2, 8, 9, 128].map(workers), [1, 2, 8, 8, 8]);
    }
}
