//! Faults one after another under writers, batches and readers, for as long as it takes: `make soak-ha`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use custom_metrics_adapter::{model::Labels, store::Write};
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::time::{Instant, sleep};

use crate::{
    replica::{Replica, STREAM, eventually, write},
    servers::Servers,
};

/// What happens to the servers or the replicas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Fault {
    LeaderKilled,
    AnyKilled,
    LeaderPaused,
    LeaderCutOff,
    AllKilled,
    ReplicaEnds,
}

const FAULTS: [Fault; 6] = [
    Fault::LeaderKilled,
    Fault::AnyKilled,
    Fault::LeaderPaused,
    Fault::LeaderCutOff,
    Fault::AllKilled,
    Fault::ReplicaEnds,
];

const REPLICAS: usize = 2;
const WRITERS: usize = 8;
const BATCH: u64 = 20;

/// The number of a writer: offered, and acknowledged.
type Numbers = Mutex<HashMap<usize, (u64, u64)>>;

struct Soak {
    servers: Servers,
    replicas: [RwLock<Arc<Replica>>; REPLICAS],
    numbers: Numbers,
    acknowledged: AtomicU64,
    /// When something was last acknowledged, and the longest time between two.
    silence: Mutex<(Instant, Duration)>,
    /// Writers rest so that replicas can be compared.
    rest: AtomicBool,
    stop: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "make soak-ha"]
#[expect(clippy::print_stdout, reason = "somebody waits for it")]
async fn faults_of_each_kind_lose_no_acknowledged_value_and_show_no_half_batch() {
    let rounds: usize = std::env::var("SOAK_ROUNDS").ok().map_or(20, |rounds| rounds.parse().unwrap());
    let servers = Servers::three().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    let soak = Arc::new(Soak {
        servers,
        replicas: [one, other].map(|replica| RwLock::new(Arc::new(replica))),
        numbers: Mutex::default(),
        acknowledged: AtomicU64::new(0),
        silence: Mutex::new((Instant::now(), Duration::ZERO)),
        rest: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    });
    let mut tasks: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(soak.clone().write_on(writer))).collect();
    tasks.extend((0..REPLICAS).map(|replica| tokio::spawn(soak.clone().read_on(replica))));
    for round in 0..rounds {
        for fault in FAULTS {
            soak.strike(fault, round).await;
            soak.compare(round, fault).await;
        }
        let longest = soak.silence.lock().unwrap().1;
        println!(
            "round {}: {} acknowledged, longest time without acknowledgement {longest:.1?}",
            round + 1,
            soak.acknowledged.load(Ordering::Relaxed)
        );
    }
    soak.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let late = Replica::start(&soak.servers).await;
    assert_eq!(late.values(), soak.replica(0).values(), "a replay of the stream");
}

impl Soak {
    fn replica(&self, at: usize) -> Arc<Replica> {
        self.replicas[at].read().clone()
    }

