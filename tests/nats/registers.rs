//! Each series is a register: what clients saw of writes must be explained by one order of them that respects real time.
//!
//! Every value is written once. A write *precedes* another when it had returned before the other was begun; one that was not
//! acknowledged never returns. A replica that has shown a value, or has acknowledged it, must show none that precedes it, and what all
//! have at the end must be preceded by every acknowledged write or be concurrent with it. With values that are written once these are
//! all the ways in which a register can fail that is read where it was written, and read late elsewhere.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    replica::{Replica, STREAM, eventually},
    servers::Servers,
};

const CLIENTS: u64 = 8;
const KEYS: u64 = 3;

#[derive(Clone, Copy)]
struct Operation {
    begun: Instant,
    /// `None` while it is under way, and for ever if its outcome is unknown.
    returned: Option<Instant>,
}

#[derive(Default)]
struct History {
    writes: Mutex<HashMap<u64, Operation>>,
    next: AtomicU64,
    stop: AtomicBool,
}

impl History {
    fn begin(&self) -> u64 {
        let value = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.writes.lock().unwrap().insert(value, Operation { begun: Instant::now(), returned: None });
        value
    }

    fn acknowledge(&self, value: u64) {
        self.writes.lock().unwrap().get_mut(&value).unwrap().returned = Some(Instant::now());
    }

    /// Whether `earlier` had returned before `later` was begun.
    fn precedes(&self, earlier: u64, later: u64) -> bool {
        let writes = self.writes.lock().unwrap();
        writes[&earlier].returned.is_some_and(|returned| returned < writes[&later].begun)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Of one replica: for each key the value whose write was begun last, of all that it has shown or acknowledged.
#[derive(Default)]
struct Seen(Mutex<HashMap<u64, u64>>);

impl Seen {
    /// It shows or has acknowledged `value`.
    fn add(&self, history: &History, key: u64, value: u64) {
        let mut seen = self.0.lock().unwrap();
        let newest = seen.entry(key).or_insert(value);
        let begun = |value: u64| history.writes.lock().unwrap()[&value].begun;
        if begun(*newest) < begun(value) {
            *newest = value;
        }
    }

    fn newest(&self, key: u64) -> Option<u64> {
        self.0.lock().unwrap().get(&key).copied()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_replicas_acknowledge_and_show_has_one_order_while_servers_fail() {
    let servers = Servers::three().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    let replicas = [one, other].map(|replica| Arc::new((replica, Seen::default())));
    let history = Arc::new(History::default());
    let clients = (0..CLIENTS).map(|client| {
        let replica = replicas[usize::try_from(client).unwrap() % 2].clone();
        tokio::spawn(write_on(replica, history.clone(), client % KEYS))
    });
    let readers = replicas.clone().map(|replica| tokio::spawn(read_on(replica, history.clone())));
    let tasks: Vec<_> = clients.chain(readers).collect();
    let context = servers.context().await;
    for round in 0..2 {
        sleep(Duration::from_secs(2)).await;
        let leader = servers.leader(&context, STREAM).await;
        servers.kill(leader);
        sleep(Duration::from_secs(4)).await;
        servers.restart(leader);
        sleep(Duration::from_secs(2)).await;
        servers.pause(round);
        sleep(Duration::from_secs(3)).await;
        servers.resume(round);
    }
    history.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let acknowledged =
        history.writes.lock().unwrap().values().filter(|write| write.returned.is_some()).count();
    assert!(acknowledged > 100, "{acknowledged}");
    end_is_newest(&replicas, &history).await;
}

async fn write_on(replica: Arc<(Replica, Seen)>, history: Arc<History>, key: u64) {
    while !history.is_over() {
        let value = history.begin();
        if replica.0.write(&format!("k{key}"), "m", value).await.is_ok() {
            history.acknowledge(value);
            replica.1.add(&history, key, value);
        } else {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(2)).await;
    }
}

async fn read_on(replica: Arc<(Replica, Seen)>, history: Arc<History>) {
    while !history.is_over() {
        for key in 0..KEYS {
            // In this order: what is newer meanwhile must not count against this read.
            let newest = replica.1.newest(key);
            let Some(value) = replica.0.value(&format!("k{key}"), "m") else { continue };
            if let Some(newest) = newest {
                assert!(!history.precedes(value, newest), "k{key} has {value} after {newest}");
            }
            replica.1.add(&history, key, value);
        }
        sleep(Duration::from_millis(1)).await;
    }
}

async fn end_is_newest(replicas: &[Arc<(Replica, Seen)>; 2], history: &History) {
    let [one, other] = replicas;
    eventually("replicas are equal", || one.0.values() == other.0.values()).await;
    // Writes without an outcome may land until the servers have dropped them.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(one.0.values(), other.0.values());
    for key in 0..KEYS {
        let end = one.0.value(&format!("k{key}"), "m").unwrap();
        for replica in replicas {
            let newest = replica.1.newest(key).unwrap();
            assert!(!history.precedes(end, newest), "k{key} ends with {end} after {newest}");
        }
    }
}
