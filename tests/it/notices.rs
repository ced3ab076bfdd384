//! What a process says of its own listeners and files: one line when it begins to fail, one when it is good again.

use std::{fs, net::TcpStream};

use crate::support::{
    eventually,
    process::{ADAPTER, Process},
};

#[tokio::test]
async fn a_listener_that_cannot_accept_says_so_once_and_that_it_can_again_once() {
    let directory = tempfile::tempdir().unwrap();
    let few_files = "ulimit -n 60 && exec \"$0\" \"$@\"".to_owned();
    let certificates = format!("--cert-dir={}", directory.path().display());
    let process = Process::start("sh", &["-c".to_owned(), few_files, ADAPTER.to_owned(), certificates]).await;
    let address = process.address("write");
    let held: Vec<TcpStream> = (0..80).map_while(|_| TcpStream::connect(&address).ok()).collect();
    let line = process.says(&["WARN", "accepting connections fails"]).await;
    assert!(line.contains(&address) && line.contains("Too many open files"), "{line}");
    drop(held);
    eventually("accepting works again", async || {
        drop(TcpStream::connect(&address));
        !process.lines(&["INFO", "accepting connections works again"]).is_empty()
    })
    .await;
    let fails = process.lines(&["accepting connections fails"]);
    assert_eq!(fails.len(), 1, "{fails:#?}");
}

#[tokio::test]
async fn certificate_files_that_cannot_be_used_are_named_once_and_so_are_good_ones() {
    let directory = tempfile::tempdir().unwrap();
    let generated = directory.path().join("generated");
    let mut first = Process::start(ADAPTER, &[format!("--cert-dir={}", generated.display())]).await;
    first.kill();
    let [certificate, key] = ["apiserver.crt", "apiserver.key"].map(|name| generated.join(name));
    let flag = |name: &str, path: &std::path::Path| format!("--{name}={}", path.display());
    let flags = [flag("tls-cert-file", &certificate), flag("tls-private-key-file", &key)];
    let process = Process::start(ADAPTER, &flags).await;
    let good = fs::read(&certificate).unwrap();

    fs::write(&certificate, "not a certificate").unwrap();
    let line = process.says(&["WARN", "keeping the serving certificate from before"]).await;
    assert!(line.contains("apiserver.crt"), "{line}");
    fs::write(&certificate, good).unwrap();
    process.says(&["INFO", "the serving certificate is in order again"]).await;
    eventually("each is said once", async || {
        [["WARN", "keeping the serving"], ["INFO", "in order again"]]
            .iter()
            .all(|words| process.lines(words).len() == 1)
    })
    .await;
}
