//! The process, from `/proc`. The crate's own collector counts CPU time in whole seconds, which makes rates of
//! fractions of a core useless.

use std::fs;

use prometheus::Error;

use super::{
    float,
    registration::{Reading, Registration},
};

pub(super) fn register(registration: &mut Registration<'_>) -> Result<(), Error> {
    let what = [
        Reading::counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
        Reading::gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
        Reading::gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
        Reading::gauge("process_threads", "Number of OS threads in the process."),
        Reading::gauge("process_open_fds", "Number of open file descriptors."),
        Reading::gauge("process_max_fds", "Maximum number of open file descriptors."),
        Reading::gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        ),
    ];
    let started = start_time();
    registration.readings(&what, move |readings| {
        let mut put =
            |name, value: Option<f64>| value.into_iter().for_each(|value| readings.put(name, value));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        put("process_cpu_seconds_total", cpu_seconds());
        put("process_resident_memory_bytes", kilobytes(&status, "VmRSS:"));
        put("process_virtual_memory_bytes", kilobytes(&status, "VmSize:"));
        put("process_threads", number(&status, "Threads:"));
        put("process_open_fds", fs::read_dir("/proc/self/fd").ok().map(|fds| float(fds.count())));
        put("process_max_fds", max_fds());
        put("process_start_time_seconds", started);
    })
}

/// The fields of `/proc/self/stat` after the command, which may have blanks and brackets in it.
fn stat() -> Option<Vec<f64>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
}

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((stat.get(USER_TIME)? + stat.get(SYSTEM_TIME)?) / TICKS)
}

fn start_time() -> Option<f64> {
    let booted = number(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    Some(booted + stat()?.get(START_TIME)? / TICKS)
}

fn max_fds() -> Option<f64> {
    number(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

fn kilobytes(text: &str, key: &str) -> Option<f64> {
    number(text, key).map(|kilobytes| kilobytes * 1024.0)
}

/// The first number of the line that starts with `key`.
fn number(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Places in `/proc/self/stat` after the command; proc_pid_stat(5) numbers them 14, 15 and 22.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;

/// USER_HZ, which is 100 on every architecture that Rust's tier 1 and 2 Linux targets have.
const TICKS: f64 = 100.0;
