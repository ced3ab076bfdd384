//! What telemetry may learn of requests.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    error::ApiError,
    external,
    not_found::{NotFound, Why},
    route::{GroupVersion, Objects, Route},
};
use crate::{
    cluster::{NoMembers, Unavailable},
    model::{ExternalValue, MetricValue},
    owned::Nothing,
    store::Absence,
};

/// Watches requests; every method does nothing unless it is overridden. Called in the task that answers the request.
pub trait Observer: Send + Sync + 'static {
    /// A request has come.
    fn begun(&self) {}

    /// It is known what it asks for.
    fn routed(&self, route: &Route) {
        let _ = route;
    }

    /// A read at `now` found these values.
    fn read(&self, values: &[MetricValue], now: Timestamp) {
        let _ = (values, now);
    }

    /// A read at `now` found these values of an external metric.
    fn read_external(&self, values: &[ExternalValue], now: Timestamp) {
        let _ = (values, now);
    }

    /// It was answered, or its client went away.
    fn ended(&self, ended: &Ended) {
        let _ = ended;
    }
}

/// Watches nothing.
impl Observer for () {}

/// The end of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// What it asked for.
    pub place: Place,
    /// In which version of which group.
    pub version: Option<GroupVersion>,
    /// What it was answered with; `None` if nobody waited for the answer.
    pub status: Option<StatusCode>,
    /// Why a read served no value; `None` if it did, or was none.
    pub miss: Option<Miss>,
    /// From its head to its answer.
    pub took: Duration,
}

/// Routes as a closed set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// The list of paths.
    Root,
    /// Health endpoints.
    Health,
    /// `/version`
    Version,
    /// OpenAPI documents.
    OpenApi,
    /// `/apis`
    Groups,
    /// One group.
    Group,
    /// Discovery of one version.
    Resources,
    /// Every metric of one object.
    Object,
    /// One metric of one object.
    Value,
    /// One metric of `*`.
    Values,
    /// One external metric.
    External,
    /// Any path that this server does not have.
    Unknown,
}

/// Why a read served no value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Miss {
    /// The object has no such metric.
    UnknownMetric,
    /// The cluster has no such resource.
    UnknownResource,
    /// The cluster has no such object, or the selector selects none.
    NoObject,
    /// The value is of an object that is gone.
    ObjectGone,
    /// The metric selector selects nothing.
    NoSeries,
    /// The written value's ttl has passed.
    Expired,
    /// The last good scrape is too long ago.
    Stale,
    /// Never scraped well.
    NotScraped,
    /// Needs another scrape.
    Early,
    /// A counter that falls without a restart.
    NonMonotonic,
    /// Nothing was observed in the window.
    NoObservations,
    /// NaN or infinite.
    NotANumber,
    /// More than a quantity holds.
    OutOfRange,
    /// A line of it could not be read in the last scrape.
    Unreadable,
    /// The last good scrape lacks it.
    Lacking,
    /// It is exposed, but not as something that an HPA can use.
    Unusable,
    /// The list of objects is not complete yet.
    NotSynced,
    /// The adapter may not list the objects.
    ListForbidden,
    /// A request that cannot be answered: parameters, names, formats, methods.
    Invalid,
    /// The user may not.
    Forbidden,
    /// The credentials are wrong.
    Unauthorized,
    /// Nobody could say whether the user may.
    ReviewFailed,
    /// Too many requests under way.
    TooManyRequests,
    /// Took too long.
    Timeout,
    /// Our own failure.
    Internal,
    /// The client went away.
    Canceled,
}

impl Place {
    /// Every place, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Root,
        Self::Health,
        Self::Version,
        Self::OpenApi,
        Self::Groups,
        Self::Group,
        Self::Resources,
        Self::Object,
        Self::Value,
        Self::Values,
        Self::External,
        Self::Unknown,
    ];

    /// Where `route` leads, and in which version.
    #[must_use]
    pub fn of(route: &Route) -> (Self, Option<GroupVersion>) {
        let place = match route {
            Route::Root => Self::Root,
            Route::Health(..) => Self::Health,
            Route::Version => Self::Version,
            Route::OpenApiV2 | Route::OpenApiV3 => Self::OpenApi,
            Route::Groups => Self::Groups,
            Route::Group(_) => Self::Group,
            Route::Resources(version) => return (Self::Resources, Some(*version)),
            Route::Metrics(version, path) => {
                let place = match (&path.objects, &path.metric) {
                    (Objects::All, _) => Self::Values,
                    (Objects::Named(_), Some(_)) => Self::Value,
                    (Objects::Named(_), None) => Self::Object,
                };
                return (place, Some(GroupVersion::Custom(*version)));
            }
            Route::External(_) => return (Self::External, Some(GroupVersion::External)),
            Route::NoSuchResource | Route::Incomplete | Route::Unknown | Route::Malformed => Self::Unknown,
        };
        (place, None)
    }

    /// Whether it is a read of values.
    #[must_use]
    pub fn is_read(self) -> bool {
        matches!(self, Self::Object | Self::Value | Self::Values | Self::External)
    }
}

/// One request from its head to its answer; tells of its end when it is dropped, which is early if the client goes.
pub(super) struct Turn {
    observer: Arc<dyn Observer>,
    since: Instant,
    ended: Ended,
}

