//! The pods of one object.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{Controller, Link, LinkKind, Members, NoMembers};
use crate::{
    cluster::{Pod, Unavailable, connected::Connected, watched::Watched},
    model::{GroupResource, LiveObject, ObjectRef, Presence, Selector, Uid},
};

type Uids = HashSet<Uid, RandomState>;

impl Connected {
    /// The pods that belong to `object`.
    ///
    /// # Errors
    /// When they are not known; the question has begun the watches that it needs.
    pub(in crate::cluster) fn members(&self, object: &ObjectRef) -> Result<Members, NoMembers> {
        let resource = &object.resource;
        if *resource == GroupResource::pods() {
            return Err(NoMembers::IsPod);
        }
        self.synced(&GroupResource::pods())?;
        let (watched, live) = self.live(object)?;
        let is_place = resource.is_namespaces() || is_nodes(resource);
        let pods = if resource.is_namespaces() {
            self.selected(&live.object.name, &Selector::default())
        } else if is_nodes(resource) {
            self.pod_details.on_node(&live.object.name)
        } else if LinkKind::of(resource).is_some() {
            self.pod_details.get_all(self.linked(&watched, &live)?)
        } else {
            self.pod_details.get_all(self.controlled(&live)?)
        };
        Ok(Members { object: live, pods: in_order(pods)?, are_alike: !is_place })
    }

