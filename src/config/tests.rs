//! What flags are taken, and what the defaults are.

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
    assert_eq!(config.listen.write_listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.store.write_ttl, SignedDuration::ZERO);
}

#[test]
fn scraping_without_a_pause_is_refused() {
    assert!(Config::from_args(["--scrape-interval=0s"]).is_err());
    assert!(Config::from_args(["--scrape-timeout=0s"]).is_err());
}

#[test]
fn one_client_has_a_quarter_of_the_connections_unless_it_is_said_otherwise() {
    let per_client = |args: &[&str]| Config::from_args(args.to_vec()).unwrap().requests.per_client();
    assert_eq!(per_client(&[]), 1024);
    assert_eq!(per_client(&["--max-connections=2"]), 1);
    assert_eq!(per_client(&["--max-connections-per-client=4096"]), 4096);
}

#[test]
fn a_namespace_has_a_quarter_of_each_limit_unless_it_is_said_otherwise() {
    let share = |args: &[&str]| Config::from_args(args.to_vec()).map(|config| config.store.namespace_share);
    assert_eq!(share(&[]).unwrap(), 25);
    assert_eq!(share(&["--namespace-share=100"]).unwrap(), 100);
    assert!(share(&["--namespace-share=0"]).is_err() && share(&["--namespace-share=101"]).is_err());
}

#[test]
fn a_certificate_without_key_is_refused() {
    assert!(Config::from_args(["--tls-cert-file=a"]).is_err());
}

#[test]
fn a_negative_duration_is_refused() {
    assert!(Config::from_args(["--write-ttl=-5s"]).is_err());
    assert_eq!(
        Config::from_args(["--write-ttl=1h30m"]).unwrap().store.write_ttl,
        SignedDuration::from_mins(90)
    );
}
