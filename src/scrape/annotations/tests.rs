use super::*;
use crate::scrape::testing::pod;

fn read_pod(annotations: &[(&str, &str)]) -> Wish {
    read(&pod("web-1", annotations), &ScrapeOptions::default())
}

fn settings(annotations: &[(&str, &str)]) -> Settings {
    let scrape = [("prometheus.io/scrape", "true")];
    match read_pod(&[annotations, &scrape].concat()) {
        Wish::Scrape(settings, errors) if errors.is_empty() => *settings,
        other => panic!("{other:?}"),
    }
}

fn errors(annotations: &[(&str, &str)]) -> (bool, Vec<String>) {
    let scrape = [("prometheus.io/scrape", "true")];
    let (scraped, errors) = match read_pod(&[&scrape, annotations].concat()) {
        Wish::Scrape(_, errors) => (true, errors),
        Wish::Unreadable(errors) => (false, errors),
        Wish::None => panic!("no wish"),
    };
    (scraped, errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_pod_is_scraped_only_if_it_says_so() {
    assert_eq!(read_pod(&[]), Wish::None);
    assert_eq!(read_pod(&[("prometheus.io/port", "80")]), Wish::None);
    for no in ["false", "False", "0", ""] {
        assert_eq!(read_pod(&[("prometheus.io/scrape", no)]), Wish::None, "{no:?}");
    }
    for yes in ["true", "True", "1", " true "] {
        assert!(matches!(read_pod(&[("prometheus.io/scrape", yes)]), Wish::Scrape(..)), "{yes:?}");
    }
    assert!(matches!(read_pod(&[("prometheus.io/scrape", "maybe")]), Wish::Unreadable(_)));
}

#[test]
fn without_more_the_usual_path_and_the_configured_times_are_used() {
    let settings = settings(&[]);
    assert_eq!((settings.path.as_str(), settings.scheme.as_str()), ("/metrics", "http"));
    assert_eq!((settings.interval, settings.timeout), (Duration::from_secs(15), Duration::from_secs(5)));
    assert_eq!(settings.window, Duration::from_secs(60));
    assert!(settings.ports.is_empty() && settings.allow.may_keep("anything"));
}

#[test]
fn ports_are_numbers_or_names_and_may_be_several() {
    let ports = settings(&[("prometheus.io/port", "8080, metrics,8080")]).ports;
    assert_eq!(ports, [PortName::Number(8080), PortName::Name("metrics".into())]);
}

#[test]
fn parameters_join_the_query_of_the_path() {
    let settings = settings(&[
        ("prometheus.io/path", "probe?module=http"),
        ("prometheus.io/param_target", "a b&c"),
        ("prometheus.io/param-debug", "1"),
    ]);
    assert_eq!(settings.path.as_str(), "/probe?module=http&debug=1&target=a+b%26c");
}

#[test]
fn intervals_have_several_names_and_are_kept_within_bounds() {
    for name in ["interval", "scrape-interval", "scrape_interval"] {
        let name = format!("prometheus.io/{name}");
        assert_eq!(settings(&[(&name, "30s")]).interval, Duration::from_secs(30), "{name}");
    }
    assert_eq!(settings(&[("prometheus.io/interval", "10ms")]).interval, Duration::from_secs(1));
    assert_eq!(settings(&[("prometheus.io/interval", "1h")]).interval, Duration::from_secs(300));
    let quick = settings(&[("prometheus.io/interval", "2s"), ("prometheus.io/timeout", "10s")]);
    assert_eq!(quick.timeout, Duration::from_secs(2));
    assert_eq!(settings(&[("prometheus.io/interval", "1m")]).window, Duration::from_secs(240));
}

#[test]
fn our_own_annotations_say_how_values_count() {
    let settings = settings(&[
        ("custom-metrics-adapter/metrics", "queue_depth,http_*"),
        ("custom-metrics-adapter/fold", "max"),
        ("custom-metrics-adapter/window", "5m"),
        ("custom-metrics-adapter/strict", "true"),
        ("custom-metrics-adapter/openmetrics", "true"),
    ]);
    assert!(settings.allow.may_keep("queue_depth") && !settings.allow.may_keep("go_goroutines"));
    assert_eq!((settings.fold, settings.window), (Fold::Max, Duration::from_secs(300)));
    assert!(settings.strict && settings.openmetrics);
}

#[test]
fn windows_are_kept_between_two_scrapes_and_ten_minutes() {
    for (window, kept) in [("1s", 30), ("45s", 45), ("2h", 600)] {
        let settings = settings(&[("custom-metrics-adapter/window", window)]);
        assert_eq!(settings.window, Duration::from_secs(kept), "{window}");
    }
}

#[test]
fn a_port_path_or_scheme_that_cannot_be_read_is_an_error_that_names_pod_and_annotation() {
    for (name, value) in [
        ("port", "http:80"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "80,"),
        ("scheme", "ftp"),
        ("path", "/a b"),
        ("path", "//evil.example/metrics"),
    ] {
        let (scraped, errors) = errors(&[(&format!("prometheus.io/{name}"), value)]);
        assert!(!scraped, "{name}={value}");
        let start = format!("pod default/web-1: annotation prometheus.io/{name}={value:?}: ");
        assert!(errors.len() == 1 && errors[0].starts_with(&start), "{errors:?}");
    }
}

#[test]
fn where_a_default_is_safe_an_error_does_not_stop_the_scrape() {
    for (annotation, value) in [
        ("prometheus.io/interval", "often"),
        ("prometheus.io/timeout", "-1s"),
        ("custom-metrics-adapter/fold", "median"),
        ("custom-metrics-adapter/metrics", "a*b"),
        ("custom-metrics-adapter/strict", "perhaps"),
        ("custom-metrics-adapter/fodl", "max"),
        ("custom-metrics-adapter/metrics", "http_requests_total queue_depth"),
        ("custom-metrics-adapter/counters", "a*b"),
        ("custom-metrics-adapter/max-age", "old"),
        ("custom-metrics-adapter/honor-timestamps", "maybe"),
        ("custom-metrics-adapter/raw-counters", "some"),
        ("prometheus.io/schema", "https"),
        ("prometheus.io/Port", "80"),
    ] {
        let (scraped, errors) = errors(&[(annotation, value)]);
        assert!(scraped && errors.len() == 1 && errors[0].contains(annotation), "{errors:?}");
    }
}

#[test]
fn the_prefix_is_configurable() {
    let pod = pod("web-1", &[("example.com/scrape", "true"), ("example.com/port", "1")]);
    let options = ScrapeOptions { annotation_prefix: "example.com".into(), ..ScrapeOptions::default() };
    assert!(matches!(read(&pod, &options), Wish::Scrape(..)));
    assert_eq!(read(&pod, &ScrapeOptions::default()), Wish::None);
}

#[test]
fn an_empty_annotation_is_as_none() {
    let settings = settings(&[
        ("prometheus.io/port", ""),
        ("prometheus.io/path", " "),
        ("prometheus.io/scheme", ""),
        ("prometheus.io/interval", ""),
        ("prometheus.io/scrape-interval", "30s"),
        ("prometheus.io/timeout", ""),
        ("prometheus.io/param_target", ""),
        ("prometheus.io/schema", ""),
        ("custom-metrics-adapter/metrics", ""),
        ("custom-metrics-adapter/fold", ""),
        ("custom-metrics-adapter/fodl", ""),
    ]);
    assert_eq!((settings.path.as_str(), settings.scheme.as_str()), ("/metrics", "http"));
    assert!(settings.ports.is_empty() && settings.allow.may_keep("anything"));
    assert_eq!(settings.interval, Duration::from_secs(30));
}

#[test]
fn how_values_live_and_what_counts_can_be_said() {
    let said = settings(&[
        ("custom-metrics-adapter/counters", "kafka_*,in_total"),
        ("custom-metrics-adapter/honor-timestamps", "false"),
        ("custom-metrics-adapter/raw-counters", "true"),
        ("custom-metrics-adapter/max-age", "2m"),
    ]);
    assert!(said.counters.contains("kafka_x_Count") && !said.counters.contains("in"));
    assert!(!said.honor_timestamps && said.raw_counters);
    assert_eq!(said.max_age, Some(Duration::from_secs(120)));
    let default = settings(&[("custom-metrics-adapter/max-age", "1ms")]);
    assert!(default.honor_timestamps && !default.raw_counters && default.counters.is_empty());
    assert_eq!(default.max_age, Some(Duration::from_secs(15)), "not below the interval");
}

#[test]
fn a_wish_under_a_name_that_is_nearly_right_is_told() {
    let Wish::Unreadable(errors) = read_pod(&[("prometheus.io/Scrape", "true")]) else { panic!("no word") };
    assert!(errors[0].to_string().ends_with("did you mean prometheus.io/scrape?"), "{errors:?}");
    for other in [
        ("prometheus.io/scrape-slow", "true"),
        ("prometheus.io/probe", "true"),
        ("prometheus.io/Scrape", "no"),
    ] {
        assert_eq!(read_pod(&[other]), Wish::None, "{other:?}");
    }
}

#[test]
fn derived_metrics_are_read_and_a_wrong_one_points_at_its_fault() {
    let said = settings(&[("custom-metrics-adapter/derive.busy_ratio", "busy / workers")]);
    assert_eq!(said.derived.names().map(ToString::to_string).collect::<Vec<_>>(), ["busy_ratio"]);
    let (scraped, errors) = errors(&[
        ("custom-metrics-adapter/derive.wrong", "busy / rate(x)"),
        ("custom-metrics-adapter/derive.right", "busy * 2"),
    ]);
    assert!(scraped);
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.contains("derive.wrong") && error.contains("at character 8: expected sum, avg"), "{error}");
}