    /// Whether `owner` controls this pod, itself or through what it controls.
    ///
    /// # Errors
    /// When that is not known; the question has begun the watches that it needs.
    pub(in crate::cluster) fn controls(&self, owner: &ObjectRef, pod: &Uid) -> Result<bool, NoMembers> {
        self.synced(&GroupResource::pods())?;
        let Some(controller) = self.pods.ties.controller(pod) else { return Ok(false) };
        match self.live(owner) {
            Ok((_, live)) => self.climb(&live).leads_to_owner(&controller),
            Err(NoMembers::NoObject(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn climb<'a>(&'a self, owner: &'a LiveObject) -> Climb<'a> {
        let between = between(&owner.object.resource);
        Climb { connected: self, owner, between, kinds: HashMap::new() }
    }

    fn live(&self, object: &ObjectRef) -> Result<(Arc<Watched>, Arc<LiveObject>), NoMembers> {
        let watched = self.synced(&object.resource)?;
        match watched.index.presence(object) {
            Presence::Live(live) => Ok((watched, live)),
            Presence::Absent | Presence::Unknown => Err(NoMembers::NoObject(object.clone())),
        }
    }

    /// The watch of a resource, once all its objects are known.
    fn synced(&self, resource: &GroupResource) -> Result<Arc<Watched>, NoMembers> {
        let not_synced = || Unavailable::NotSynced { resource: resource.clone() };
        let watched = self.needed(resource).ok_or_else(not_synced)?;
        if let Some(message) = watched.health.forbidden() {
            return Err(Unavailable::Forbidden { resource: resource.clone(), message }.into());
        }
        if watched.index.is_synced() { Ok(watched) } else { Err(not_synced().into()) }
    }

    /// The pods of a namespace that a selector matches.
    fn selected(&self, namespace: &str, selector: &Selector) -> Vec<Arc<Pod>> {
        let live = self.pods.index.list(Some(namespace), selector).unwrap_or_default();
        self.pod_details.get_all(live.iter().map(|live| live.uid.clone()))
    }

    /// The pods of a Service, or of the Services that an Ingress or a route leads to.
    fn linked(&self, watched: &Watched, live: &LiveObject) -> Result<Vec<Uid>, NoMembers> {
        let namespace = live.object.namespace.as_deref().unwrap_or_default();
        let link = watched.ties.link(&live.uid);
        let backends = match link.as_deref() {
            Some(Link::Services(backends)) if !backends.is_empty() => backends,
            Some(Link::Services(_)) => return Err(NoMembers::NoBackend),
            link => return self.of_service(namespace, &live.object.name, link),
        };
        if let Some((foreign, other)) = backends.iter().find_map(|one| Some((one, one.namespace.as_deref()?)))
        {
            let (namespace, service) = (other.to_owned(), foreign.service.to_string());
            return Err(NoMembers::Foreign { namespace, service });
        }
        let services = self.synced(&GroupResource::new("", "services"))?;
        let (mut found, mut looked_at) = (None::<Uids>, 0);
        for backend in backends {
            let service = self.service(namespace, &backend.service);
            let Presence::Live(live) = services.index.presence(&service) else { continue };
            let link = services.ties.link(&live.uid);
            let pods = self.of_service(namespace, &backend.service, link.as_deref())?;
            // Many Services of the same many pods would be much work for one read.
            looked_at += pods.len();
            if looked_at > Members::MOST {
                return Err(NoMembers::TooMany { most: Members::MOST });
            }
            found.get_or_insert_default().extend(pods);
        }
        let names = || backends.iter().map(|backend| backend.service.to_string()).collect();
        found.map(|found| found.into_iter().collect()).ok_or_else(|| NoMembers::NoService(names()))
    }

    fn service(&self, namespace: &str, name: &Arc<str>) -> ObjectRef {
        let resource = GroupResource::new("", "services");
        ObjectRef { resource, namespace: Some(namespace.into()), name: name.clone() }
    }

    fn of_service(&self, namespace: &str, name: &str, link: Option<&Link>) -> Result<Vec<Uid>, NoMembers> {
        if let Some(Link::Pods(Some(selector), _)) = link {
            let live = self.pods.index.list(Some(namespace), selector).unwrap_or_default();
            return Ok(live.iter().map(|live| live.uid.clone()).collect());
        }
        let slices = self.synced(&GroupResource::new("discovery.k8s.io", "endpointslices"))?;
        let named =
            Selector::parse(&format!("{SERVICE_OF_SLICE}={name}")).map_err(|_| NoMembers::NoSelector)?;
        let mut pods = Uids::default();
        for slice in slices.index.list(Some(namespace), &named).unwrap_or_default() {
            let Some(link) = slices.ties.link(&slice.uid) else { continue };
            if let Link::Named(names) = &*link {
                pods.extend(names.iter().filter_map(|name| self.pod_of(namespace, name)));
            }
        }
        if pods.is_empty() { Err(NoMembers::NoSelector) } else { Ok(pods.into_iter().collect()) }
    }

    fn pod_of(&self, namespace: &str, name: &Arc<str>) -> Option<Uid> {
        let resource = GroupResource::pods();
        let pod = ObjectRef { resource, namespace: Some(namespace.into()), name: name.clone() };
        match self.pods.index.presence(&pod) {
            Presence::Live(live) => Some(live.uid.clone()),
            Presence::Absent | Presence::Unknown => None,
        }
    }

    /// The pods below `owner`: those that it controls itself, and those of what it controls.
    fn controlled(&self, owner: &LiveObject) -> Result<Vec<Uid>, NoMembers> {
        let namespace = owner.object.namespace.as_deref();
        let mut climb = self.climb(owner);
        let mut ours = Uids::default();
        for controller in self.pods.ties.controllers(namespace) {
            if climb.leads_to_owner(&controller)? {
                ours.insert(controller.uid.clone());
            }
        }
        Ok(self.pods.ties.controlled(namespace, &ours))
    }
}

/// Group and kind.
type Kind = (Arc<str>, Arc<str>);

/// The way from a controller of pods up to one owner.
struct Climb<'a> {
    connected: &'a Connected,
    owner: &'a LiveObject,
    /// The resources that can stand on the way; any where that is not known.
    between: Option<&'static [(&'static str, &'static str)]>,
    /// The watches of the kinds that were met; `None` for a kind that the cluster does not serve.
    kinds: HashMap<Kind, Option<Arc<Watched>>>,
}

impl Climb<'_> {
    fn leads_to_owner(&mut self, controller: &Arc<Controller>) -> Result<bool, NoMembers> {
        let mut at = controller.clone();
        for _ in 0..DEEPEST {
            if at.uid == self.owner.uid {
                return Ok(true);
            }
            let Some(watched) = self.watched(&at)? else { return Ok(false) };
            match watched.ties.controller(&at.uid) {
                Some(above) => at = above,
                // It stands alone, or is gone; then its pods will be too, or are orphans.
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The watch of the resource of a controller, if the owner can stand above it.
    fn watched(&mut self, controller: &Controller) -> Result<Option<Arc<Watched>>, NoMembers> {
        let kind = (controller.group.clone(), controller.kind.clone());
        if let Some(known) = self.kinds.get(&kind) {
            return Ok(known.clone());
        }
        let can_be =
            self.between.is_none_or(|between| between.contains(&(&controller.group, &controller.kind)));
        let name = format!("{}.{}", controller.kind, controller.group);
        let resource = self.connected.book.find(&name).filter(|_| can_be);
        let watched = resource.map(|resource| self.connected.synced(&resource.resource)).transpose()?;
        if watched.is_some() && self.kinds.values().flatten().count() == MOST_KINDS {
            return Err(NoMembers::TooManyKinds { most: MOST_KINDS });
        }
        self.kinds.insert(kind, watched.clone());
        Ok(watched)
    }
}

/// Groups and kinds that can stand between the pods and an object of this resource; `None` where any can.
fn between(owner: &GroupResource) -> Option<&'static [(&'static str, &'static str)]> {
    match (&*owner.group, &*owner.resource) {
        ("", "replicationcontrollers")
        | ("apps", "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => Some(&[]),
        ("apps", "deployments") => Some(&[("apps", "ReplicaSet")]),
        ("batch", "cronjobs") => Some(&[("batch", "Job")]),
        _ => None,
    }
}

fn is_nodes(resource: &GroupResource) -> bool {
    resource.group.is_empty() && &*resource.resource == "nodes"
}

fn in_order(mut pods: Vec<Arc<Pod>>) -> Result<Vec<Arc<Pod>>, NoMembers> {
    if pods.len() > Members::MOST {
        return Err(NoMembers::TooMany { most: Members::MOST });
    }
    let place = |pod: &Pod| (pod.live.object.namespace.clone(), pod.live.object.name.clone());
    // A Service's and a Namespace's pods are in order already.
    if !pods.is_sorted_by(|a, b| a.live.object <= b.live.object) {
        pods.sort_by_cached_key(|pod| place(pod));
    }
    Ok(pods)
}

/// The label of an EndpointSlice that names its Service.
const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

/// Controllers above one another.
const DEEPEST: usize = 8;

/// Kinds of controllers whose resources are watched for one question.
const MOST_KINDS: usize = 16;
