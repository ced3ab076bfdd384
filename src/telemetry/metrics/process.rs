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
        Reading::gauge("memory_limit_bytes", "Memory that the container may take; +Inf without a limit."),
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
        put("memory_limit_bytes", Some(memory_limit().unwrap_or(f64::INFINITY)));
        put("process_virtual_memory_bytes", kilobytes(&status, "VmSize:"));
        put("process_threads", number(&status, "Threads:"));
        put("process_open_fds", fs::read_dir("/proc/self/fd").ok().map(|fds| float(fds.count())));
        put("process_max_fds", max_fds());
        put("process_start_time_seconds", started);
    })
}

/// Bytes that are resident.
#[must_use]
pub fn resident_memory() -> Option<f64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
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

/// The lowest limit of the control groups that this process is in, of version 2 or 1; `None` without one.
#[must_use]
pub fn memory_limit() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    lowest_limit(&groups, |file| fs::read_to_string(file).ok())
}

fn lowest_limit(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<f64> {
    let limits = groups.lines().flat_map(limit_files).filter_map(|file| read(&file)?.trim().parse().ok());
    // Version 1 has no word for "no limit": it is a number that no machine reaches.
    limits.filter(|limit| *limit < NO_LIMIT).reduce(f64::min)
}

/// The files with the limits of the group in a line of `/proc/self/cgroup`, and of the groups around it.
fn limit_files(line: &str) -> Vec<String> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let path = path.trim_end_matches('/');
    let around = std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(around, _)| around));
    around.map(|path| format!("{root}{path}/{file}")).collect()
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

/// An exbibyte.
const NO_LIMIT: f64 = (1_u64 << 60) as f64;

/// USER_HZ, which is 100 on every architecture that Rust's tier 1 and 2 Linux targets have.
const TICKS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<f64> {
        lowest_limit(groups, |file| {
            files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_limit_of_a_container_is_that_of_its_control_group_or_of_one_around_it() {
        let container = [("/sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(limit("0::/\n", &container), Some(536_870_912.0));
        let nested = [("/sys/fs/cgroup/a/b/memory.max", "max\n"), ("/sys/fs/cgroup/a/memory.max", "1024\n")];
        assert_eq!(limit("0::/a/b\n", &nested), Some(1024.0));
        let version_1 = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2048\n")];
        assert_eq!(limit("5:cpu,cpuacct:/\n4:memory:/\n", &version_1), Some(2048.0));
    }

    #[test]
    fn no_limit_is_no_number() {
        assert_eq!(limit("0::/\n", &[("/sys/fs/cgroup/memory.max", "max\n")]), None);
        let unlimited = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(limit("4:memory:/\n", &unlimited), None);
        assert_eq!(limit("", &[]), None);
    }
}
