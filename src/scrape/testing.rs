//! Pods for tests.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::{
    cluster::{Container, ContainerPort, Pod, PodPhase, Protocol},
    model::{GroupResource, Labels, LiveObject, ObjectRef, Uid},
    store::{Fold, TargetOptions},
};

/// A running pod in `default` with one IP, one container, and these annotations.
pub(super) fn pod(name: &str, annotations: &[(&str, &str)]) -> Pod {
    let object =
        ObjectRef { resource: GroupResource::pods(), namespace: Some("default".into()), name: name.into() };
    let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Pod {
        live: Arc::new(LiveObject {
            object,
            uid: Uid(format!("uid-of-{name}").into()),
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::default(),
        }),
        annotations: annotations.collect::<BTreeMap<_, _>>(),
        phase: PodPhase::Running,
        ready: true,
        deletion: None,
        ips: vec!["10.1.2.3".parse().unwrap()],
        host_network: false,
        node: None,
        containers: vec![container("main", &[])],
    }
}

/// A target of a pod in `default`, as the store knows it.
pub(super) fn target(pod_name: &str) -> TargetOptions {
    let live = pod(pod_name, &[]).live;
    let seconds = jiff::SignedDuration::from_secs;
    TargetOptions {
        object: live.object.clone(),
        uid: live.uid.clone(),
        created: live.created,
        name: "8080/metrics".into(),
        interval: seconds(15),
        window: seconds(60),
        max_age: seconds(45),
        max_age_after_timeout: seconds(0),
        raw_counters: false,
        derived: Arc::default(),
        fold: Fold::Sum,
    }
}

/// A container that declares these ports.
pub(super) fn container(name: &str, ports: &[(&str, u16, Protocol)]) -> Container {
    let port = |&(name, number, protocol): &(&str, u16, Protocol)| ContainerPort {
        name: (!name.is_empty()).then(|| name.into()),
        number,
        protocol,
    };
    Container { name: name.into(), is_sidecar: false, ports: ports.iter().map(port).collect(), started: None }
}
