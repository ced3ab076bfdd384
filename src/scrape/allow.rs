//! Which metrics of a target are kept.

/// Names, and starts of names. The empty list allows everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct AllowList {
    names: Vec<String>,
    prefixes: Vec<String>,
}

/// Why a text is no allow-list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AllowListError {
    /// A `*` that does not stand at the end of a name.
    #[error("{0:?} has a `*` before its end")]
    Star(String),
    /// Commas only.
    #[error("it names no metric")]
    Empty,
}

impl AllowList {
    /// Reads a comma list of names, each with a `*` at its end if it is the start of names:
    /// `http_requests_total,queue_*`.
    ///
    /// # Errors
    /// When it names nothing, or has a `*` anywhere else.
    pub fn parse(text: &str) -> Result<Self, AllowListError> {
        let mut list = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.strip_suffix('*') {
                Some(prefix) => list.prefixes.push(prefix.to_owned()),
                None => list.names.push(name.to_owned()),
            }
        }
        let starred = list.names.iter().chain(&list.prefixes).find(|name| name.contains('*'));
        match starred {
            Some(name) => Err(AllowListError::Star(name.clone())),
            None if list == Self::default() => Err(AllowListError::Empty),
            None => Ok(list),
        }
    }

    /// Whether the metric of this name is kept.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
            || self.names.iter().any(|allowed| allowed == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_everything() {
        assert!(AllowList::default().allows("anything"));
    }

    #[test]
    fn names_are_whole_and_starred_names_are_starts() {
        let list = AllowList::parse("queue_depth, http_*").unwrap();
        for (name, allowed) in [
            ("queue_depth", true),
            ("queue_depth_max", false),
            ("http_requests_total", true),
            ("grpc_x", false),
        ] {
            assert_eq!(list.allows(name), allowed, "{name}");
        }
        assert!(AllowList::parse("*").unwrap().allows("x"));
    }

    #[test]
    fn a_star_inside_a_name_and_an_empty_list_are_refused() {
        assert_eq!(AllowList::parse("a*b"), Err(AllowListError::Star("a*b".into())));
        assert_eq!(AllowList::parse("a**"), Err(AllowListError::Star("a*".into())));
        assert_eq!(AllowList::parse(" , "), Err(AllowListError::Empty));
    }
}
