//! Servers end, hang and come back; nothing that was acknowledged is lost.

use std::time::Duration;

use custom_metrics_adapter::journal::{CommitError, NatsOptions};
use tokio::time::sleep;

use crate::{
    replica::{Replica, STREAM, eventually, options},
    servers::Servers,
};

/// Writes until it is acknowledged; how often it was refused before.
async fn write_until_taken(replica: &Replica, name: &str, value: u64) -> usize {
    let mut refused = 0;
    while let Err(error) = replica.write(name, "m", value).await {
        assert!(
            matches!(error, CommitError::Away { .. } | CommitError::Unknown { .. }),
            "no other reason: {error}"
        );
        refused += 1;
        sleep(Duration::from_millis(100)).await;
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_leader_loses_nothing_and_writes_go_on() {
    let servers = Servers::three().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    for at in 0..100 {
        one.write(&format!("p{at}"), "m", at).await.unwrap();
    }
    let leader = servers.leader(&servers.context().await, STREAM).await;
    servers.kill(leader);
    write_until_taken(&one, "after", 1).await;
    write_until_taken(&other, "after", 2).await;
    eventually("both have it", || {
        [&one, &other].iter().all(|replica| replica.value("after", "m") == Some(2))
    })
    .await;
    servers.restart(leader);
    let late = Replica::start(&servers).await;
    assert_eq!(late.values().len(), 101);
    assert_eq!(late.values(), one.values());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_servers_writes_are_refused_reads_go_on_and_all_is_there_when_they_are_back() {
    let servers = Servers::three().await;
    let replica = Replica::start(&servers).await;
    for at in 0..50 {
        replica.write(&format!("p{at}"), "m", at).await.unwrap();
    }
    (0..3).for_each(|at| servers.kill(at));
    eventually("the replica knows", || replica.journal.state().unwrap().failure.is_some()).await;
    let refused = replica.write("p0", "m", 1_000).await.unwrap_err();
    assert!(matches!(refused, CommitError::Away { .. }), "{refused}");
    assert_eq!(replica.value("p0", "m"), Some(0), "what is not kept is not served");
    assert_eq!(replica.values().len(), 50);

    (0..3).for_each(|at| servers.restart(at));
    write_until_taken(&replica, "back", 1).await;
    eventually("it is well again", || replica.journal.state().unwrap().failure.is_none()).await;
    let late = Replica::start(&servers).await;
    assert_eq!(late.values().len(), 51);
    assert_eq!(late.values(), replica.values());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_server_hangs_finds_another() {
    let servers = Servers::three().await;
    let other = Replica::start(&servers).await;
    let mut alone = options(&servers);
    // The first URL is that of the server that hangs; the client learns no others from it.
    alone.servers.urls.rotate_left(1);
    let replica = Replica::start_with(alone).await;
    for at in 0..3 {
        servers.pause(at);
        write_until_taken(&other, "web", at as u64 + 1).await;
        eventually("the replica has it", || replica.value("web", "m") == Some(at as u64 + 1)).await;
        servers.resume(at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_cut_off_acknowledges_nothing_that_the_others_do_not_have() {
    let servers = Servers::three().await;
    let other = Replica::start(&servers).await;
    let leader = servers.leader(&servers.context().await, STREAM).await;
    let mut near = options(&servers);
    near.servers.urls = vec![servers.url(leader)];
    let near = Replica::start_with(near).await;
    servers.cut_off(leader, true);
    let mut acknowledged = 0;
    for value in 1..=10 {
        if near.write("near", "m", value).await.is_ok() {
            acknowledged = value;
        }
    }
    let mut far = options(&servers);
    far.servers.urls.remove(leader);
    let far = Replica::start_with(far).await;
    assert!(far.value("near", "m").unwrap_or_default() >= acknowledged, "{acknowledged} was acknowledged");
    write_until_taken(&far, "far", 1).await;
    servers.cut_off(leader, false);
    eventually("the cut off replica has it", || near.value("far", "m") == Some(1)).await;
    eventually("all are equal", || near.values() == far.values() && far.values() == other.values()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_servers_goes_on_and_has_all_once_they_are_there() {
    let servers = Servers::one().await;
    let first = Replica::start(&servers).await;
    first.write("web", "m", 7).await.unwrap();
    servers.kill(0);
    let options = NatsOptions { timeout: Duration::from_millis(500), ..options(&servers) };
    let replica = Replica::begin(options).await;
    assert!(!replica.journal.loaded(Duration::from_secs(1)).await.unwrap());
    assert_eq!(replica.value("web", "m"), None);
    servers.restart(0);
    assert!(replica.journal.loaded(crate::replica::LONG).await.unwrap());
    assert_eq!(replica.value("web", "m"), Some(7));
}
