//! Everything that decides what an HPA sees, as a plain struct: whoever fills it may have read memory or asked
//! kube-apiserver, and the checklist is a function of it alone.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Counting, Hpa, MetricSpec};

/// What is known around one HPA at one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The moment.
    pub now: Timestamp,
    /// The HPA.
    pub hpa: Arc<Hpa>,
    /// What it scales.
    pub target: ScaleTarget,
    /// The APIs that its metrics come from, each once.
    pub apis: Vec<ApiFact>,
    /// Its metrics, in the order of the spec; none if the spec could not be read.
    pub metrics: Vec<MetricFact>,
    /// Selected pods that are running and ready; `None` if that is not known or no pod is selected.
    pub ready: Option<u32>,
}

/// The scale of what an HPA scales.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScaleTarget {
    /// It is there.
    Found {
        /// `spec.replicas`
        spec: i32,
        /// `status.replicas`
        status: i32,
        /// `status.selector`: which pods are its own.
        selector: String,
    },
    /// There is no such object, or it cannot be scaled.
    Missing(String),
    /// It could not be asked for.
    Unknown(String),
}

/// A metrics API as kube-apiserver has it registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiFact {
    /// Which.
    pub group: MetricsGroup,
    /// Whether requests are passed on, and to which server.
    pub service: ApiService,
    /// Whether the HPA controller may read it.
    pub access: Access,
}

/// An API group that HPAs read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MetricsGroup {
    /// `custom.metrics.k8s.io`
    Custom,
    /// `external.metrics.k8s.io`
    External,
}

impl MetricsGroup {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Custom => "custom.metrics.k8s.io",
            Self::External => "external.metrics.k8s.io",
        }
    }

    /// The APIServices that an HPA can be served by, the preferred first.
    #[must_use]
    pub fn api_services(self) -> &'static [&'static str] {
        match self {
            Self::Custom => &["v1beta2.custom.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io"],
            Self::External => &["v1beta1.external.metrics.k8s.io"],
        }
    }
}

/// An APIService.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiService {
    /// Nobody serves the API.
    Missing,
    /// It is registered.
    Found {
        /// `NAMESPACE/NAME` of the Service that serves it.
        service: String,
        /// Whether that is this adapter's; `None` where nobody knows.
        ours: Option<bool>,
        /// Why it is not available, if it is not.
        unavailable: Option<String>,
    },
    /// It could not be asked for.
    Unknown(String),
}

/// Whether the HPA controller may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// It may.
    Allowed,
    /// It may not, with kube-apiserver's reason.
    Denied(String),
    /// Nobody has asked, or could ask.
    Unknown(String),
}

/// What the metrics API has for one metric of an HPA.
#[derive(Clone, Debug)]
pub struct MetricFact {
    /// The metric and its target.
    pub spec: MetricSpec,
    /// What a read answers.
    pub answer: Answer,
    /// A metric that is there and has a similar name.
    pub nearest: Option<String>,
    /// Metrics that are there instead.
    pub others: Vec<String>,
}

/// What a read of a metric answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of the selected pods, each with its value or the reason why it has none.
    Pods(Vec<PodFact>),
    /// Values of one object or of the label sets of an external metric.
    Values(Vec<Measured>),
    /// No value.
    Nothing(Lack),
    /// It is another server's (`metrics.k8s.io`).
    NotAsked,
}

/// A selected pod.
#[derive(Clone, Debug)]
pub struct PodFact {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the controller looks at it.
    pub counting: Counting,
    /// Its value, or why there is none.
    pub value: Result<Measured, Lack>,
    /// How its target is, if it asks to be scraped.
    pub target: Option<TargetFact>,
}

/// A number and its moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// Thousandths.
    pub milli: i64,
    /// As it is written.
    pub text: String,
    /// When it was true.
    pub at: Timestamp,
}

/// A pod that asks to be scraped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetFact {
    /// How it is.
    pub state: TargetState,
    /// What is fetched.
    pub url: Option<String>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// How a target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetState {
    /// The last scrape was good.
    Up,
    /// The last scrape failed.
    Down,
    /// The annotations say nothing that can be scraped.
    Refused,
    /// Not scraped yet, or the pod is terminating.
    Waiting,
}

/// Why there is no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lack {
    /// The kind.
    pub kind: LackKind,
    /// In words: the server's, where a server said so.
    pub text: String,
}

/// Why there is no value, as a program sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LackKind {
    /// The API is not served, or its server does not answer.
    NoApi,
    /// The caller may not read it.
    Denied,
    /// The selector selects no pod.
    NoPods,
    /// The pods are not known.
    Unseen,
    /// The described object does not exist, or its kind is none.
    NoObject,
    /// There is no such metric.
    NoMetric,
    /// No label set meets `metric.selector`.
    NoSeries,
    /// Its time to live has passed.
    Expired,
    /// Its object is gone, and another has its name.
    ObjectGone,
    /// It is scraped, and its target does not answer.
    TargetDown,
    /// It is scraped, and its target cannot be scraped.
    TargetRefused,
    /// A rate that needs another scrape, or a target that was not scraped yet.
    TooEarly,
    /// Too few of an object's pods have it.
    Coverage,
    /// There is a number that no HPA can use.
    Unusable,
    /// The server said something else.
    Other,
}
