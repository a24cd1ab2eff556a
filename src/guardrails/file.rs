//! The file of guardrails: found, read, and every slip in it named with its place.

use std::fs;
use std::path::{Path, PathBuf};

use glob::Pattern;
use serde::Deserialize;
use serde::de::Error as _;
use toml::Spanned;

use super::{FILE_NAME, Guardrails, MaxDevices, Rules};

/// A file of guardrails that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardrailsError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What, and what to write.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    guardrails: Section,
    #[serde(default)]
    hub: Vec<Hub>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    max_devices: Option<Spanned<toml::Value>>,
    #[serde(default)]
    forbidden_methods: Vec<Spanned<String>>,
    #[serde(default)]
    forbidden_patch_paths: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Hub {
    host: Spanned<String>,
    max_devices: Option<Spanned<toml::Value>>,
    #[serde(default)]
    forbidden_methods: Vec<Spanned<String>>,
    #[serde(default)]
    forbidden_patch_paths: Vec<Spanned<String>>,
}

/// What is wrong, and with which bytes.
type Slip = (String, std::ops::Range<usize>);

impl Guardrails {
    /// The file of a folder or of those above it, up to the root of a git repository; no rules when there is none.
    ///
    /// # Errors
    /// When there is a file that cannot be used.
    pub fn find(folder: &Path) -> Result<Self, GuardrailsError> {
        for folder in folder.ancestors() {
            let path = folder.join(FILE_NAME);
            if path.is_file() {
                return Self::read(&path);
            }
            if folder.join(".git").exists() {
                break;
            }
        }
        Ok(Self::default())
    }

    /// Reads one file.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is wrong.
    pub fn read(path: &Path) -> Result<Self, GuardrailsError> {
        let text =
            fs::read_to_string(path).map_err(|source| GuardrailsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path.to_owned(), &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, GuardrailsError> {
        let wrong = |(message, span): Slip| {
            let before = &text[..text.floor_char_boundary(span.start)];
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
            GuardrailsError::Wrong { path: path.clone(), line, column, message }
        };
        let document: Document = toml::from_str(text)
            .map_err(|error| wrong((error.message().to_owned(), error.span().unwrap_or_default())))?;
        let general = rules(document.guardrails).map_err(wrong)?;
        let mut hubs = Vec::new();
        for Hub { host, max_devices, forbidden_methods, forbidden_patch_paths } in document.hub {
            let rules = rules(Section { max_devices, forbidden_methods, forbidden_patch_paths }).map_err(wrong)?;
            hubs.push((pattern(&host).map_err(wrong)?, rules));
        }
        Ok(Self { path: path.clone(), general, hubs })
    }
}

fn rules(section: Section) -> Result<Rules, Slip> {
    Ok(Rules {
        max_devices: section.max_devices.as_ref().map(max_devices).transpose()?,
        forbidden_methods: section.forbidden_methods.iter().map(pattern).collect::<Result<_, _>>()?,
        forbidden_patch_paths: section.forbidden_patch_paths.iter().map(patch_path).collect::<Result<_, _>>()?,
    })
}

fn max_devices(written: &Spanned<toml::Value>) -> Result<MaxDevices, Slip> {
    let slip = || ("write a number of devices, or a share of the hub's such as \"10%\"".to_owned(), written.span());
    match written.get_ref() {
        toml::Value::Integer(count) => u64::try_from(*count).map(MaxDevices::Count).map_err(|_| slip()),
        toml::Value::String(share) => {
            let percent = share.strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok());
            percent.filter(|percent| (0.0..=100.0).contains(percent)).map(MaxDevices::Percent).ok_or_else(slip)
        }
        _ => Err(slip()),
    }
}

fn pattern(written: &Spanned<String>) -> Result<Pattern, Slip> {
    Pattern::new(written.get_ref()).map_err(|error| (format!("this is no pattern: {error}"), written.span()))
}

fn patch_path(written: &Spanned<String>) -> Result<Vec<String>, Slip> {
    let path: Vec<String> = written.get_ref().split('.').map(str::to_owned).collect();
    let starts_well = matches!(path.first().map(String::as_str), Some("tags" | "desired"));
    if starts_well && path.iter().all(|key| !key.is_empty()) {
        return Ok(path);
    }
    let error = toml::de::Error::custom("a path starts with `tags` or `desired`, as in `desired.network`");
    Err((error.message().to_owned(), written.span()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slip_is_named_with_its_place() {
        for (text, want) in [
            ("[guardrails]\nmax-devces = 5\n", "g.toml:2:1: unknown field `max-devces`, expected one of `max-devices`"),
            ("[guardrails]\nmax-devices = '10'\n", "g.toml:2:15: write a number of devices, or a share"),
            ("[guardrails]\nmax-devices = -1\n", "g.toml:2:15: write a number"),
            (
                "[guardrails]\nforbidden-patch-paths = ['network']\n",
                "g.toml:2:26: a path starts with `tags` or `desired`",
            ),
            ("[[hub]]\nmax-devices = 5\n", "missing field `host`"),
            ("[guardrails\n", "g.toml:1:"),
        ] {
            let error = Guardrails::parse(PathBuf::from("g.toml"), text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn the_file_is_found_above_and_not_beyond_a_repository() {
        let root = tempfile::tempdir().unwrap();
        let jobs = root.path().join("repository/fleet/jobs");
        fs::create_dir_all(&jobs).unwrap();
        fs::write(root.path().join(FILE_NAME), "nonsense").unwrap();
        fs::create_dir(root.path().join("repository/.git")).unwrap();
        assert_eq!(Guardrails::find(&jobs).unwrap(), Guardrails::default());
        fs::write(root.path().join("repository").join(FILE_NAME), "[guardrails]\nmax-devices = 5\n").unwrap();
        assert_eq!(Guardrails::find(&jobs).unwrap().max_devices("h"), [MaxDevices::Count(5)]);
    }
}
