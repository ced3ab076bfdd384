//! The pods of a large cluster, a tenth of which comes and goes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::ControlPlane;

pub(crate) struct Crowd<'a> {
    plane: &'a ControlPlane,
    /// Pods in one batch, of which there are `BATCHES`.
    batch: u64,
}

impl<'a> Crowd<'a> {
    /// Makes so many pods.
    pub(crate) fn of(pods: u64, plane: &'a ControlPlane) -> Self {
        let crowd = Self { plane, batch: pods / BATCHES };
        plane.kubectl(&format!("create namespace {NAMESPACE}"));
        for batch in 0..BATCHES {
            crowd.create(batch).expect("the pods are made");
        }
        println!("{} pods", crowd.batch * BATCHES);
        crowd
    }

    fn replace(&self, batch: u64) {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=batch%3D{batch}");
        self.plane.curl(&["--request", "DELETE", "--output", "/dev/null"], &path);
        thread::sleep(Duration::from_secs(10));
        // A part of them may be there still, or kube-apiserver away: the next turn makes them.
        let _ = self.create(batch);
        thread::sleep(Duration::from_secs(30));
    }

    /// Replaces one batch after the other, for as long as `act` takes. While kube-apiserver is away it waits.
    pub(crate) fn churn_while(&self, act: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let batches = (0..BATCHES).cycle();
                batches.take_while(|_| !stop.load(Ordering::Relaxed)).for_each(|batch| self.replace(batch));
            });
            let end = Ended(&stop);
            act();
            drop(end);
        });
    }

    fn create(&self, batch: u64) -> Result<(), String> {
        let pods: Vec<Value> = (0..self.batch).map(|number| pod(batch, number)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
        self.plane.try_create(&list)
    }
}

/// Ends the churn, also when a test fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bound to a node, so that no scheduler has to hurry; gone at once when it is deleted.
fn pod(batch: u64, number: u64) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("crowd-{batch}-{number}"),
            "namespace": NAMESPACE,
            "labels": {"app": "crowd", "batch": batch.to_string()},
        },
        "spec": {
            "nodeName": "node-1",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "example.invalid/main"}],
        },
    })
}

const BATCHES: u64 = 10;
const NAMESPACE: &str = "crowd";
