//! When keys and certificates are replaced. A pair of a new CA is shown only once every APIService has had that CA for a
//! while, and copies of `ca.crt` have had a month to be made again; a former CA stays until no pair of it is shown.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::material::Material;
use crate::serve::{LeafFacts, ServiceNames};

/// A change of what the Secret holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Another pair of the same CA.
    Pair,
    /// Another CA, for clients to know before it issues anything.
    NextAuthority,
    /// The next CA becomes the one that issues, and issues the pair.
    Promote,
    /// No client needs to trust the former CA any longer.
    Retire,
}

/// What somebody asks for by the Secret's annotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rotation {
    Pair,
    Authority,
}

impl Rotation {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "pair" => Some(Self::Pair),
            "ca" => Some(Self::Authority),
            _ => None,
        }
    }
}

/// What a step depends on besides the material.
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    pub(super) names: &'a ServiceNames,
    pub(super) asked: Option<Rotation>,
    /// For how long the CAs of the material have been in every APIService; zero if they are not.
    pub(super) published: Duration,
}

/// The next step, if one is due.
pub(super) fn due(material: &Material, moment: &Moment<'_>) -> Option<Step> {
    authority_step(material, moment).or_else(|| pair_step(material, moment))
}

fn authority_step(material: &Material, moment: &Moment<'_>) -> Option<Step> {
    let is_asked = moment.asked == Some(Rotation::Authority);
    let Some(next) = &material.next else {
        let is_due = is_asked || is_old(&material.authority.certificate, moment.now);
        return is_due.then_some(Step::NextAuthority);
    };
    if !is_valid(&next.certificate, moment.now) {
        return Some(Step::NextAuthority);
    }
    // Nobody accepts a pair of a CA outside of its time: there is nothing to wait for.
    if !is_valid(&material.authority.certificate, moment.now) {
        return Some(Step::Promote);
    }
    let is_known = is_asked || age(&next.certificate, moment.now) >= NOTICE;
    (is_known && moment.published >= SPREAD).then_some(Step::Promote)
}

/// Also while a CA waits to be promoted, which may take longer than the pair lasts.
fn pair_step(material: &Material, moment: &Moment<'_>) -> Option<Step> {
    let is_asked = moment.asked == Some(Rotation::Pair);
    if is_asked || !material.pair_fits(moment.names) || is_old(&material.pair.chain, moment.now) {
        return Some(Step::Pair);
    }
    (material.former.is_some() && moment.published >= FAREWELL).then_some(Step::Retire)
}

/// Whether two thirds of its time are over, or it has not begun.
fn is_old(pem: &str, now: Timestamp) -> bool {
    LeafFacts::of(pem).map_or(true, |facts| {
        let whole = facts.not_after.duration_since(facts.not_before);
        facts.not_before > now || facts.not_after.duration_since(now) < whole / 3
    })
}

fn is_valid(pem: &str, now: Timestamp) -> bool {
    LeafFacts::of(pem).is_ok_and(|facts| (facts.not_before..=facts.not_after).contains(&now))
}

/// How long ago a certificate was made.
fn age(pem: &str, now: Timestamp) -> SignedDuration {
    LeafFacts::of(pem).map_or(SignedDuration::MAX, |facts| now.duration_since(facts.not_before))
}

/// Two years: replaced after 16 months.
pub(super) const AUTHORITY_VALIDITY: Duration = Duration::from_secs(730 * DAY);

/// Ninety days: replaced after sixty.
pub(super) const PAIR_VALIDITY: Duration = Duration::from_secs(90 * DAY);

/// For those who copy `ca.crt` to verify the adapter themselves. Who asks for another CA does not wait for them.
const NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Every kube-apiserver has a changed APIService by then: it follows them by a watch.
pub(super) const SPREAD: Duration = Duration::from_secs(30);

/// Every replica shows the new pair by then, or has lost kube-apiserver and its readers with it.
pub(super) const FAREWELL: Duration = Duration::from_secs(600);

