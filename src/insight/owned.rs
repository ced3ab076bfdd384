//! Why an object has no value from its pods, for the checklist.

use crate::{
    cluster::{NoMembers, Unavailable},
    hpa::{Lack, LackKind},
    owned::Nothing,
    store::Absence,
};

/// What is lacking; `None` where nothing is to be said of pods.
pub(super) fn lack(why: &Nothing) -> Option<Lack> {
    let kind = match why {
        Nothing::Unknown(
            NoMembers::Unavailable(Unavailable::Standalone) | NoMembers::NoObject(_) | NoMembers::IsPod,
        )
        | Nothing::Absent(Absence::UnknownMetric) => return None,
        Nothing::Unknown(NoMembers::Unavailable(Unavailable::Forbidden { .. })) => LackKind::Denied,
        Nothing::Unknown(NoMembers::Unavailable(Unavailable::NotSynced { .. })) => LackKind::Unseen,
        Nothing::Unknown(NoMembers::TooMany { .. } | NoMembers::TooManyKinds { .. }) => LackKind::Unusable,
        Nothing::Unknown(_) | Nothing::NoPods | Nothing::NoneRuns(_) => LackKind::NoPods,
        Nothing::Absent(absence) => of_absence(absence),
    };
    let text = match why {
        Nothing::NoPods => {
            "nothing is written for it, and it has no pods to compute it from: from zero on, a number is needed that is there \
             without them"
                .to_owned()
        }
        Nothing::NoneRuns(_) => format!("nothing is written for it, and {why}"),
        Nothing::Absent(absence) => format!("computed from its pods: {absence}"),
        Nothing::Unknown(why) => why.to_string(),
    };
    Some(Lack { kind, text })
}

/// The cause of the pod that is named, where it says more than that pods are missing.
fn of_absence(absence: &Absence) -> LackKind {
    let has_some = matches!(absence, Absence::Coverage(coverage) if coverage.having > 0);
    match absence.root() {
        Absence::Stale { .. } | Absence::NotScraped { error: Some(_) } => LackKind::TargetDown,
        Absence::NotScraped { error: None } | Absence::Early | Absence::ShortWindow { .. } => {
            LackKind::TooEarly
        }
        // Nobody but young pods.
        Absence::Coverage(_) => LackKind::TooEarly,
        Absence::NoSeries => LackKind::NoSeries,
        Absence::Expired { .. } => LackKind::Expired,
        Absence::UnknownMetric if !has_some => LackKind::NoMetric,
        _ if has_some => LackKind::Coverage,
        _ => LackKind::Unusable,
    }
}
