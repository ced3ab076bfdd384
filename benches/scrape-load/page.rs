//! A page such as a web service exposes, of any size, whose numbers move.

use std::fmt::Write;

/// Writes a page of about `series` series as it is at `tick`. The labels never change, the values of a fifth of the
/// series do not either, as on a real page.
pub(crate) fn write(page: &mut String, series: usize, tick: u64) {
    page.clear();
    process(page, tick);
    let (mut left, mut service) = (series.saturating_sub(PROCESS_SERIES), 0);
    while left > 0 {
        left -= one_service(page, service, left, tick);
        service += 1;
    }
}

fn process(page: &mut String, tick: u64) {
    for (name, kind, value) in [
        ("process_cpu_seconds_total", "counter", format!("{}.{:02}", tick / 7, tick % 100)),
        ("process_resident_memory_bytes", "gauge", format!("{}", 40_000_000 + (tick % 977) * 4096)),
        ("process_start_time_seconds", "gauge", "1.79551234e+09".to_owned()),
        ("go_goroutines", "gauge", format!("{}", 40 + tick % 13)),
        ("go_info", "gauge", "1".to_owned()),
        ("process_max_fds", "gauge", "1.048576e+06".to_owned()),
    ] {
        let _ = writeln!(
            page,
            "# HELP {name} What it is, in one sentence of usual length.\n# TYPE {name} {kind}"
        );
        let _ = writeln!(page, "{name} {value}");
    }
}

/// A counter by method, path and code, a histogram with twelve series, and a gauge; how many series that made.
fn one_service(page: &mut String, service: usize, left: usize, tick: u64) -> usize {
    let labels = format!("service=\"service-{service}\",path=\"/api/v1/items/{service}\"");
    let mut written = 0;
    let mut line = |page: &mut String, text: std::fmt::Arguments<'_>| {
        if written < left {
            let _ = writeln!(page, "{text}");
            written += 1;
        }
    };
    let _ = writeln!(page, "# HELP http_{service}_requests_total Requests, by what they asked for and got.");
    let _ = writeln!(page, "# TYPE http_{service}_requests_total counter");
    for (n, code) in [200, 201, 204, 400, 404, 500].into_iter().enumerate() {
        for method in ["GET", "POST"] {
            let value = 1000 * (n as u64 + 1) + tick * (7 - n as u64);
            line(
                page,
                format_args!(
                    "http_{service}_requests_total{{method=\"{method}\",code=\"{code}\",{labels}}} {value}"
                ),
            );
        }
    }
    let _ = writeln!(page, "# HELP http_{service}_duration_seconds How long they took.");
    let _ = writeln!(page, "# TYPE http_{service}_duration_seconds histogram");
    for (n, le) in BOUNDS.into_iter().enumerate() {
        let value = tick * (n as u64 + 1) + 17;
        line(page, format_args!("http_{service}_duration_seconds_bucket{{{labels},le=\"{le}\"}} {value}"));
    }
    line(
        page,
        format_args!("http_{service}_duration_seconds_sum{{{labels}}} {}.{:03}", tick * 3, tick % 1000),
    );
    line(page, format_args!("http_{service}_duration_seconds_count{{{labels}}} {}", tick * 11 + 17));
    let _ =
        writeln!(page, "# HELP queue_{service}_depth Jobs that wait.\n# TYPE queue_{service}_depth gauge");
    line(page, format_args!("queue_{service}_depth{{{labels}}} {}", (tick * 7) % 100));
    written
}

const PROCESS_SERIES: usize = 6;
const BOUNDS: [&str; 11] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"];
