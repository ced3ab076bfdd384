//! What of the list is asked for, as it stands in the URL.

use std::cmp::Reverse;

use crate::hpa::{Listed, Report, State};

/// A filter, an order and a page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    pub(super) namespace: Option<String>,
    pub(super) state: Option<State>,
    pub(super) sort: Sort,
    pub(super) page: usize,
    /// Seconds until the page is loaded again; `None` is never.
    pub(super) refresh: Option<u32>,
}

/// An order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sort {
    /// Those that need somebody first.
    #[default]
    State,
    /// By namespace and name.
    Name,
    /// The largest ratio first.
    Ratio,
    /// The most replicas first.
    Replicas,
    /// The oldest sample first.
    Age,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [Self::State, Self::Name, Self::Ratio, Self::Replicas, Self::Age];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Ratio => "ratio",
            Self::Replicas => "replicas",
            Self::Age => "age",
        }
    }
}

impl Asked {
    pub(super) fn of(query: &str) -> Self {
        let mut asked = Self { refresh: Some(REFRESH), ..Self::default() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "namespace" => {
                    asked.namespace = Some(value.into_owned()).filter(|namespace| !namespace.is_empty());
                }
                "state" => asked.state = State::ALL.into_iter().find(|state| state.name() == value),
                "sort" => {
                    asked.sort = Sort::ALL.into_iter().find(|sort| sort.name() == value).unwrap_or_default();
                }
                "page" => asked.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                "refresh" => asked.refresh = value.parse().ok().filter(|seconds| *seconds > 0),
                _ => {}
            }
        }
        asked
    }

    pub(super) fn pick<'a>(&self, hpas: &'a [Listed]) -> Vec<&'a Listed> {
        let is_asked = |report: &Report| {
            self.namespace.as_ref().is_none_or(|namespace| *namespace == report.namespace)
                && self.state.is_none_or(|state| state == report.state)
        };
        let mut picked: Vec<&Listed> = hpas.iter().filter(|listed| is_asked(&listed.report)).collect();
        self.sort.sort(&mut picked);
        picked
    }

    /// The first and the end of the page's HPAs.
    pub(super) fn page_of(&self, shown: usize) -> (usize, usize) {
        let from = self.page.saturating_mul(PAGE).min(shown);
        (from, from.saturating_add(PAGE).min(shown))
    }

    pub(super) fn with_state(&self, state: Option<State>) -> String {
        Self { state, page: 0, ..self.clone() }.url()
    }

    pub(super) fn with_page(&self, page: usize) -> String {
        Self { page, ..self.clone() }.url()
    }

    fn url(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(namespace) = &self.namespace {
            query.append_pair("namespace", namespace);
        }
        if let Some(state) = self.state {
            query.append_pair("state", state.name());
        }
        if self.sort != Sort::State {
            query.append_pair("sort", self.sort.name());
        }
        if self.page > 0 {
            query.append_pair("page", &(self.page + 1).to_string());
        }
        match self.refresh {
            Some(REFRESH) => {}
            other => drop(query.append_pair("refresh", &other.unwrap_or_default().to_string())),
        }
        format!("/hpas?{}", query.finish())
    }
}

impl Sort {
    /// By namespace and name within the same.
    fn sort(self, hpas: &mut [&Listed]) {
        let highest =
            |report: &Report| report.metrics.iter().filter_map(|metric| metric.ratio).fold(-1.0, f64::max);
        let oldest = |report: &Report| report.metrics.iter().filter_map(|metric| metric.oldest).min();
        hpas.sort_by(|a, b| {
            (&a.report.namespace, &a.report.name).cmp(&(&b.report.namespace, &b.report.name))
        });
        match self {
            Self::State => hpas.sort_by_key(|listed| listed.report.state),
            Self::Name => {}
            Self::Ratio => hpas.sort_by(|a, b| highest(&b.report).total_cmp(&highest(&a.report))),
            Self::Replicas => hpas.sort_by_key(|listed| Reverse(listed.report.replicas.current)),
            Self::Age => {
                hpas.sort_by_key(|listed| (oldest(&listed.report).is_none(), oldest(&listed.report)));
            }
        }
    }
}

/// HPAs of one page.
pub(super) const PAGE: usize = 200;

/// Seconds until the page is loaded again.
const REFRESH: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_it_was_made_of() {
        for url in ["/hpas?", "/hpas?namespace=shop&state=at-max&sort=ratio&page=3&refresh=0"] {
            let (_, query) = url.split_once('?').unwrap();
            assert_eq!(Asked::of(query).url(), url);
        }
        assert_eq!(Asked::of("state=nonsense&sort=x&page=x"), Asked::of(""));
    }

    #[test]
    fn pages_are_bounded_by_what_there_is() {
        let page = |page, shown| Asked { page, ..Asked::default() }.page_of(shown);
        assert_eq!(
            [page(0, 3), page(1, 250), page(9, 250), page(usize::MAX, 0)],
            [(0, 3), (200, 250), (250, 250), (0, 0)]
        );
    }
}
