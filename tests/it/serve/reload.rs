//! Certificates that change while connections live.

use std::os::unix::fs::symlink;

use custom_metrics_adapter::{
    auth::Auth,
    serve::{Limits, ServiceNames, ServingCertificate, Tls},
};
use rustls::version::{TLS12, TLS13};
use std::time::Duration;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::world::{Files, World};
use crate::support::{client, eventually, pki::Authority};

/// Whether a new handshake shows a certificate of `authority`.
async fn shows(world: &World, authority: &Authority) -> bool {
    client::handshake(client::tls(authority, None), world.address).await.is_ok()
}

async fn port(world: &World, client: &reqwest::Client) -> String {
    client::text(client.get(world.url("/port")).send().await.unwrap()).await
}

#[tokio::test]
async fn a_new_pair_is_shown_to_new_handshakes_and_open_connections_live_on() {
    let world = World::https(Limits::default()).await;
    let client = client::https(&world.authority, None);
    let before = port(&world, &client).await;
    let next = Authority::new("next-ca");
    world.files.write(&next.server(&["localhost"]));
    world.certificate.reload().await;
    assert!(shows(&world, &next).await && !shows(&world, &world.authority).await);
    assert_eq!(port(&world, &client).await, before, "one connection all the time");
    assert_eq!(world.certificate.status().generation, 2);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_leaves_the_one_before_and_is_reported() {
    let world = World::https(Limits::default()).await;
    let original = std::fs::read(world.files.certificate()).unwrap();
    let problem = || world.certificate.status().problem.unwrap_or_default();
    let next = Authority::new("next-ca").server(&["localhost"]);

    for (certificate, said) in [
        (next.chain_pem.as_bytes(), "do not fit"),
        (b"garbage", "no certificate"),
        (Authority::new("x").expired_server().chain_pem.as_bytes(), "do not fit"),
    ] {
        std::fs::write(world.files.certificate(), certificate).unwrap();
        world.certificate.reload().await;
        assert!(problem().contains(said), "{said}: {}", problem());
        assert!(shows(&world, &world.authority).await);
    }
    world.files.write(&world.authority.expired_server());
    world.certificate.reload().await;
    assert!(problem().contains("has expired on 2002-01-01"), "{}", problem());

    std::fs::remove_file(world.files.certificate()).unwrap();
    world.certificate.reload().await;
    assert!(problem().contains("cannot be read: No such file"), "{}", problem());
    assert!(shows(&world, &world.authority).await);

    std::fs::write(world.files.certificate(), original).unwrap();
    world.files.write(&next);
    world.certificate.reload().await;
    assert_eq!(world.certificate.status().problem, None);
    assert_eq!(world.certificate.status().generation, 2);
}

#[tokio::test]
async fn a_file_that_comes_back_as_it_was_is_no_longer_a_problem() {
    let world = World::https(Limits::default()).await;
    let original = std::fs::read(world.files.key()).unwrap();
    std::fs::remove_file(world.files.key()).unwrap();
    world.certificate.reload().await;
    assert!(world.certificate.status().problem.is_some());
    std::fs::write(world.files.key(), original).unwrap();
    world.certificate.reload().await;
    assert_eq!(world.certificate.status().problem, None);
    assert_eq!(world.certificate.status().generation, 1);
}

#[tokio::test]
async fn the_link_swap_of_a_secret_mount_is_seen() {
    let (first, second) = (Authority::new("first-ca"), Authority::new("second-ca"));
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str, authority: &Authority| {
        let identity = authority.server(&["localhost"]);
        std::fs::create_dir(mount.path().join(name)).unwrap();
        std::fs::write(mount.path().join(name).join("tls.crt"), identity.chain_pem).unwrap();
        std::fs::write(mount.path().join(name).join("tls.key"), identity.key_pem).unwrap();
    };
    version("..2026_1", &first);
    symlink("..2026_1", mount.path().join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{file}"), mount.path().join(file)).unwrap();
    }
    let (crt, key) = (mount.path().join("tls.crt"), mount.path().join("tls.key"));
    let certificate = ServingCertificate::from_files(crt, key).await.unwrap();
    let shutdown = CancellationToken::new();
    let watching = TaskTracker::new();
    let period = Duration::from_millis(5);
    watching.spawn(std::sync::Arc::clone(&certificate).watch(period, shutdown.clone()));

    version("..2026_2", &second);
    symlink("..2026_2", mount.path().join("..data_tmp")).unwrap();
    std::fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    eventually("the new pair is shown", async || certificate.status().generation == 2).await;
    assert_eq!(certificate.status().problem, None);
    shutdown.cancel();
    watching.close();
    watching.wait().await;
}

#[tokio::test]
async fn a_generated_pair_is_good_for_the_name_that_kube_apiserver_checks() {
    let home = tempfile::tempdir().unwrap();
    let names = ServiceNames { service: "metrics".to_owned(), namespace: "monitoring".to_owned() };
    let certificate = ServingCertificate::generated(home.path().into(), names.clone()).await.unwrap();
    let again = ServingCertificate::generated(home.path().into(), names).await.unwrap();
    assert_eq!(certificate.status(), again.status(), "it is reused");
    Tls::new(certificate, Auth::disabled()).unwrap();

    let ca = std::fs::read(home.path().join("ca.crt")).unwrap();
    let chain = std::fs::read(home.path().join("apiserver.crt")).unwrap();
    for name in ["metrics.monitoring.svc", "localhost", "127.0.0.1", "::1"] {
        verify(&chain, &ca, name);
    }
}

/// Verifies a chain as a TLS client does.
fn verify(chain: &[u8], ca: &[u8], name: &str) {
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{CertificateDer, UnixTime, pem::PemObject},
    };
    let certificates =
        |pem: &[u8]| CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect::<Vec<_>>();
    let mut roots = RootCertStore::empty();
    roots.add(certificates(ca).remove(0)).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let chain = certificates(chain);
    let name = name.to_owned().try_into().unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).unwrap();
}

#[tokio::test]
async fn both_protocols_and_both_versions_of_tls_are_spoken() {
    let world = World::https(Limits::default()).await;
    for version in [&TLS12, &TLS13] {
        for alpn in [&b"h2"[..], b"http/1.1"] {
            let mut config = client::tls_of_versions(&world.authority, None, &[version]);
            config.alpn_protocols = vec![alpn.to_vec()];
            let stream = client::handshake(config, world.address).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        }
    }
}

#[tokio::test]
async fn files_that_make_no_pair_are_refused_at_the_start() {
    let identity = Authority::new("a").server(&["localhost"]);
    let files = Files::new(&identity);
    std::fs::write(files.key(), Authority::new("b").server(&["localhost"]).key_pem).unwrap();
    let error =
        ServingCertificate::from_files(files.certificate(), files.key()).await.unwrap_err().to_string();
    assert!(error.contains("tls.crt") && error.contains("do not fit"), "{error}");
    let error = ServingCertificate::from_files("/nowhere/tls.crt".into(), files.key()).await.unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/tls.crt cannot be read");
}
