//! Lists of metrics, as annotations have them.

use std::collections::BTreeMap;

/// Names, and starts of names, of metrics. The empty list has none.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct NameList {
    /// As they were written, for those who are told of one.
    entries: Vec<String>,
    names: BTreeMap<String, usize>,
    prefixes: Vec<(String, usize)>,
}

/// The metrics of a target that are kept. The empty list keeps everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct AllowList {
    list: NameList,
    /// What entries that are names of derived metrics are derived from.
    sources: BTreeMap<String, Vec<(Derived, usize)>>,
}

/// Why a text is no list of metrics.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameListError {
    /// A `*` that does not stand at the end of a name.
    #[error("{0:?} has a `*` before its end")]
    Star(String),
    /// Two words without a comma.
    #[error("{0:?} has a blank inside")]
    Blank(String),
    /// Commas only.
    #[error("it names no metric")]
    Empty,
    /// Too many names.
    #[error("it has more than {MOST_ENTRIES} entries")]
    TooMany,
}

/// What an HPA asks for that is computed from series of other names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Derived {
    /// `x_per_second`.
    Rate,
    /// `x_p99`.
    Quantile,
    /// `x_avg`.
    Average,
}

impl NameList {
    /// Reads a comma list of names, each with a `*` at its end if it is the start of names:
    /// `http_requests_total,queue_*`.
    ///
    /// # Errors
    /// When it names nothing, or an entry is no name.
    pub fn parse(text: &str) -> Result<Self, NameListError> {
        let mut list = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            list.add(entry)?;
        }
        if list.entries.is_empty() { Err(NameListError::Empty) } else { Ok(list) }
    }

    fn add(&mut self, entry: &str) -> Result<(), NameListError> {
        let at = self.entries.len();
        let (name, is_prefix) = entry.strip_suffix('*').map_or((entry, false), |start| (start, true));
        match () {
            () if at >= MOST_ENTRIES => return Err(NameListError::TooMany),
            () if name.contains('*') => return Err(NameListError::Star(name.to_owned())),
            () if name.contains(char::is_whitespace) => return Err(NameListError::Blank(name.to_owned())),
            () if is_prefix => self.prefixes.push((name.to_owned(), at)),
            () => drop(self.names.entry(name.to_owned()).or_insert(at)),
        }
        self.entries.push(entry.to_owned());
        Ok(())
    }

    /// The numbers of the entries that this name meets.
    pub fn find(&self, name: &str) -> impl Iterator<Item = usize> {
        let prefixes = self.prefixes.iter().filter(move |(prefix, _)| name.starts_with(prefix.as_str()));
        self.names.get(name).copied().into_iter().chain(prefixes.map(|(_, at)| *at))
    }

    /// Whether an entry meets this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).next().is_some()
    }

    /// The entries, as they were written.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl AllowList {
    /// Reads a list of names that are exposed, or that an HPA asks for.
    ///
    /// # Errors
    /// As [`NameList::parse`].
    pub fn parse(text: &str) -> Result<Self, NameListError> {
        let list = NameList::parse(text)?;
        let mut sources: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (at, entry) in list.entries.iter().enumerate() {
            if let Some((base, derived)) = derived_from(entry) {
                sources.entry(base.to_owned()).or_default().push((derived, at));
            }
        }
        Ok(Self { list, sources })
    }

    /// The list itself.
    #[must_use]
    pub fn list(&self) -> &NameList {
        &self.list
    }

    /// Whether a series of this name may be kept, whatever the types of the families turn out to be.
    #[must_use]
    pub fn may_keep(&self, name: &str) -> bool {
        self.list.is_empty() || bases(name).any(|base| self.knows(&base))
    }

    fn knows(&self, base: &str) -> bool {
        self.list.contains(base) || self.sources.contains_key(base)
    }

    /// The numbers of the entries by which what is called `name` is kept: its own name, its family's, or that of a
    /// metric that `is_source` says is derived from it.
    pub fn keeping(&self, name: &str, is_source: impl Fn(Derived) -> bool) -> impl Iterator<Item = usize> {
        let sources = self.sources.get(name).into_iter().flatten();
        self.list.find(name).chain(sources.filter(move |(derived, _)| is_source(*derived)).map(|(_, at)| *at))
    }
}

/// The names that a family with a part of this name may have.
fn bases(name: &str) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let stems = SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix));
    let total = name.strip_suffix("_created").map(|base| format!("{base}_total").into());
    std::iter::once(name).chain(stems).map(Into::into).chain(total)
}

/// The name that is exposed, for one that is asked for.
fn derived_from(entry: &str) -> Option<(&str, Derived)> {
    if let Some(base) = entry.strip_suffix("_per_second") {
        return Some((base, Derived::Rate));
    }
    if let Some(base) = entry.strip_suffix("_avg") {
        return Some((base, Derived::Average));
    }
    let (base, percent) = entry.rsplit_once("_p")?;
    let is_number = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let quantile: f64 = percent.parse().ok().filter(|_| is_number)?;
    (quantile <= 100.0).then_some((base, Derived::Quantile))
}

const SUFFIXES: [&str; 7] = ["_total", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_created"];

/// Each is compared with each name of a body.
const MOST_ENTRIES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_keeps_everything_and_names_nothing() {
        assert!(AllowList::default().may_keep("anything"));
        assert!(!NameList::default().contains("anything"));
    }

    #[test]
    fn names_are_whole_and_starred_names_are_starts() {
        let list = NameList::parse("queue_depth, http_*").unwrap();
        for (name, listed) in [
            ("queue_depth", true),
            ("queue_depth_max", false),
            ("http_requests_total", true),
            ("grpc_x", false),
        ] {
            assert_eq!(list.contains(name), listed, "{name}");
        }
        assert!(NameList::parse("*").unwrap().contains("x"));
    }

    #[test]
    fn what_may_be_kept_are_the_names_the_parts_and_the_sources_of_entries() {
        let list = AllowList::parse("h,c_total,x_per_second,y_p99.9,z_avg").unwrap();
        for name in [
            "h",
            "h_bucket",
            "h_count",
            "c_total",
            "c_created",
            "x_total",
            "x",
            "x_count",
            "y_bucket",
            "y",
            "z_sum",
        ] {
            assert!(list.may_keep(name), "{name}");
        }
        for name in ["hh", "h_max", "c", "x_per", "p99", "z_max", "other"] {
            assert!(!list.may_keep(name), "{name}");
        }
    }

    #[test]
    fn an_entry_that_is_no_name_is_refused() {
        assert_eq!(AllowList::parse("a*b"), Err(NameListError::Star("a*b".into())));
        assert_eq!(AllowList::parse("a**"), Err(NameListError::Star("a*".into())));
        assert_eq!(AllowList::parse(" , "), Err(NameListError::Empty));
        assert_eq!(AllowList::parse("a, b c"), Err(NameListError::Blank("b c".into())));
        assert_eq!(AllowList::parse(&"a,".repeat(501)), Err(NameListError::TooMany));
    }
}
