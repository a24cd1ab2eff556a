//! The parts that a twin document is put together from: a scan reads those that somebody looks at.

use crate::query::Reads;

/// What somebody looks at in a twin document: some parts, and of tags and properties some members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    pub(super) parts: Parts,
    /// Names right below `tags`, `desired` and `reported`; all without it.
    pub(super) members: Option<Vec<String>>,
}

impl Portion {
    /// The document as it is.
    pub const WHOLE: Self = Self { parts: Parts::ALL, members: None };

    /// What holds that which is read.
    #[must_use]
    pub fn of(reads: &Reads) -> Self {
        let Reads::Paths(paths) = reads else { return Self::WHOLE };
        Self {
            parts: paths.iter().map(|path| Parts::of_path(path)).fold(Parts::NONE, Parts::and),
            members: paths.iter().filter_map(|path| member_of(path)).collect(),
        }
    }
}

/// The member that a path names: none when it leads elsewhere, an inner none when it means all of them.
#[expect(clippy::option_option, reason = "collecting turns one inner none into all members")]
fn member_of(path: &[String]) -> Option<Option<String>> {
    let member = match path.first().map(String::as_str) {
        Some("tags") => path.get(1),
        Some("properties") => path.get(2),
        _ => return None,
    };
    Some(member.cloned())
}

/// A set of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts(u16);

impl Parts {
    /// Nothing.
    pub(super) const NONE: Self = Self(0);
    /// The ids, which the key holds.
    pub(super) const IDS: Self = Self(1 << 8);
    /// What the registry knows.
    pub(super) const IDENTITY: Self = Self(1);
    /// What the connection is.
    pub(super) const PRESENCE: Self = Self(1 << 1);
    /// Etag and version.
    pub(super) const HEAD: Self = Self(1 << 2);
    /// Tags.
    pub(super) const TAGS: Self = Self(1 << 3);
    /// Desired properties, without `$metadata` and `$version`.
    pub(super) const DESIRED: Self = Self(1 << 4);
    /// `$metadata` and `$version` of the desired properties.
    pub(super) const DESIRED_METADATA: Self = Self(1 << 5);
    /// Reported properties, without `$metadata` and `$version`.
    pub(super) const REPORTED: Self = Self(1 << 6);
    /// `$metadata` and `$version` of the reported properties.
    pub(super) const REPORTED_METADATA: Self = Self(1 << 7);
    /// Both halves of the properties.
    pub(super) const PROPERTIES: Self =
        Self::DESIRED.and(Self::DESIRED_METADATA).and(Self::REPORTED).and(Self::REPORTED_METADATA);
    /// The whole document.
    pub(super) const ALL: Self = Self((1 << 9) - 1);

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
    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether any of those is among these.
    pub(super) const fn has(self, others: Self) -> bool {
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
            assert_eq!(Portion::of(&condition.filter_reads()).parts, want, "{path}");
        }
        assert!(Parts::ALL.has(Parts::REPORTED_METADATA));
        assert_eq!(Portion::of(&Reads::Everything), Portion::WHOLE);
    }

    #[test]
    fn members_are_named_unless_somebody_looks_at_all_of_them() {
        let members = |text: &str| Portion::of(&parse_condition(text).unwrap().filter_reads()).members;
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(members("tags.a = 1 AND properties.reported.b.c > 2"), names(&["a", "b"]));
        assert_eq!(members("status = 'enabled'"), names(&[]));
        assert_eq!(members("tags.a = 1 AND IS_DEFINED(tags)"), None);
        assert_eq!(members("IS_OBJECT(properties.desired)"), None);
    }
}