    /// Rising numbers: of even writers single values, of odd ones batches.
    async fn write_on(self: Arc<Self>, writer: usize) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.rest.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let number = self.offer(writer);
            let replica = self.replica(writer / 2 % REPLICAS);
            if replica.journal.commit(batch(writer, number), Timestamp::now()).await.is_ok() {
                self.acknowledge(writer, number);
                // The servers, the replicas and the writers share two cores: without a pause nothing else would run.
                sleep(Duration::from_millis(2)).await;
            } else {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn offer(&self, writer: usize) -> u64 {
        let mut numbers = self.numbers.lock().unwrap();
        let (offered, _) = numbers.entry(writer).or_default();
        *offered += 1;
        *offered
    }

    fn acknowledge(&self, writer: usize, number: u64) {
        self.numbers.lock().unwrap().get_mut(&writer).unwrap().1 = number;
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let (last, longest) = &mut *self.silence.lock().unwrap();
        *longest = last.elapsed().max(*longest);
        *last = Instant::now();
    }

    /// No value goes back on a replica, and no batch is seen in half.
    async fn read_on(self: Arc<Self>, at: usize) {
        let (mut newest, mut of) = (HashMap::<usize, u64>::new(), self.replica(at));
        while !self.stop.load(Ordering::Relaxed) {
            let replica = self.replica(at);
            if !Arc::ptr_eq(&of, &replica) {
                (newest, of) = (HashMap::new(), replica.clone());
            }
            for (writer, number) in numbers(&replica) {
                let before = newest.insert(writer, number).unwrap_or_default();
                assert!(before <= number, "writer {writer} went back from {before} to {number}");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn strike(&self, fault: Fault, round: usize) {
        let context = self.servers.context().await;
        let leader = self.servers.leader(&context, STREAM).await;
        match fault {
            Fault::LeaderKilled => self.kill_for(&[leader], 5).await,
            Fault::AnyKilled => self.kill_for(&[round % 3], 3).await,
            Fault::AllKilled => self.kill_for(&[0, 1, 2], 2).await,
            Fault::LeaderPaused => {
                self.servers.pause(leader);
                sleep(Duration::from_secs(10)).await;
                self.servers.resume(leader);
            }
            Fault::LeaderCutOff => {
                self.servers.cut_off(leader, true);
                sleep(Duration::from_secs(10)).await;
                self.servers.cut_off(leader, false);
            }
            Fault::ReplicaEnds => {
                let at = round % REPLICAS;
                self.replica(at).end();
                let next = Replica::start(&self.servers).await;
                *self.replicas[at].write() = Arc::new(next);
            }
        }
    }

    async fn kill_for(&self, servers: &[usize], seconds: u64) {
        servers.iter().for_each(|at| self.servers.kill(*at));
        sleep(Duration::from_secs(seconds)).await;
        servers.iter().for_each(|at| self.servers.restart(*at));
    }

    /// In a calm, replicas are equal, and have what was acknowledged.
    async fn compare(&self, round: usize, fault: Fault) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + 200;
        eventually("writes go on", || self.acknowledged.load(Ordering::Relaxed) > goal).await;
        self.rest.store(true, Ordering::Relaxed);
        let equal = || self.replica(0).values() == self.replica(1).values();
        eventually("replicas are equal", equal).await;
        sleep(Duration::from_secs(3)).await;
        assert!(equal(), "round {round}, {fault:?}");
        let held: HashMap<usize, u64> = numbers(&self.replica(0)).into_iter().collect();
        for (writer, (offered, acknowledged)) in &*self.numbers.lock().unwrap() {
            let number = held.get(writer).copied().unwrap_or_default();
            assert!(
                (*acknowledged..=*offered).contains(&number),
                "round {round}, {fault:?}: writer {writer} has {number}, {acknowledged} was acknowledged"
            );
        }
        self.silence.lock().unwrap().0 = Instant::now();
        self.rest.store(false, Ordering::Relaxed);
    }
}

fn batch(writer: usize, number: u64) -> Vec<Write> {
    let size = if writer.is_multiple_of(2) { 1 } else { BATCH };
    let labelled = |at: u64| Write {
        labels: Labels::from_pairs([("shard", at.to_string())]),
        ..write(&format!("w{writer}"), "m", number)
    };
    (0..size).map(labelled).collect()
}

/// The number of each writer, which all its label sets have.
fn numbers(replica: &Replica) -> Vec<(usize, u64)> {
    let values = replica.values();
    (0..WRITERS)
        .filter_map(|writer| {
            let place = format!("{} ", crate::replica::pod(&format!("w{writer}")));
            let mut of: Vec<u64> = values
                .iter()
                .filter(|(series, _)| series.starts_with(&place))
                .map(|(_, value)| *value)
                .collect();
            of.dedup();
            assert!(of.len() <= 1, "writer {writer} has half a batch: {of:?}");
            Some((writer, of.first().copied()?))
        })
        .collect()
}
