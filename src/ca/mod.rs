//! The adapter's own CA, so that kube-apiserver verifies it without anybody's doing.
//!
//! Keys and certificates are kept in one Secret, which replicas share; its resource version decides whose change counts.
//! The CA stands in `caBundle` of the adapter's own APIServices, and of no other. Both are looked at whenever a watch
//! says that they have changed, and each twenty seconds.

mod calls;
mod material;
mod plan;
mod publish;
mod secret;

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{Config, watcher},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    notice::Incident,
    serve::{IssuedPair, PairProblem, ServiceNames, ServingCertificate},
};
use calls::Problem;
use material::Material;
use plan::{Moment, SPREAD, due};
use publish::ApiService;
use secret::{Kept, Store};

/// What [`ServingCa::start`] needs.
pub struct CaOptions {
    /// The way to kube-apiserver.
    pub client: Client,
    /// The name of the Secret, in the namespace of the Service.
    pub secret: String,
    /// What the certificate is for.
    pub names: ServiceNames,
    /// How long to wait for the Secret.
    pub deadline: Duration,
    /// Where the reason for a wait is told.
    pub waiting: watch::Sender<Option<String>>,
}

/// Why there is no CA.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The Secret cannot be read or filled.
    #[error("after {waited:?}: {problem}; {remedy}")]
    Wait {
        /// For how long it was tried.
        waited: Duration,
        /// The last reason.
        problem: String,
        /// What mends it.
        remedy: &'static str,
    },
    /// The Secret holds something else.
    #[error("{origin} cannot be used: {problem}; empty it, or name another one by --serving-cert-secret")]
    Foreign {
        /// Which Secret.
        origin: String,
        /// What is wrong with it.
        problem: material::MaterialError,
    },
    /// No key can be made.
    #[error("a certificate cannot be generated")]
    Generate(#[from] rcgen::Error),
    /// What was read makes no pair.
    #[error("the serving certificate cannot be used: {0}")]
    Pair(PairProblem),
}

/// The CA with its serving certificate.
pub struct ServingCa {
    store: Store,
    services: Vec<ApiService>,
    certificate: Arc<ServingCertificate>,
    names: ServiceNames,
    material: Material,
    shown: IssuedPair,
    /// The certificate of the CA of the pair that is shown.
    shown_by: String,
    /// The last bundle that kube-apiserver has had for a while, or that was there at the start.
    trusted: String,
    /// Since when the CAs have been in every APIService.
    published: Option<Instant>,
    incident: Incident,
}

impl ServingCa {
    /// Takes keys and certificates from the Secret, or makes them, and registers the CA.
    ///
    /// # Errors
    /// When the Secret cannot be read or filled for `deadline`, or holds something else.
    pub async fn start(options: CaOptions) -> Result<Self, CaError> {
        let store = Store::new(&options.client, &options.names.namespace, &options.secret);
        let material = load(&store, &options).await?;
        let certificate = ServingCertificate::given(store.origin(), &material.pair).map_err(CaError::Pair)?;
        let mut ca = Self {
            services: ApiService::all(&options.client),
            names: options.names,
            shown: material.pair.clone(),
            shown_by: material.authority.certificate.clone(),
            trusted: material.bundle(),
            published: None,
            incident: Incident::default(),
            store,
            certificate,
            material,
        };
        ca.look().await;
        Ok(ca)
    }

    /// What it serves with.
    #[must_use]
    pub fn certificate(&self) -> Arc<ServingCertificate> {
        self.certificate.clone()
    }

    /// Keeps Secret and APIServices as they should be, for ever.
    pub async fn run(mut self) {
        let mut changes = pin!(self.changes());
        loop {
            let _ = timeout(EACH, changes.next()).await;
            // What comes together is looked at once.
            sleep(CALM).await;
            while changes.next().now_or_never().is_some() {}
            self.look().await;
        }
    }

    /// Something when the Secret or an APIService may have changed.
    fn changes(&self) -> impl Stream<Item = ()> + use<> {
        let named =
            |name: &str| Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
        let secret =
            watcher(self.store.api.clone(), named(&self.store.name)).default_backoff().map(drop).boxed();
        let services = self.services.iter();
        let services = services.map(|service| {
            watcher(service.api.clone(), named(service.name)).default_backoff().map(drop).boxed()
        });
        stream::select_all(services.chain([secret]).collect::<Vec<_>>())
    }

    async fn look(&mut self) {
        let kept = self.read().await;
        let unpublished = self.publish().await;
        self.show();
        let made = match kept {
            Ok(Some(kept)) => self.step(kept).await,
            Ok(None) => Ok(()),
            Err(problem) => Err(problem),
        };
        let unkept = made.err().map(|problem| self.tell(problem));
        if unkept.is_none() && self.incident.works().is_some() {
            tracing::info!(
                secret = self.store.origin(),
                "the Secret of the serving certificate can be used again"
            );
        }
        self.certificate.report(unkept.or(unpublished));
    }

