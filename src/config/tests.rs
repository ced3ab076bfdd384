use super::*;

#[test]
fn standalone_listens_on_loopback_only() {
    let config = Config::from_args(["--standalone"]).unwrap();
    assert_eq!(config.listen.secure_listen.to_string(), "127.0.0.1:6443");
    let refused = Config::from_args(["--standalone", "--write-listen=192.0.2.1:8080"]).unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

#[test]
fn in_a_cluster_the_defaults_are_reachable() {
    let config = Config::from_args::<_, &str>([]).unwrap();
    assert_eq!(config.listen.write_listen.0.unwrap().to_string(), "[::]:8080");
    assert_eq!(config.store.write_ttl, SignedDuration::ZERO);
}

#[test]
fn one_client_has_a_quarter_of_the_connections_unless_it_is_said_otherwise() {
    let per_client = |args: &[&str]| Config::from_args(args.to_vec()).unwrap().requests.per_client();
    assert_eq!(per_client(&[]), 1024);
    assert_eq!(per_client(&["--max-connections=2"]), 1);
    assert_eq!(per_client(&["--max-connections-per-client=4096"]), 4096);
}

#[test]
fn a_certificate_without_key_is_refused() {
    assert!(Config::from_args(["--tls-cert-file=a"]).is_err());
}

#[test]
fn what_cannot_work_is_refused_with_flag_value_and_rule() {
    for (flag, value, rule) in [
        ("max-connections", "0", "at least 1"),
        ("max-connections-per-client", "0", "at least 1"),
        ("max-requests-inflight", "0", "at least 1"),
        ("max-writes-inflight", "0", "at least 1"),
        ("max-series", "0", "at least 1"),
        ("max-series-per-object", "-1", "whole number"),
        ("discovery-max-metrics", "0", "at least 1"),
        ("scrape-max-targets", "0", "at least 1"),
        ("scrape-max-samples", "0", "at least 1"),
        ("scrape-max-series", "0", "at least 1"),
        ("scrape-max-bytes", "0", "at least 1"),
        ("scrape-max-body-bytes", "0", "at least 1"),
        ("scrape-max-inflight", "0", "at least 1"),
        ("request-timeout", "0s", "between 1ms and 1m 30s"),
        ("request-timeout", "120s", "between 1ms and 1m 30s"),
        ("scrape-interval", "0s", "between 1s and 1h"),
        ("scrape-interval", "999ms", "between 1s and 1h"),
        ("scrape-timeout", "0s", "between 1ms and 1h"),
        ("write-ttl", "-5s", "such as 90s"),
        ("write-ttl", "100000000h", "between 0s and"),
        ("shutdown-grace", "2h", "between 0s and 1h"),
        ("authentication-token-webhook-cache-ttl", "1000h", "between 0s and 1h"),
        ("authorization-webhook-cache-outage-ttl", "soon", "such as 90s"),
        ("kubeconfig", "", "name a path"),
        ("service-name", "", "DNS label"),
        ("service-namespace", "Custom.Metrics", "DNS label"),
        ("scrape-annotation-prefix", "prometheus.io/", "without the slash"),
        ("scrape-server-name", "a b", "DNS name"),
        ("secure-listen", "6443", "invalid socket address"),
    ] {
        let refused = Config::from_args([format!("--{flag}={value}")]).unwrap_err().to_string();
        assert!(refused.contains(&format!("'{value}' for '--{flag} ")), "{refused}");
        assert!(refused.contains(rule), "{refused}");
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused_with_both_and_what_they_say() {
    for (flags, said) in [
        (
            vec!["--scrape-interval=10s", "--scrape-timeout=11s"],
            "--scrape-timeout is 11s, which is more than --scrape-interval (10s)",
        ),
        (
            vec!["--max-series=5", "--max-series-per-object=6"],
            "--max-series-per-object is 6, which is more than --max-series (5)",
        ),
        (
            vec!["--max-connections=8", "--max-connections-per-client=9"],
            "--max-connections-per-client is 9, which is more than --max-connections (8)",
        ),
        (
            vec!["--write-listen=127.0.0.1:6443"],
            "--write-listen is 127.0.0.1:6443, where --secure-listen listens already",
        ),
        (vec!["--standalone", "--kubeconfig=k"], "--kubeconfig is without effect with --standalone"),
        (
            vec!["--scrape-insecure-skip-verify", "--scrape-ca-file=ca"],
            "--scrape-ca-file is without effect with --scrape-insecure-skip-verify",
        ),
        (
            vec!["--scrape-token-unprotected"],
            "--scrape-token-unprotected is without effect without --scrape-bearer-token-file",
        ),
    ] {
        let refused = Config::from_args(flags).unwrap_err().to_string();
        assert!(refused.starts_with(said), "{refused}");
    }
}

#[test]
fn a_default_gives_way_to_a_flag_that_bounds_it() {
    let config = Config::from_args(["--scrape-interval=2s", "--max-series=100"]).unwrap();
    assert_eq!(config.scrape.scrape_timeout, SignedDuration::from_secs(2));
    assert_eq!(config.store.max_series_per_object, 100);
}

#[test]
fn listeners_may_share_a_port_on_different_addresses_and_take_any_free_one() {
    let apart = ["--write-listen=127.0.0.2:1", "--admin-listen=127.0.0.3:1", "--secure-listen=[::1]:1"];
    assert!(Config::from_args(apart).is_ok());
    assert!(Config::from_args(["--write-listen=[::]:0", "--admin-listen=[::]:0"]).is_ok());
}

#[test]
fn durations_are_written_as_people_write_them() {
    let ttl = |text: &str| Config::from_args([format!("--write-ttl={text}")]).unwrap().store.write_ttl;
    assert_eq!(ttl("1h30m"), SignedDuration::from_mins(90));
    assert_eq!(ttl("0"), SignedDuration::ZERO);
}

#[test]
fn a_namespace_has_a_quarter_of_each_limit_unless_it_is_said_otherwise() {
    let share = |args: &[&str]| Config::from_args(args.to_vec()).map(|config| config.store.namespace_share);
    assert_eq!(share(&[]).unwrap(), 25);
    assert_eq!(share(&["--namespace-share=100"]).unwrap(), 100);
    assert!(share(&["--namespace-share=0"]).is_err() && share(&["--namespace-share=101"]).is_err());
}

#[test]
fn derived_metrics_are_checked_alone_and_together() {
    let derived = |args: &[&str]| Config::from_args(args.to_vec()).map(|config| config.derive.derivations());
    let both = derived(&["--derive=a=x / y", "--derive=b=max(x{path=\"/a=b\"})"]).unwrap().unwrap();
    assert_eq!(both.names().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    for (args, rule) in [
        (&["--derive=a"][..], "write NAME=EXPRESSION"),
        (&["--derive=a=x +"], "at character 4: expected a metric"),
        (&["--derive=a=x", "--derive=a=y"], "--derive: a is derived twice"),
    ] {
        let refused = derived(args).unwrap_err().to_string();
        assert!(refused.contains(rule), "{refused}");
    }
}
