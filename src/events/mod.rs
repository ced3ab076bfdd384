//! Kubernetes Events for what only the adapter knows: on a pod, that its annotations are refused; on an HPA, why a metric
//! of it has no value. `kubectl describe` shows them.
//!
//! A failure is told once, again after an hour, and never more than a few in one look: Events cost kube-apiserver writes.

mod due;

use std::{future::Future, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::{Instant, interval, timeout};

use crate::{model::Uid, notice::Incident};
use due::Due;

/// Something that its owner should see in `kubectl describe`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occurrence {
    /// The object.
    pub regarding: Regarding,
    /// In PascalCase.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
}

/// The object that an Event is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Regarding {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which one of that name.
    pub uid: Uid,
}

/// The kinds that Events are about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `v1`
    Pod,
    /// `autoscaling/v2`
    HorizontalPodAutoscaler,
}

/// Makes Events by this client.
pub struct Events {
    recorder: Recorder,
    due: Due,
    refused: Incident,
}

impl Events {
    /// Makes none before [`Events::run`].
    #[must_use]
    pub fn new(client: Client) -> Self {
        // Without a name of its own each replica would need another field to tell who reported.
        let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance };
        Self { recorder: Recorder::new(client, reporter), due: Due::default(), refused: Incident::default() }
    }

    /// Looks now and then, for ever.
    pub async fn run<F: Future<Output = Vec<Occurrence>>>(mut self, look: impl Fn() -> F) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for occurrence in self.due.of(look().await, Instant::now()) {
                self.tell(&occurrence).await;
            }
        }
    }

    async fn tell(&self, occurrence: &Occurrence) {
        let (event, reference) = (event(occurrence), reference(&occurrence.regarding));
        match timeout(DEADLINE, self.recorder.publish(&event, &reference)).await {
            Ok(Ok(())) if self.refused.works().is_some() => tracing::info!("Events are made again"),
            Ok(Err(error)) if self.refused.fails("refused") => tracing::warn!(
                %error,
                "an Event cannot be made; grant create and patch of events in events.k8s.io, or set --events=false"
            ),
            Err(_) if self.refused.fails("timeout") => {
                tracing::warn!("an Event cannot be made: kube-apiserver did not answer in time");
            }
            _ => {}
        }
    }
}

fn event(occurrence: &Occurrence) -> Event {
    let mut note = occurrence.note.clone();
    note.truncate(note.floor_char_boundary(LONGEST_NOTE));
    Event {
        type_: EventType::Warning,
        reason: occurrence.reason.to_owned(),
        note: Some(note),
        action: "ServeMetric".to_owned(),
        secondary: None,
    }
}

fn reference(regarding: &Regarding) -> ObjectReference {
    let (kind, version) = match regarding.kind {
        Kind::Pod => ("Pod", "v1"),
        Kind::HorizontalPodAutoscaler => ("HorizontalPodAutoscaler", "autoscaling/v2"),
    };
    ObjectReference {
        api_version: Some(version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(regarding.namespace.clone()),
        name: Some(regarding.name.clone()),
        uid: Some(regarding.uid.0.to_string()),
        ..ObjectReference::default()
    }
}

/// As the Events name who reported.
const CONTROLLER: &str = "custom-metrics-adapter";

const LOOK: Duration = Duration::from_secs(15);

const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes that kube-apiserver takes: `NoteLengthLimit` of its validation.
const LONGEST_NOTE: usize = 1024;