    /// Takes what the Secret holds, which is given back unless it had to be written.
    async fn read(&mut self) -> Result<Option<Kept>, Problem> {
        let kept = self.store.get().await?;
        let material = match &kept.material {
            Ok(Some(material)) => material.clone(),
            // Emptied or spoilt: what this process shows is what kube-apiserver knows.
            Ok(None) => return self.restore(kept).await,
            Err(problem) => {
                tracing::warn!(secret = self.store.origin(), %problem, "the Secret is written again");
                return self.restore(kept).await;
            }
        };
        // Somebody put another CA in its place: the pair that is shown is trusted until there is one of that CA.
        let ours = &self.shown_by;
        if !material.trusts(ours) {
            let both = material.trusting(ours);
            tracing::warn!(secret = self.store.origin(), "the Secret has another CA: changing over to it");
            if self.store.replace(kept, &both, None).await? {
                self.take(both);
            }
            return Ok(None);
        }
        self.take(material);
        Ok(Some(kept))
    }

    /// Makes the step that is due.
    async fn step(&mut self, kept: Kept) -> Result<(), Problem> {
        let published = self.published_for();
        let moment = Moment { now: Timestamp::now(), names: &self.names, asked: kept.asked, published };
        let Some(step) = due(&self.material, &moment) else { return Ok(()) };
        let after =
            self.material.after(step, &self.names, moment.now).map_err(|error| Problem::making(&error))?;
        if self.store.replace(kept, &after, Some(step)).await? {
            tracing::info!(?step, secret = self.store.origin(), "changed keys or certificates");
            self.take(after);
            self.show();
        }
        Ok(())
    }

    async fn restore(&self, kept: Kept) -> Result<Option<Kept>, Problem> {
        self.store.replace(kept, &self.material, None).await.map(|_| None)
    }

    fn take(&mut self, material: Material) {
        if material.bundle() != self.material.bundle() {
            self.published = None;
        }
        self.material = material;
    }

    /// Shows the pair of the material once clients have known its CA for a while.
    fn show(&mut self) {
        let Material { authority, pair, .. } = &self.material;
        if self.published_for() >= SPREAD {
            self.trusted = self.material.bundle();
        }
        if *pair == self.shown || !self.trusted.contains(&authority.certificate) {
            return;
        }
        match self.certificate.replace(pair) {
            Ok(()) => {
                self.shown = pair.clone();
                self.shown_by.clone_from(&authority.certificate);
            }
            Err(problem) => tracing::warn!(%problem, "keeping the serving certificate from before"),
        }
    }

    fn published_for(&self) -> Duration {
        self.published.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Why an APIService has not the CAs, if one has not.
    async fn publish(&mut self) -> Option<String> {
        let bundle = self.material.bundle();
        let mut problem = None;
        for service in &self.services {
            match service.publish(&bundle, &self.names).await {
                // kube-apiserver had others until now.
                Ok(true) => self.published = None,
                Ok(false) => {}
                Err(why) => problem = problem.or(Some(why)),
            }
        }
        self.published =
            if problem.is_none() { self.published.or_else(|| Some(Instant::now())) } else { None };
        problem
    }

    fn tell(&self, problem: Problem) -> String {
        let Problem { class, text, remedy } = problem;
        if self.incident.fails(class) {
            let secret = self.store.origin();
            tracing::warn!(
                secret,
                error = text,
                remedy,
                "the Secret of the serving certificate cannot be kept"
            );
        }
        format!("{}: {text}", self.store.origin())
    }
}

impl Problem {
    fn making(error: &rcgen::Error) -> Self {
        Self { class: "making", text: format!("no key can be made: {error}"), remedy: "" }
    }
}

/// What the Secret holds; what is made and stored if it is empty. Replicas that start together agree by it.
async fn load(store: &Store, options: &CaOptions) -> Result<Material, CaError> {
    let started = Instant::now();
    let incident = Incident::default();
    loop {
        let problem = match attempt(store, &options.names).await? {
            Ok(Some(material)) => {
                options.waiting.send_replace(None);
                return Ok(material);
            }
            Ok(None) => continue,
            Err(problem) => problem,
        };
        let Problem { class, text, remedy } = problem;
        if started.elapsed() + RETRY >= options.deadline {
            let waited = Duration::from_secs(started.elapsed().as_secs());
            return Err(CaError::Wait { waited, problem: text, remedy });
        }
        let secret = store.origin();
        if incident.fails(class) {
            tracing::warn!(secret, error = text, remedy, "waiting for the Secret of the serving certificate");
        }
        options.waiting.send_replace(Some(format!("waiting for {secret}: {text}; {remedy}")));
        sleep(RETRY).await;
    }
}

/// `None` if another replica was faster.
async fn attempt(store: &Store, names: &ServiceNames) -> Result<Result<Option<Material>, Problem>, CaError> {
    let mut kept = match store.get().await {
        Ok(kept) => kept,
        Err(problem) => return Ok(Err(problem)),
    };
    match std::mem::replace(&mut kept.material, Ok(None)) {
        Ok(Some(material)) => Ok(Ok(Some(material))),
        Err(problem) => Err(CaError::Foreign { origin: store.origin(), problem }),
        Ok(None) => {
            let material = Material::generate(names, Timestamp::now())?;
            let stored = store.replace(kept, &material, None).await;
            Ok(stored.map(|stored| stored.then_some(material)))
        }
    }
}

/// How often Secret and APIServices are looked at without a change; also how late a step is made.
const EACH: Duration = Duration::from_secs(20);
const CALM: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_secs(2);

/// As of every watch: shorter than the time that the client waits for a stream to bring something.
const WATCH_SECONDS: u32 = 60;
