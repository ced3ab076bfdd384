//! The faults, in the order in which a round makes them. Each begins, lasts, and ends by itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Surroundings,
    clients::{half_sent_heads, invented_paths, readers_of_targets, readers_that_never_read},
    proxy::Mood,
    watchers::Kind,
};
use crate::harness::SOON;

pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) act: fn(&Surroundings<'_>),
    /// Which reads may fail until everything is well again.
    pub(crate) may_fail: &'static [Kind],
    /// Words of the warning that names it, and of the line that tells its end.
    pub(crate) logged: Option<(&'static str, &'static str)>,
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "no right to watch",
        act: no_right_to_watch,
        // After a minute the adapter no longer knows which pods there are.
        may_fail: &[Kind::Memory, Kind::Reviewed, Kind::Aggregated],
        logged: Some(("watch fails", "watch works again")),
    },
    Fault {
        name: "no right to review",
        act: no_right_to_review,
        may_fail: &[Kind::Reviewed],
        logged: Some(("reviews fail", "reviews work again")),
    },
    Fault {
        name: "no right to the ConfigMap",
        act: no_right_to_the_config_map,
        may_fail: &[],
        logged: Some(("cannot be watched", "can be watched again")),
    },
    Fault {
        name: "kube-apiserver killed",
        act: apiserver_killed,
        may_fail: &[Kind::Reviewed, Kind::Aggregated],
        logged: Some(("watch fails", "watch works again")),
    },
    Fault {
        name: "away, then 403",
        act: away_then_forbidden,
        may_fail: &[Kind::Reviewed],
        logged: Some(("watch fails", "watch works again")),
    },
    Fault { name: "kube-apiserver slow", act: apiserver_slow, may_fail: &[Kind::Reviewed], logged: None },
    Fault { name: "a CRD comes and goes", act: crd_comes_and_goes, may_fail: &[], logged: None },
    Fault { name: "hostile clients", act: hostile_clients, may_fail: &[], logged: None },
];

fn no_right_to_watch(around: &Surroundings<'_>) {
    let taken = around.take_right("clusterrolebinding custom-metrics-adapter:described-objects");
    // A watch notices when it ends, after a minute; a minute more counts as an outage.
    around.until_logged("watch fails");
    thread::sleep(Duration::from_secs(75));
    around.plane.apply(&taken);
}

fn no_right_to_review(around: &Surroundings<'_>) {
    let taken = around.take_right("clusterrolebinding custom-metrics-adapter:auth-delegator");
    around.until_logged("reviews fail");
    thread::sleep(Duration::from_secs(20));
    around.plane.apply(&taken);
}

fn no_right_to_the_config_map(around: &Surroundings<'_>) {
    let taken =
        around.take_right("--namespace kube-system rolebinding custom-metrics-adapter:authentication-reader");
    around.until_logged("cannot be watched");
    thread::sleep(Duration::from_secs(20));
    around.plane.apply(&taken);
}

fn apiserver_killed(around: &Surroundings<'_>) {
    around.plane.stop_apiserver();
    thread::sleep(Duration::from_secs(30));
    around.plane.start_apiserver();
}

fn away_then_forbidden(around: &Surroundings<'_>) {
    for mood in [Mood::Away, Mood::Forbids] {
        around.proxy.turn(mood);
        thread::sleep(Duration::from_secs(5));
    }
    around.proxy.turn(Mood::Good);
}

fn apiserver_slow(around: &Surroundings<'_>) {
    around.proxy.turn(Mood::Slow(Duration::from_secs(3)));
    thread::sleep(Duration::from_secs(60));
    around.proxy.turn(Mood::Good);
}

fn crd_comes_and_goes(around: &Surroundings<'_>) {
    let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget" });
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
    });
    around.plane.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.soak.example.com" },
        "spec": {
            "group": "soak.example.com", "scope": "Namespaced", "names": names, "versions": [version],
        },
    }));
    around.plane.kubectl("wait --for=condition=Established crd/widgets.soak.example.com --timeout=60s");
    let path = format!("/namespaces/{}/widgets.soak.example.com/w/depth", around.namespace.name);
    around.within(SOON, "a write is taken", || around.adapter.post(&path, "1").status == 200);
    thread::sleep(Duration::from_secs(10));
    around.plane.kubectl("delete crd widgets.soak.example.com --wait --timeout=60s");
    let found = || around.adapter.admin("/series?object=widgets&format=json").json()["total"] == 0;
    around.within(2 * SOON, "its value is gone", found);
}

fn hostile_clients(around: &Surroundings<'_>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let address = |listener: &str| around.adapter.address(listener).parse().expect("an address");
    let (secure, admin) = (address("SECURE"), address("ADMIN"));
    runtime.expect("a runtime").block_on(async {
        let held = half_sent_heads(secure, 1_024).await;
        let deaf = readers_that_never_read(admin, 100).await;
        let (answered, read) = tokio::join!(invented_paths(secure, 4_096), readers_of_targets(admin, 100));
        let (held, deaf) = (held.len(), deaf.len());
        println!(
            "{held} half-sent heads, {deaf} readers that never read, {answered} invented paths, {read} pages"
        );
    });
}

impl Surroundings<'_> {
    /// Deletes a binding; gives it back as it was.
    fn take_right(&self, binding: &str) -> Value {
        let text = self.plane.kubectl(&format!("get {binding} --output json"));
        let mut taken: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
        let metadata = taken["metadata"].as_object_mut().expect("metadata");
        metadata.retain(|field, _| ["name", "namespace"].contains(&field.as_str()));
        self.plane.kubectl(&format!("delete {binding}"));
        taken
    }

    /// Waits until a warning with these words comes, which has not been there yet.
    fn until_logged(&self, words: &str) {
        let count = || self.adapter.log_lines(&["WARN", words]).len();
        let before = count();
        self.within(Duration::from_secs(330), words, || count() > before);
    }

    fn within(&self, patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience;
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}
