//! What is looked at all the time: reads of three kinds, and the memory of the adapter.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use crate::harness::{API, Adapter, Answer, Caller, ControlPlane, Direct, Namespace};

/// By whom a read is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// By kube-apiserver's certificate, for somebody who needs no review: from memory alone.
    Memory,
    /// By a token, which is reviewed.
    Reviewed,
    /// By admin, through kube-apiserver.
    Aggregated,
}

/// A read that did not give three values.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
}

/// What was read between two marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) made: usize,
    pub(crate) failed: Vec<Failed>,
}

/// Reads of each kind, four times a second together, and a writer that writes each five seconds.
pub(crate) struct Readers {
    reads: Arc<Mutex<Reads>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn begin(plane: &'static ControlPlane, adapter: &Adapter, namespace: &Namespace<'_>) -> Self {
        let (reads, stop) = (Arc::new(Mutex::new(Reads::default())), Arc::new(AtomicBool::new(false)));
        let reader = Reader {
            plane,
            direct: adapter.direct(),
            path: format!("{API}{}?labelSelector=app%3Dweb", namespace.pod_metric("*", "load")),
            token: namespace.token_of_new_account("reader"),
            writes: namespace.pods_of("web").iter().map(|pod| namespace.pod_metric(pod, "load")).collect(),
        };
        let (kept, stopped) = (reads.clone(), stop.clone());
        let thread = thread::spawn(move || reader.read_until(&stopped, &kept));
        Self { reads, stop, thread: Some(thread) }
    }

    /// Where the reads stand.
    pub(crate) fn mark(&self) -> (usize, usize) {
        let reads = self.reads.lock();
        (reads.made, reads.failed.len())
    }

    pub(crate) fn since(&self, (made, failed): (usize, usize)) -> Reads {
        let reads = self.reads.lock();
        Reads { made: reads.made - made, failed: reads.failed[failed..].to_vec() }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Reader {
    plane: &'static ControlPlane,
    direct: Direct,
    path: String,
    token: String,
    writes: Vec<String>,
}

impl Reader {
    fn read_until(&self, stop: &AtomicBool, reads: &Mutex<Reads>) {
        for round in 0_u64.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if round % 7 == 0 {
                self.writes.iter().for_each(|path| drop(self.direct.post(path, "15")));
            }
            [Kind::Memory, Kind::Reviewed, Kind::Aggregated].iter().for_each(|kind| self.count(*kind, reads));
            thread::sleep(Duration::from_millis(750));
        }
    }

    fn count(&self, kind: Kind, reads: &Mutex<Reads>) {
        let answer = self.read(kind);
        let mut reads = reads.lock();
        reads.made += 1;
        let values = answer.body.matches("\"15\"").count();
        if answer.status != 200 || values != self.writes.len() {
            reads.failed.push(Failed { kind, answer });
        }
    }

    fn read(&self, kind: Kind) -> Answer {
        match kind {
            Kind::Memory => self.direct.read(&self.path, &Caller::AGGREGATOR),
            Kind::Reviewed => self.direct.read(&self.path, &Caller::Token(&self.token)),
            Kind::Aggregated => self.plane.curl(&[], &self.path),
        }
    }
}

/// The resident memory of the adapter.
pub(crate) struct Resident {
    process: u32,
}

impl Resident {
    pub(crate) fn of(adapter: &Adapter) -> Self {
        Self { process: adapter.id() }
    }

    /// In MiB.
    pub(crate) fn now(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).expect("the adapter runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory is told");
        let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
        kib / 1_024
    }

    /// The least of half a minute.
    pub(crate) fn settled(&self) -> u64 {
        let samples = (0..30).map(|_| {
            thread::sleep(Duration::from_secs(1));
            self.now()
        });
        samples.min().expect("there are samples")
    }
}
