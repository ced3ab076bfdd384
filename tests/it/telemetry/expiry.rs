//! A serving certificate that has expired.

use super::process::Process;
use crate::support::{pki::Authority, within};

/// kube-apiserver does not verify it unless somebody says so, and writes and scrapes have no part in it.
#[tokio::test]
async fn an_expired_certificate_takes_away_neither_readiness_nor_writes() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let expired = Authority::new("cluster").expired_server();
    std::fs::write(path("tls.crt"), &expired.chain_pem).unwrap();
    std::fs::write(path("tls.key"), &expired.key_pem).unwrap();
    let flags = [
        format!("--tls-cert-file={}", path("tls.crt")),
        format!("--tls-private-key-file={}", path("tls.key")),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let adapter = Process::start(&flags, &[]).await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready =
        within("readyz", client.get(format!("http://{}/readyz", adapter.admin)).send()).await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    let url = format!("http://{}/write-metrics/namespaces/default/pods/web-0/load", adapter.write);
    let written = within("a write", client.post(url).body("1").send()).await.unwrap();
    assert_eq!(written.status().as_u16(), 200);
}
