//! Who a replica is to the servers, and who they are to it.

use std::{fs, path::Path, time::Duration};

use custom_metrics_adapter::journal::{CommitError, Login, NatsOptions};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{
    replica::{LONG, Replica, options, write},
    servers::Servers,
};

fn with_password(servers: &Servers, file: &Path) -> NatsOptions {
    let mut options = options(servers);
    options.servers.login = Login::Password { user: "adapter".to_owned(), file: file.to_owned() };
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_read_again_at_each_try() {
    let servers = Servers::one_with("authorization { user: adapter, password: right }").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "wrong\n").unwrap();
    let replica = Replica::begin(with_password(&servers, &file)).await;
    assert!(!replica.journal.loaded(Duration::from_secs(2)).await.unwrap());
    let refused = replica.write("web", "m", 1).await.unwrap_err();
    assert!(matches!(refused, CommitError::Away { .. }), "{refused}");

    fs::write(&file, "right\n").unwrap();
    assert!(replica.journal.loaded(LONG).await.unwrap());
    replica.write("web", "m", 2).await.unwrap();
}

/// `deploy/k8s/components/shared-journal`, whose user may do this and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_can_do_all_that_it_does_as_the_user_of_the_component() {
    let servers = Servers::three_of_the_component();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "12e4\n").unwrap();
    let options = || {
        let mut options = with_password(&servers, &file);
        options.stream = "custom-metrics-writes".to_owned();
        options
    };
    let replica = Replica::start_with(options()).await;
    let many = (0..2_000).map(|at| write(&format!("p{at}"), "m", at)).collect();
    replica.journal.commit(many, Timestamp::now()).await.unwrap();
    assert_eq!(replica.remove("p7", "m").await.unwrap(), 1);
    let late = Replica::start_with(options()).await;
    assert_eq!(late.values().len(), 1_999);
}

#[test]
fn the_page_has_the_permissions_of_the_component() {
    let of = |text: &str| {
        let (_, from) = text.split_once("publish: {").unwrap();
        let (permissions, _) = from.split_once("subscribe:").unwrap();
        permissions.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let page = of(include_str!("../../docs/high-availability.md"));
    assert_eq!(page, of(include_str!("../../deploy/k8s/components/shared-journal/nats-config.yaml")));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_tls_have_to_show_a_certificate_of_the_ca_and_know_the_replica_by_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ca = authority();
    fs::write(path("ca.pem"), ca.pem()).unwrap();
    fs::write(path("other-ca.pem"), authority().pem()).unwrap();
    for (name, host) in [("server", "127.0.0.1"), ("client", "adapter")] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        fs::write(path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let file = |name: &str| format!("\"{}\"", path(name).display());
    let servers = Servers::one_with(&format!(
        "tls {{ cert_file: {}, key_file: {}, ca_file: {}, verify: true }}",
        file("server.pem"),
        file("server.key"),
        file("ca.pem")
    ))
    .await;
    let mut options = options(&servers);
    options.servers.urls = servers.urls().iter().map(|url| url.replace("nats://", "tls://")).collect();
    options.servers.ca_file = Some(path("ca.pem"));
    options.servers.client_pair = Some((path("client.pem"), path("client.key")));
    Replica::start_with(options.clone()).await.write("web", "m", 1).await.unwrap();

    options.servers.ca_file = Some(path("other-ca.pem"));
    let stranger = Replica::begin(options).await;
    assert!(!stranger.journal.loaded(Duration::from_secs(2)).await.unwrap());
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