impl Turn {
    pub(super) fn begin(observer: &Arc<dyn Observer>, route: &Route) -> Self {
        observer.begun();
        observer.routed(route);
        let (place, version) = Place::of(route);
        let miss = place.is_read().then_some(Miss::Canceled);
        let ended = Ended { place, version, status: None, miss, took: Duration::ZERO };
        Self { observer: Arc::clone(observer), since: Instant::now(), ended }
    }

    pub(super) fn answered(&mut self, status: StatusCode, error: Option<&ApiError>) {
        self.ended.status = Some(status);
        self.ended.miss = error.filter(|_| self.ended.place.is_read()).map(Miss::of);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.took = self.since.elapsed();
        self.observer.ended(&self.ended);
    }
}

impl Miss {
    fn of(error: &ApiError) -> Self {
        match error {
            ApiError::Unauthorized => Self::Unauthorized,
            ApiError::TooManyRequests => Self::TooManyRequests,
            ApiError::Forbidden { .. } => Self::Forbidden,
            ApiError::ReviewFailed { .. } => Self::ReviewFailed,
            ApiError::Timeout => Self::Timeout,
            ApiError::MalformedPath
            | ApiError::UnknownPath
            | ApiError::NoSuchResource
            | ApiError::IncompletePath
            | ApiError::Method
            | ApiError::Watch
            | ApiError::NotAcceptable(_)
            | ApiError::Query(_) => Self::Invalid,
            ApiError::UnknownResource(_) => Self::UnknownResource,
            ApiError::Unavailable(Unavailable::Forbidden { .. }) => Self::ListForbidden,
            ApiError::Unavailable(Unavailable::NotSynced { .. } | Unavailable::Standalone) => Self::NotSynced,
            ApiError::NotFound(not_found) => Self::of_read(not_found),
            ApiError::NoExternalMetric(nothing) => (&nothing.why).into(),
            ApiError::Encode(_) => Self::Internal,
        }
    }

    fn of_read(not_found: &NotFound) -> Self {
        match &not_found.why {
            Why::Unwritten { exists: Some(false), .. } | Why::NoObjects { .. } => Self::NoObject,
            Why::Unwritten { .. } | Why::NoneHasIt { .. } => Self::UnknownMetric,
            Why::Absent(lack) => (&lack.absence).into(),
            Why::NoneUsable { example, .. } => (&example.1.absence).into(),
            Why::NotOwned(lack) => Self::of_pods(&lack.why),
            Why::NeedsNamespace | Why::OtherNamespace(_) | Why::BadName(_) => Self::Invalid,
        }
    }
}

impl Miss {
    fn of_pods(why: &Nothing) -> Self {
        match why {
            Nothing::Unknown(NoMembers::Unavailable(Unavailable::Forbidden { .. })) => Self::ListForbidden,
            Nothing::Unknown(NoMembers::Unavailable(_)) => Self::NotSynced,
            Nothing::Unknown(NoMembers::TooMany { .. } | NoMembers::TooManyKinds { .. }) => Self::Unusable,
            Nothing::Unknown(_) | Nothing::NoPods | Nothing::NoneRuns(_) => Self::NoObject,
            Nothing::Absent(absence) => absence.into(),
        }
    }
}

impl From<&external::Why> for Miss {
    fn from(why: &external::Why) -> Self {
        match why {
            external::Why::Unwritten(unwritten) if unwritten.namespace_exists == Some(false) => {
                Self::NoObject
            }
            external::Why::Unwritten(_) => Self::UnknownMetric,
            external::Why::Absent(absence) | external::Why::OfPods(absence) => absence.into(),
            external::Why::Unselected(_) => (&Absence::NoSeries).into(),
            external::Why::BadName(_) => Self::Invalid,
        }
    }
}

impl From<&Absence> for Miss {
    fn from(absence: &Absence) -> Self {
        match absence.root() {
            Absence::UnknownMetric => Self::UnknownMetric,
            Absence::NoSeries => Self::NoSeries,
            Absence::ObjectGone => Self::ObjectGone,
            Absence::Expired { .. } => Self::Expired,
            Absence::Stale { .. } | Absence::OldSample { .. } | Absence::TimeAhead { .. } => Self::Stale,
            Absence::NotScraped { .. } => Self::NotScraped,
            Absence::Early | Absence::ShortWindow { .. } | Absence::Coverage(_) => Self::Early,
            Absence::NonMonotonic => Self::NonMonotonic,
            Absence::NoObservations => Self::NoObservations,
            Absence::NotANumber => Self::NotANumber,
            Absence::OutOfRange => Self::OutOfRange,
            Absence::Unreadable { .. } => Self::Unreadable,
            Absence::Lacking { .. } => Self::Lacking,
            Absence::NoInfBucket
            | Absence::NoFiniteBucket
            | Absence::LeftOut { .. }
            | Absence::RawCounter { .. }
            | Absence::NoCounter { .. }
            | Absence::CounterStart { .. }
            | Absence::Mismatch { .. }
            | Absence::Unlike { .. }
            | Absence::DerivedUnlike { .. }
            | Absence::NeedsOver
            | Absence::NoRoom { .. }
            | Absence::DerivedOver
            | Absence::Derived(_)
            | Absence::NotOver
            | Absence::NotFolded
            | Absence::LongWindow { .. }
            | Absence::TooManyWindows { .. } => Self::Unusable,
        }
    }
}
