//! https and bearer tokens.

use std::{path::PathBuf, sync::Arc, time::Duration};

use custom_metrics_adapter::scrape::{CredentialOptions, Health, ScrapeOptions};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tempfile::TempDir;

use super::{
    target::{Target, text},
    world::{World, options, pod},
};
use crate::support::{
    eventually,
    pki::{Authority, Identity},
};

/// A directory with files for credentials.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn with(credentials: CredentialOptions) -> ScrapeOptions {
    let credentials = CredentialOptions { reload: Duration::ZERO, ..credentials };
    ScrapeOptions { credentials, ..options() }
}

fn server(identity: &Identity) -> ServerConfig {
    builder()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap()
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

const HTTPS: (&str, &str) = ("prometheus.io/scheme", "https");

/// A target whose certificate is for these names, by this authority.
async fn https(authority: &Authority, names: &[&str]) -> Target {
    Target::start_tls(text("a 1\n"), server(&authority.server(names))).await
}

#[tokio::test]
async fn a_target_is_verified_by_the_name_that_is_configured() {
    let (files, authority) = (Files::new(), Authority::new("pods"));
    let credentials = CredentialOptions {
        ca_file: Some(files.write("ca.crt", &authority.pem)),
        server_name: Some("pods.example".into()),
        ..CredentialOptions::default()
    };
    let world = World::start(with(credentials));
    let good = https(&authority, &["pods.example"]).await;
    let misnamed = https(&authority, &["other.example"]).await;
    let foreign = https(&Authority::new("others"), &["pods.example"]).await;
    for (name, target) in [("good", &good), ("misnamed", &misnamed), ("foreign", &foreign)] {
        world.add(pod(name, target.address, &[HTTPS]));
    }
    world.reads("good", "a", 1000).await;
    for name in ["misnamed", "foreign"] {
        let message = world.fails(name, "tls").await;
        assert!(message.starts_with("TLS: invalid peer certificate"), "{message}");
    }
    assert!(misnamed.requests().is_empty() && foreign.requests().is_empty());
    eventually("ten scrapes", async || good.requests().len() >= 10).await;
    assert_eq!(good.connections(), 1);
}

#[tokio::test]
async fn without_a_configured_name_the_certificate_has_to_be_for_the_address() {
    let (files, authority) = (Files::new(), Authority::new("pods"));
    let ca_file = Some(files.write("ca.crt", &authority.pem));
    let world = World::start(with(CredentialOptions { ca_file, ..CredentialOptions::default() }));
    let target = Target::listen(
        "127.1.200.1:0".parse().unwrap(),
        text("a 1\n"),
        Some(server(&authority.server(&["127.1.200.1"]))),
    )
    .await;
    world.add(pod("web-1", target.address, &[HTTPS]));
    world.reads("web-1", "a", 1000).await;
}

#[tokio::test]
async fn without_a_ca_file_no_target_is_trusted_unless_a_flag_says_so() {
    let target = https(&Authority::new("pods"), &["any.example"]).await;
    let world = World::start(with(CredentialOptions::default()));
    world.add(pod("web-1", target.address, &[HTTPS]));
    let message = world.fails("web-1", "tls").await;
    assert_eq!(message, "TLS: no CA file is configured that https targets could be verified with");
    let reckless = CredentialOptions { skip_verify: true, ..CredentialOptions::default() };
    let world = World::start(with(reckless));
    world.add(pod("web-1", target.address, &[HTTPS]));
    world.reads("web-1", "a", 1000).await;
}

#[tokio::test]
async fn a_target_that_does_not_speak_tls_fails_by_tls() {
    let reckless = CredentialOptions { skip_verify: true, ..CredentialOptions::default() };
    let world = World::start(with(reckless));
    let target =
        Target::start(super::target::Behaviour::AnswerAndClose(b"HTTP/1.1 400 Bad\r\n\r\n".to_vec())).await;
    world.add(pod("web-1", target.address, &[HTTPS, ("prometheus.io/timeout", "1s")]));
    let status = world.is("web-1", Health::Down).await;
    let class = status.last_scrape.unwrap().error.unwrap().class;
    assert!(["tls", "timeout"].contains(&class.as_str()), "{class:?}");
}

#[tokio::test]
async fn a_target_may_ask_for_our_certificate_and_a_new_one_is_shown_once_the_files_change() {
    let (files, pods, clients) = (Files::new(), Authority::new("pods"), Authority::new("clients"));
    let (wrong, right) = (Authority::new("others").client("adapter", &[]), clients.client("adapter", &[]));
    let credentials = CredentialOptions {
        ca_file: Some(files.write("ca.crt", &pods.pem)),
        certificate_file: Some(files.write("tls.crt", &wrong.chain_pem)),
        key_file: Some(files.write("tls.key", &wrong.key_pem)),
        server_name: Some("pods.example".into()),
        ..CredentialOptions::default()
    };
    let world = World::start(with(credentials));
    let mut roots = RootCertStore::empty();
    roots.add(clients.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let identity = pods.server(&["pods.example"]);
    let config = builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    let target = Target::start_tls(text("a 1\n"), config).await;
    world.add(pod("web-1", target.address, &[HTTPS]));
    world.is("web-1", Health::Down).await;
    assert!(target.requests().is_empty());
    files.write("tls.key", &right.key_pem);
    files.write("tls.crt", &right.chain_pem);
    world.reads("web-1", "a", 1000).await;
}

#[tokio::test]
async fn a_token_goes_to_verified_targets_only_and_is_read_again() {
    let (files, authority) = (Files::new(), Authority::new("pods"));
    let credentials = CredentialOptions {
        ca_file: Some(files.write("ca.crt", &authority.pem)),
        server_name: Some("pods.example".into()),
        token_file: Some(files.write("token", "first\n")),
        ..CredentialOptions::default()
    };
    let world = World::start(with(credentials));
    let (secure, plain) = (https(&authority, &["pods.example"]).await, Target::start(text("a 1\n")).await);
    world.add(pod("secure", secure.address, &[HTTPS]));
    world.add(pod("plain", plain.address, &[]));
    world.reads("secure", "a", 1000).await;
    world.reads("plain", "a", 1000).await;
    assert!(secure.requests()[0].contains("authorization: bearer first"));
    files.write("token", "second");
    eventually("the new token is sent", async || {
        secure.requests().last().unwrap().contains("authorization: bearer second")
    })
    .await;
    assert!(plain.requests().iter().all(|request| !request.contains("authorization")));
}

#[tokio::test]
async fn a_token_goes_unprotected_only_if_a_flag_says_so() {
    let (files, authority) = (Files::new(), Authority::new("pods"));
    let secure = https(&authority, &["any.example"]).await;
    let plain = Target::start(text("a 1\n")).await;
    for token_unprotected in [false, true] {
        let credentials = CredentialOptions {
            skip_verify: true,
            token_file: Some(files.write("token", "secret")),
            token_unprotected,
            ..CredentialOptions::default()
        };
        let world = World::start(with(credentials));
        world.add(pod("secure", secure.address, &[HTTPS]));
        world.add(pod("plain", plain.address, &[]));
        world.reads("secure", "a", 1000).await;
        world.reads("plain", "a", 1000).await;
        for target in [&secure, &plain] {
            let sent =
                target.requests().iter().any(|request| request.contains("authorization: bearer secret"));
            assert_eq!(sent, token_unprotected);
        }
    }
}
