//! Secrets given as arguments: `@FILE` reads them from a file, and nothing ever prints them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::failure::Failure;

/// A secret argument as typed: the text itself, or `@FILE`.
#[derive(Clone)]
pub struct SecretArg(Zeroizing<String>);

impl SecretArg {
    /// The secret, read from the file when the argument is `@FILE`; surrounding white space is dropped.
    ///
    /// # Errors
    /// Exit 2 when the file cannot be read.
    pub fn reveal(&self) -> Result<Zeroizing<String>, Failure> {
        let Some(path) = self.0.strip_prefix('@') else {
            return Ok(Zeroizing::new(self.0.trim().to_owned()));
        };
        let text = std::fs::read_to_string(Path::new(path))
            .map(Zeroizing::new)
            .map_err(|error| Failure::usage(format!("the secret file `{path}` cannot be read: {error}")))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }
}

impl FromStr for SecretArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for SecretArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretArg(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_and_trimmed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "HostName=h").unwrap();
        let arg: SecretArg = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!(arg.reveal().unwrap().as_str(), "HostName=h");
    }

    #[test]
    fn debug_shows_nothing() {
        let arg: SecretArg = "SharedAccessKey=abc".parse().unwrap();
        assert_eq!(format!("{arg:?}"), "SecretArg(***)");
    }
}