const DAY: u64 = 24 * 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ServiceNames {
        ServiceNames { service: "metrics".to_owned(), namespace: "monitoring".to_owned() }
    }

    fn day(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
    }

    fn material() -> Material {
        Material::generate(&names(), day(0)).unwrap()
    }

    fn due_at(
        material: &Material,
        now: Timestamp,
        asked: Option<Rotation>,
        published: Duration,
    ) -> Option<Step> {
        due(material, &Moment { now, names: &names(), asked, published })
    }

    #[test]
    fn a_pair_is_replaced_after_two_thirds_of_its_time_and_when_it_lacks_a_name() {
        let material = material();
        assert_eq!(due_at(&material, day(59), None, FAREWELL), None);
        assert_eq!(due_at(&material, day(61), None, FAREWELL), Some(Step::Pair));
        let other = ServiceNames { service: "renamed".to_owned(), ..names() };
        let moment = Moment { now: day(0), names: &other, asked: None, published: FAREWELL };
        assert_eq!(due(&material, &moment), Some(Step::Pair));
        let renewed = material.after(Step::Pair, &names(), day(61)).unwrap();
        assert!(renewed.authority == material.authority && renewed.pair != material.pair);
        assert_eq!(due_at(&renewed, day(61), None, FAREWELL), None);
    }

    #[test]
    fn a_new_authority_is_known_before_it_issues_and_the_former_one_is_trusted_for_a_while() {
        let first = material();
        assert_eq!(due_at(&first, day(488), None, FAREWELL), Some(Step::NextAuthority));
        let first = first.after(Step::Pair, &names(), day(488)).unwrap();
        let announced = first.after(Step::NextAuthority, &names(), day(488)).unwrap();
        assert!(announced.pair == first.pair && announced.bundle().starts_with(&first.bundle()));
        assert_eq!(due_at(&announced, day(517), None, FAREWELL), None, "copies of it are still made");
        assert_eq!(due_at(&announced, day(518), None, SPREAD - Duration::from_secs(1)), None, "too early");
        assert_eq!(due_at(&announced, day(518), None, SPREAD), Some(Step::Promote));
        let promoted = announced.after(Step::Promote, &names(), day(518)).unwrap();
        assert!(promoted.pair_fits(&names()) && promoted.pair != first.pair);
        assert!(promoted.bundle().ends_with(&first.authority.certificate), "the pair of before is accepted");
        assert_eq!(due_at(&promoted, day(518), None, SPREAD), None, "too early");
        assert_eq!(due_at(&promoted, day(518), None, FAREWELL), Some(Step::Retire));
        let retired = promoted.after(Step::Retire, &names(), day(518)).unwrap();
        assert_eq!(retired.bundle(), retired.authority.certificate);
        assert_eq!(due_at(&retired, day(518), None, FAREWELL), None);
    }

    #[test]
    fn a_pair_is_replaced_although_a_new_authority_waits_for_its_month_or_for_the_right_to_publish_it() {
        let announced = material().after(Step::NextAuthority, &names(), day(488)).unwrap();
        let renewed = announced.after(Step::Pair, &names(), day(488)).unwrap();
        assert_eq!(due_at(&renewed, day(488), None, Duration::ZERO), None);
        assert_eq!(due_at(&renewed, day(488), Rotation::parse("pair"), Duration::ZERO), Some(Step::Pair));
        assert_eq!(
            due_at(&renewed, day(549), None, Duration::ZERO),
            Some(Step::Pair),
            "it cannot be promoted"
        );
        let again = renewed.after(Step::Pair, &names(), day(549)).unwrap();
        assert!(
            again.authority == renewed.authority && again.next == renewed.next && again.pair != renewed.pair
        );
    }

    #[test]
    fn nobody_waits_for_a_client_of_an_authority_outside_of_its_time() {
        let (expired, ahead) = (day(800), day(-2));
        for now in [expired, ahead] {
            let old = material();
            assert_eq!(due_at(&old, now, None, Duration::ZERO), Some(Step::NextAuthority));
            let announced = old.after(Step::NextAuthority, &names(), now).unwrap();
            assert_eq!(due_at(&announced, now, None, Duration::ZERO), Some(Step::Promote));
            let promoted = announced.after(Step::Promote, &names(), now).unwrap();
            assert_eq!(due_at(&promoted, now, None, Duration::ZERO), None);
        }
        let waiting = material().after(Step::NextAuthority, &names(), day(0)).unwrap();
        assert_eq!(due_at(&waiting, expired, None, SPREAD), Some(Step::NextAuthority), "it has expired too");
    }

    #[test]
    fn a_pair_from_a_clock_that_is_ahead_is_replaced() {
        let ahead = material().after(Step::Pair, &names(), day(30)).unwrap();
        assert_eq!(due_at(&ahead, day(1), None, FAREWELL), Some(Step::Pair));
    }

    #[test]
    fn what_is_asked_for_is_done_and_no_second_authority_is_begun_meanwhile() {
        let first = material();
        assert_eq!(due_at(&first, day(0), Rotation::parse("pair"), Duration::ZERO), Some(Step::Pair));
        let asked = Rotation::parse("ca");
        assert_eq!(due_at(&first, day(0), asked, Duration::ZERO), Some(Step::NextAuthority));
        let announced = first.after(Step::NextAuthority, &names(), day(0)).unwrap();
        assert_eq!(due_at(&announced, day(0), asked, Duration::ZERO), None, "no kube-apiserver knows it yet");
        assert_eq!(
            due_at(&announced, day(0), asked, SPREAD),
            Some(Step::Promote),
            "nobody else is waited for"
        );
        assert_eq!(Rotation::parse("everything"), None);
    }

    #[test]
    fn what_was_stored_is_read_again_and_what_is_wrong_in_it_is_named() {
        let announced = material().after(Step::NextAuthority, &names(), day(0)).unwrap();
        let promoted = announced.after(Step::Promote, &names(), day(0)).unwrap();
        for material in [material(), announced, promoted] {
            assert!(Material::parse(&material.data()).unwrap() == Some(material));
        }
        assert!(Material::parse(&[].into()).unwrap().is_none(), "to be filled");
        let mut data = material().data();
        data.remove("ca.key");
        assert_eq!(said(&data), "it has ca.crt and no ca.key");
        let mut data = material().data();
        data.insert("tls.key".to_owned(), material().data()["tls.key"].clone());
        assert!(
            said(&data).starts_with("tls.crt and tls.key: key and certificate do not fit"),
            "{}",
            said(&data)
        );
        let mut data = material().data();
        data.insert("ca.key".to_owned(), k8s_openapi::ByteString(b"garbage".to_vec()));
        assert_eq!(said(&data), "ca.crt and its key make no certificate authority");
        data.insert("ca.key".to_owned(), material().data()["ca.key"].clone());
        assert_eq!(said(&data), "ca.crt and its key make no certificate authority", "another one's key");
        let emptied = material().data().into_keys().map(|key| (key, k8s_openapi::ByteString::default()));
        assert!(Material::parse(&emptied.collect()).unwrap().is_none(), "to be filled");
    }

    fn said(data: &std::collections::BTreeMap<String, k8s_openapi::ByteString>) -> String {
        Material::parse(data).err().expect("refused").to_string()
    }
}
