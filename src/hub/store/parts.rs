//! The parts that a twin document is put together from: a scan reads those that somebody looks at.

use crate::query::Reads;

/// A set of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts(u16);

impl Parts {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The ids, which the key holds.
    pub const IDS: Self = Self(1 << 8);
    /// What the registry knows.
    pub const IDENTITY: Self = Self(1);
    /// What the connection is.
    pub const PRESENCE: Self = Self(1 << 1);
    /// Etag and version.
    pub const HEAD: Self = Self(1 << 2);
    /// Tags.
    pub const TAGS: Self = Self(1 << 3);
    /// Desired properties, without `$metadata` and `$version`.
    pub const DESIRED: Self = Self(1 << 4);
    /// `$metadata` and `$version` of the desired properties.
    pub const DESIRED_METADATA: Self = Self(1 << 5);
    /// Reported properties, without `$metadata` and `$version`.
    pub const REPORTED: Self = Self(1 << 6);
    /// `$metadata` and `$version` of the reported properties.
    pub const REPORTED_METADATA: Self = Self(1 << 7);
    /// Both halves of the properties.
    pub const PROPERTIES: Self =
        Self::DESIRED.and(Self::DESIRED_METADATA).and(Self::REPORTED).and(Self::REPORTED_METADATA);
    /// The whole document.
    pub const ALL: Self = Self((1 << 9) - 1);

    /// Those that hold what somebody reads.
    #[must_use]
    pub fn of(reads: &Reads) -> Self {
        match reads {
            Reads::Everything => Self::ALL,
            Reads::Paths(paths) => paths.iter().map(|path| Self::of_path(path)).fold(Self::NONE, Self::and),
        }
    }

    fn of_path(path: &[String]) -> Self {
        let mut keys = path.iter().map(String::as_str);
        match keys.next() {
            Some("deviceId" | "moduleId") => Self::IDS,
            Some("tags") => Self::TAGS,
            Some("etag" | "version") => Self::HEAD,
            Some("connectionState" | "lastActivityTime") => Self::PRESENCE,
            Some("properties") => Self::of_properties(keys),
            _ => Self::IDENTITY,
        }
    }

    fn of_properties<'k>(mut keys: impl Iterator<Item = &'k str>) -> Self {
        let (values, metadata) = match keys.next() {
            Some("desired") => (Self::DESIRED, Self::DESIRED_METADATA),
            Some("reported") => (Self::REPORTED, Self::REPORTED_METADATA),
            Some(_) => return Self::NONE,
            None => return Self::PROPERTIES,
        };
        match keys.next() {
            Some(key) if key.starts_with('$') => metadata,
            Some(_) => values,
            None => values.and(metadata),
        }
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether any of those is among these.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse_condition;

    #[test]
    fn a_path_needs_the_part_that_holds_it() {
        for (path, want) in [
            ("deviceId", Parts::IDS),
            ("tags.a", Parts::TAGS),
            ("etag", Parts::HEAD),
            ("connectionState", Parts::PRESENCE),
            ("status", Parts::IDENTITY),
            ("capabilities.iotEdge", Parts::IDENTITY),
            ("properties.desired.a", Parts::DESIRED),
            ("properties.desired.$version", Parts::DESIRED_METADATA),
            ("properties.reported", Parts::REPORTED.and(Parts::REPORTED_METADATA)),
        ] {
            let condition = parse_condition(&format!("IS_DEFINED({path})")).unwrap();
            assert_eq!(Parts::of(&condition.filter_reads()), want, "{path}");
        }
        assert!(Parts::ALL.has(Parts::REPORTED_METADATA));
        assert_eq!(Parts::of(&Reads::Everything), Parts::ALL);
    }
}
