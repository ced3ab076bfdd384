//! What a client wants to get: `Accept`, `pretty`, gzip.
//!
//! Upstream asks twice: its router wants the bare media type among those of the route (else 406 with the list of
//! representations), then the serializer looks at the parameters (else 406 with the list of media types). Both
//! answers are kept, because clients and people know them.

use http::{HeaderMap, header, request::Parts};

use super::{encode::Format, status::Details};

/// Everything of a request that shapes the form of its answer.
pub(super) struct Asked {
    accept: Vec<Clause>,
    /// Indented JSON.
    pub(super) pretty: bool,
    /// Whether a large body may be compressed.
    pub(super) gzip: bool,
    /// The client's copy of the document, if it has one.
    pub(super) if_none_match: Option<String>,
}

/// One media range of an `Accept` header.
#[derive(Clone, PartialEq, Debug)]
struct Clause {
    range: String,
    parameters: Vec<(String, String)>,
    quality: f32,
}

/// Why no format fits, with what would have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotAcceptable {
    /// No media type of `Accept` is served here.
    #[error("406: Not Acceptable\n\nAvailable representations: {}", .0.representations())]
    MediaType(Offer),
    /// The document exists as JSON only.
    #[error("406: Not Acceptable\n\nAvailable representations: application/json")]
    Json,
    /// The media type is, but not with these parameters, such as `as=Table`.
    #[error("only the following media types are accepted: {}", Offer::Documents.representations())]
    Parameters,
}

/// What a route serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offer {
    /// Metric values; upstream lists the watch types too.
    Values,
    /// Discovery documents.
    Documents,
}

/// What the client makes of `GET /apis`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GroupsForm {
    /// `APIGroupList`
    Plain(Format),
    /// `APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`
    Aggregated(Format),
}

impl NotAcceptable {
    /// What upstream puts into `details`: its router an empty object, its serializer none.
    pub(super) fn details(self) -> Option<Details> {
        match self {
            Self::MediaType(_) | Self::Json => Some(Details::default()),
            Self::Parameters => None,
        }
    }
}

impl Asked {
    /// Reads it from a request.
    pub(super) fn of(head: &Parts) -> Self {
        Self {
            accept: clauses(&head.headers),
            pretty: pretty(head),
            gzip: accepts_gzip(&head.headers),
            if_none_match: text(&head.headers, header::IF_NONE_MATCH).map(str::to_owned),
        }
    }

    /// The format of a document of a route that serves `offer`.
    pub(super) fn format(&self, offer: Offer) -> Result<Format, NotAcceptable> {
        self.check(offer)?;
        self.best(|clause, format| clause.is_plain().then_some(format)).ok_or(NotAcceptable::Parameters)
    }

    /// The form of the group list.
    pub(super) fn groups_form(&self) -> Result<GroupsForm, NotAcceptable> {
        self.check(Offer::Documents)?;
        self.best(Clause::groups_form).ok_or(NotAcceptable::Parameters)
    }

    /// The format of an error, if anything that was asked for can be had.
    pub(super) fn error_format(&self) -> Option<Format> {
        self.best(|clause, format| clause.is_plain().then_some(format))
    }

    /// The first of `media_types` that is asked for by name.
    pub(super) fn exactly(&self, media_types: &[&'static str]) -> Option<&'static str> {
        let named =
            |clause: &Clause| media_types.iter().copied().find(|media_type| *media_type == clause.range);
        self.accept.iter().find_map(named)
    }

    /// Whether JSON will do.
    pub(super) fn takes_json(&self) -> bool {
        self.accept.iter().any(|clause| clause.includes(Format::Json))
    }

    /// Whether any media type of the route is asked for at all.
    pub(super) fn check(&self, offer: Offer) -> Result<(), NotAcceptable> {
        let served = |clause: &Clause| clause.range == "*/*" || offer.types().any(|t| t == clause.range);
        if self.accept.iter().any(served) { Ok(()) } else { Err(NotAcceptable::MediaType(offer)) }
    }

    fn best<T>(&self, fit: impl Fn(&Clause, Format) -> Option<T>) -> Option<T> {
        let pairs = self.accept.iter().flat_map(|clause| Format::ALL.map(|format| (clause, format)));
        pairs
            .filter(|(clause, format)| clause.includes(*format))
            .find_map(|(clause, format)| fit(clause, format))
    }

    /// Whether the client's copy is the document with this entity tag.
    pub(super) fn has(&self, etag: &str) -> bool {
        self.if_none_match.as_deref().is_some_and(|tags| {
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == etag || tag == "*")
        })
    }
}

impl Clause {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut parameters = Vec::new();
        let mut quality = 1.0;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match (name.trim(), value.trim()) {
                ("q", q) => quality = q.parse().unwrap_or(1.0),
                (name, value) => parameters.push((name.to_owned(), value.to_owned())),
            }
        }
        Self { range, parameters, quality }
    }

    fn includes(&self, format: Format) -> bool {
        matches!(&*self.range, "*/*" | "application/*") || self.range == format.media_type()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// Whether the object is wanted as it is, not transformed into another kind.
    fn is_plain(&self) -> bool {
        ["as", "g", "v"].iter().all(|name| self.parameter(name).is_none())
    }

    fn groups_form(&self, format: Format) -> Option<GroupsForm> {
        if self.is_plain() {
            return Some(GroupsForm::Plain(format));
        }
        let wanted = [("g", "apidiscovery.k8s.io"), ("v", "v2"), ("as", "APIGroupDiscoveryList")];
        wanted
            .iter()
            .all(|(name, value)| self.parameter(name) == Some(*value))
            .then_some(GroupsForm::Aggregated(format))
    }
}

