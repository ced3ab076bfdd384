//! What is looked for, as it stands in the URL.

use crate::{
    admin::number,
    model::{GroupResource, MetricName},
    store::{MetricOverview, Search, Wanted},
};

/// A view, a search and a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) tab: Tab,
    pub(super) text: String,
    pub(super) object: String,
    pub(super) metric: String,
    /// `pods`, `deployments.apps`; `external` is external metrics.
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) sort: Sort,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// A view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tab {
    Metrics,
    Objects,
    Raw,
}

/// An order of the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sort {
    /// By namespace, resource and name.
    #[default]
    Name,
    /// Those with most objects first.
    Objects,
    /// Those that lack most values first.
    Missing,
    /// The greatest value first.
    Value,
    /// The oldest value first.
    Age,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [Self::Name, Self::Objects, Self::Missing, Self::Value, Self::Age];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Objects => "objects",
            Self::Missing => "missing",
            Self::Value => "value",
            Self::Age => "age",
        }
    }

    /// Puts `metrics`, which are in the order of their names, into this one.
    pub(super) fn sort(self, metrics: &mut [MetricOverview]) {
        let greatest =
            |metric: &MetricOverview| metric.range.map_or(f64::NEG_INFINITY, |(.., greatest)| greatest);
        match self {
            Self::Name => {}
            Self::Objects => metrics.sort_by_key(|metric| std::cmp::Reverse(metric.objects)),
            Self::Missing => {
                metrics.sort_by_key(|metric| std::cmp::Reverse(metric.lacking()));
            }
            Self::Value => metrics.sort_by(|a, b| greatest(b).total_cmp(&greatest(a))),
            Self::Age => metrics.sort_by_key(|metric| (metric.oldest.is_none(), metric.oldest)),
        }
    }
}

impl Asked {
    pub(super) fn of(query: &str, as_json: bool) -> Self {
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let (object, metric) = (value("object"), value("metric"));
        let tab = match &*value("tab") {
            "metrics" => Tab::Metrics,
            "objects" => Tab::Objects,
            "raw" => Tab::Raw,
            // Programs read the series.
            _ if as_json || !object.is_empty() || !metric.is_empty() => Tab::Raw,
            _ => Tab::Metrics,
        };
        Self {
            tab,
            text: value("q"),
            object,
            metric,
            resource: value("resource"),
            namespace: value("namespace"),
            sort: Sort::ALL.into_iter().find(|sort| sort.name() == value("sort")).unwrap_or_default(),
            offset: number(query, "offset").unwrap_or_default(),
            limit: number(query, "limit").unwrap_or(SHOWN).clamp(1, MOST),
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        let resource = match &*self.resource {
            "" => None,
            EXTERNAL => Some(None),
            name => Some(Some(group_resource(name))),
        };
        let exact = self.tab == Tab::Objects;
        // In a search, no namespace is any.
        let namespace = (exact || !self.namespace.is_empty()).then(|| self.namespace.clone());
        Wanted {
            words: self.words(),
            resource,
            metric: MetricName::new(&self.metric).ok().filter(|_| exact),
            namespace,
        }
    }

    pub(super) fn search(&self) -> Search {
        Search {
            object: self.object.clone(),
            metric: self.metric.clone(),
            words: self.words(),
            offset: self.offset,
            limit: self.limit,
        }
    }

    fn words(&self) -> Vec<String> {
        self.text.split_whitespace().map(str::to_owned).collect()
    }

    /// The part of `rows` that is asked for.
    pub(super) fn part<'t, T>(&self, rows: &'t [T]) -> &'t [T] {
        let rest = rows.get(self.offset..).unwrap_or_default();
        rest.get(..self.limit).unwrap_or(rest)
    }

    pub(super) fn with_tab(&self, tab: Tab) -> String {
        let empty = String::new;
        Self {
            tab,
            offset: 0,
            object: empty(),
            metric: empty(),
            resource: empty(),
            namespace: empty(),
            ..self.clone()
        }
        .url()
    }

    pub(super) fn with_offset(&self, offset: usize) -> String {
        Self { offset, ..self.clone() }.url()
    }

    /// The objects that have one metric.
    pub(super) fn objects(resource: &str, namespace: &str, metric: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("tab", "objects").append_pair("resource", resource);
        query.append_pair("namespace", namespace).append_pair("metric", metric);
        format!("/series?{}", query.finish())
    }

    fn url(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let tab = match self.tab {
            Tab::Metrics => "",
            Tab::Objects => "objects",
            Tab::Raw => "raw",
        };
        let offset = if self.offset == 0 { String::new() } else { self.offset.to_string() };
        let sort = if self.sort == Sort::Name { "" } else { self.sort.name() };
        let limit = if self.limit == SHOWN { String::new() } else { self.limit.to_string() };
        for (name, value) in [
            ("tab", tab),
            ("q", &self.text),
            ("object", &self.object),
            ("metric", &self.metric),
            ("resource", &self.resource),
            ("namespace", &self.namespace),
            ("sort", sort),
            ("offset", &offset),
            ("limit", &limit),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("/series?{}", query.finish())
    }
}

fn group_resource(name: &str) -> GroupResource {
    let (resource, group) = name.split_once('.').unwrap_or((name, ""));
    GroupResource::new(group, resource)
}

/// How external metrics are called where a resource could stand.
pub(super) const EXTERNAL: &str = "external";

/// Rows of a page.
const SHOWN: usize = 200;

/// Rows that a program may ask for.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_it_was_made_of() {
        for url in [
            "/series?",
            "/series?tab=raw&q=web+method%3DGET&offset=200",
            "/series?tab=raw&metric=m&limit=5",
            "/series?namespace=shop&sort=age",
        ] {
            let (_, query) = url.split_once('?').unwrap();
            assert_eq!(Asked::of(query, false).url(), url);
        }
        let objects = Asked::objects("deployments.apps", "shop", "queue_depth");
        let asked = Asked::of(objects.split_once('?').unwrap().1, false);
        assert_eq!(asked.tab, Tab::Objects);
        assert_eq!(asked.wanted().resource, Some(Some(GroupResource::new("apps", "deployments"))));
        assert_eq!(
            (asked.wanted().namespace.as_deref(), asked.wanted().metric.unwrap().as_str()),
            (Some("shop"), "queue_depth")
        );
    }

    #[test]
    fn a_program_and_a_search_by_object_get_series_and_anybody_else_metrics() {
        let tab = |query: &str, as_json| Asked::of(query, as_json).tab;
        assert_eq!(
            [tab("", false), tab("", true), tab("object=web", false)],
            [Tab::Metrics, Tab::Raw, Tab::Raw]
        );
        assert_eq!(tab("tab=metrics", true), Tab::Metrics);
    }
}
