//! The API groups that are served, and their versions.

/// An API group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Group {
    /// `custom.metrics.k8s.io`: metrics of objects.
    Custom,
    /// `external.metrics.k8s.io`: metrics of no object.
    External,
}

/// The versions of `custom.metrics.k8s.io`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// `v1beta1`
    V1Beta1,
    /// `v1beta2`, which the HPA prefers.
    V1Beta2,
}

/// A version of one of the groups.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GroupVersion {
    /// Of `custom.metrics.k8s.io`.
    Custom(Version),
    /// `external.metrics.k8s.io/v1beta1`, its only one.
    External,
}

impl Group {
    /// Every group, as upstream lists them.
    pub const ALL: [Self; 2] = [Self::Custom, Self::External];

    /// `custom.metrics.k8s.io`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Custom => "custom.metrics.k8s.io",
            Self::External => "external.metrics.k8s.io",
        }
    }

    /// Its versions, the preferred one first.
    #[must_use]
    pub const fn versions(self) -> &'static [GroupVersion] {
        match self {
            Self::Custom => &[GroupVersion::Custom(Version::V1Beta2), GroupVersion::Custom(Version::V1Beta1)],
            Self::External => &[GroupVersion::External],
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == text)
    }
}

impl Version {
    /// `v1beta2`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1Beta2 => "v1beta2",
        }
    }

    /// `custom.metrics.k8s.io/v1beta2`
    #[must_use]
    pub const fn group_version(self) -> &'static str {
        GroupVersion::Custom(self).as_str()
    }
}

impl GroupVersion {
    /// Every version of every group.
    pub fn all() -> impl Iterator<Item = Self> {
        Group::ALL.into_iter().flat_map(|group| group.versions().iter().copied())
    }

    /// `custom.metrics.k8s.io/v1beta2`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Custom(Version::V1Beta1) => "custom.metrics.k8s.io/v1beta1",
            Self::Custom(Version::V1Beta2) => "custom.metrics.k8s.io/v1beta2",
            Self::External => "external.metrics.k8s.io/v1beta1",
        }
    }

    /// `v1beta2`
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Custom(version) => version.as_str(),
            Self::External => "v1beta1",
        }
    }

    /// Its group.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::Custom(_) => Group::Custom,
            Self::External => Group::External,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_version_is_its_group_and_its_version() {
        for group_version in GroupVersion::all() {
            let (group, version) = (group_version.group(), group_version.version());
            assert_eq!(group_version.as_str(), format!("{}/{version}", group.as_str()));
            assert!(group.versions().contains(&group_version));
        }
    }
}