impl Offer {
    fn types(self) -> impl Iterator<Item = &'static str> {
        Format::ALL.into_iter().map(Format::media_type)
    }

    fn representations(self) -> &'static str {
        match self {
            Self::Values => concat!(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf, ",
                "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
            ),
            Self::Documents => "application/json, application/yaml, application/vnd.kubernetes.protobuf",
        }
    }
}

/// The media ranges of every `Accept` header, best first; of equal ones the first listed.
fn clauses(headers: &HeaderMap) -> Vec<Clause> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut clauses: Vec<Clause> = values
        .flat_map(|value| value.split(','))
        .filter(|text| !text.trim().is_empty())
        .map(Clause::parse)
        .collect();
    if clauses.is_empty() {
        clauses.push(Clause::parse("*/*"));
    }
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

/// The rule of kube-apiserver: the `pretty` parameter if there is one, else whether a person seems to look.
fn pretty(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    let parameter = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "pretty");
    match parameter {
        Some((_, value)) if !value.is_empty() => {
            matches!(&*value, "1" | "t" | "T" | "TRUE" | "true" | "True")
        }
        _ => {
            let agent = text(&head.headers, header::USER_AGENT).unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|known| agent.starts_with(known))
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(Clause::parse)
        .any(|it| it.range == "gzip" && it.quality > 0.0)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(headers: &[(&str, &str)], uri: &str) -> Asked {
        let request =
            headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
        Asked::of(&request.body(()).unwrap().into_parts().0)
    }

    fn format(accept: &str) -> Result<Format, NotAcceptable> {
        asked(&[("accept", accept)], "/").format(Offer::Values)
    }

    #[test]
    fn the_best_media_type_that_is_served_wins() {
        for (accept, wanted) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/html,*/*;q=0.8", Format::Json),
            ("application/vnd.kubernetes.protobuf, */*", Format::Protobuf),
            ("application/json,application/vnd.kubernetes.protobuf", Format::Json),
            ("application/json;q=0.5,application/yaml", Format::Yaml),
            ("application/json;stream=watch", Format::Json),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Format::Json),
        ] {
            assert_eq!(format(accept), Ok(wanted), "{accept}");
        }
    }

    #[test]
    fn what_is_not_served_is_not_acceptable() {
        for accept in ["text/html", "application/*", "application/cbor", "nonsense"] {
            assert_eq!(format(accept), Err(NotAcceptable::MediaType(Offer::Values)), "{accept}");
        }
        assert_eq!(format("application/json;as=Table;v=v1;g=meta.k8s.io"), Err(NotAcceptable::Parameters));
    }

    #[test]
    fn aggregated_discovery_is_v2_only() {
        let form = |accept: &str| asked(&[("accept", accept)], "/apis").groups_form();
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let v2beta1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        assert_eq!(form(v2), Ok(GroupsForm::Aggregated(Format::Json)));
        assert_eq!(form(&format!("{v2};profile=nopeer,{v2beta1}")), Ok(GroupsForm::Aggregated(Format::Json)));
        assert_eq!(form(&format!("{v2beta1},application/json")), Ok(GroupsForm::Plain(Format::Json)));
        assert_eq!(form(v2beta1), Err(NotAcceptable::Parameters));
        assert_eq!(form("*/*"), Ok(GroupsForm::Plain(Format::Json)));
    }

    #[test]
    fn json_is_pretty_for_people_and_on_request() {
        let curl = [("user-agent", "curl/8.0")];
        assert!(asked(&curl, "/").pretty);
        assert!(!asked(&curl, "/?pretty=false").pretty);
        assert!(asked(&curl, "/?pretty=").pretty);
        assert!(asked(&[], "/?pretty=true").pretty);
        assert!(!asked(&[("user-agent", "kubectl/v1.37.2")], "/").pretty);
    }

    #[test]
    fn gzip_is_used_when_asked_for_and_not_refused() {
        assert!(asked(&[("accept-encoding", "deflate, gzip")], "/").gzip);
        assert!(!asked(&[("accept-encoding", "gzip;q=0")], "/").gzip);
        assert!(!asked(&[], "/").gzip);
    }

    #[test]
    fn a_copy_is_current_when_its_tag_is_among_those_sent() {
        let asked = asked(&[("if-none-match", "\"a\", W/\"b\"")], "/");
        assert!(asked.has("\"a\"") && asked.has("\"b\""));
        assert!(!asked.has("\"c\""));
    }
}
