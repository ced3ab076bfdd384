//! Records into the store.

use std::collections::{BTreeSet, HashMap};

use std::sync::Arc;

use super::grouped::Piece;
use crate::{
    journal::record::{Place, Received, Recorded},
    model::{GroupResource, Subject},
    store::{Applied, Removal, Store},
};

/// Applies records in their order: of two of one series the last counts.
pub(super) fn apply(store: &Store, pieces: Vec<Piece<Recorded>>) -> BTreeSet<GroupResource> {
    let mut last: HashMap<Arc<str>, (u64, Recorded)> = HashMap::new();
    for piece in pieces {
        if let Some(change) = piece.change {
            last.insert(piece.series, (piece.sequence, change));
        }
    }
    let (mut values, mut resources) = (Vec::new(), BTreeSet::new());
    for (version, change) in last.into_values() {
        match change {
            Recorded::Removed(place) => drop(store.remove(&removal(place))),
            Recorded::Put(Received { write, at }) => {
                resources.insert(resource(&write.subject));
                values.push(Applied { write, received: at, version });
            }
        }
    }
    store.apply(values);
    resources
}

fn removal(Place { subject, metric, labels }: Place) -> Removal {
    Removal { subject, metric, labels: Some(labels) }
}

/// Of the objects that the values end with.
fn resource(subject: &Subject) -> GroupResource {
    match subject {
        Subject::Object(object) => object.resource.clone(),
        Subject::External { .. } => GroupResource::namespaces(),
    }
}
