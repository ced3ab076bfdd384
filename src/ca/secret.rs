//! The Secret that replicas share. Its resource version decides whose change counts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};

use super::{
    calls::{Failure, Problem, within},
    material::{Material, MaterialError},
    plan::{Rotation, Step},
};

/// Where the material is kept.
pub(super) struct Store {
    pub(super) api: Api<Secret>,
    pub(super) name: String,
    namespace: String,
}

/// The Secret as it is.
pub(super) struct Kept {
    secret: Secret,
    /// `None` if it is empty.
    pub(super) material: Result<Option<Material>, MaterialError>,
    pub(super) asked: Option<Rotation>,
}

impl Store {
    pub(super) fn new(client: &Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, name: name.to_owned(), namespace: namespace.to_owned() }
    }

    pub(super) async fn get(&self) -> Result<Kept, Problem> {
        let found = within(self.api.get_opt(&self.name)).await.map_err(|error| failed(&error))?;
        let secret = found.ok_or_else(|| self.absent())?;
        let material = Material::parse(secret.data.as_ref().unwrap_or(&BTreeMap::new()));
        let asked = secret.metadata.annotations.as_ref().and_then(|all| Rotation::parse(all.get(ROTATE)?));
        Ok(Kept { secret, material, asked })
    }

    /// Keeps `material` in place of what was there, unless somebody was faster: then `false`. What was asked for is over
    /// with the `step`, but for a CA that has yet to be promoted.
    pub(super) async fn replace(
        &self,
        kept: Kept,
        material: &Material,
        step: Option<Step>,
    ) -> Result<bool, Problem> {
        let mut secret = kept.secret;
        secret.data = Some(material.data());
        let is_done = match kept.asked {
            Some(Rotation::Pair) => matches!(step, Some(Step::Pair | Step::Promote)),
            Some(Rotation::Authority) => step == Some(Step::Promote),
            None => false,
        };
        if let (Some(annotations), true) = (&mut secret.metadata.annotations, is_done) {
            annotations.remove(ROTATE);
        }
        match within(self.api.replace(&self.name, &PostParams::default(), &secret)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    /// As messages name it.
    pub(super) fn origin(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    fn absent(&self) -> Problem {
        let text = format!("{} does not exist", self.origin());
        Problem {
            class: "absent",
            text,
            remedy: "apply the adapter's manifest again: it has the Secret, empty",
        }
    }
}

fn failed(error: &Failure) -> Problem {
    Problem::of(error, "bind Role custom-metrics-adapter:serving-cert to this service account")
}

/// With `pair` or `ca`: what is to be replaced now.
const ROTATE: &str = "custom-metrics-adapter/rotate";
