//! Where the values of variables come from: `--var` before `--var-file` before IOTJOB_VAR_NAME.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::printer::Printer;
use super::problems::{self, placed};
use crate::manifest::{Variables, is_variable_name};

/// What the environment's variables start with.
const ENVIRONMENT_PREFIX: &str = "IOTJOB_VAR_";

/// Flags that give variables their values.
#[derive(Debug, Clone, clap::Args)]
pub struct VarArgs {
    /// Fill ${NAME} in the manifests with a text, or with JSON that keeps its type. Also: IOTJOB_VAR_NAME in the
    /// environment, for texts
    #[arg(long = "var", value_name = "NAME=VALUE|NAME:=JSON")]
    vars: Vec<Assignment>,
    /// Fill ${NAME} from a YAML or JSON file that maps names to values, which keep their types
    #[arg(long = "var-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One `--var`.
#[derive(Debug, Clone)]
struct Assignment {
    name: String,
    value: Value,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE or NAME:=JSON")?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let value = serde_json::from_str(value)
                    .map_err(|error| format!("this is not JSON: {error}; for a text write NAME=VALUE"))?;
                (name, value)
            }
            None => (name, Value::from(value)),
        };
        if is_variable_name(name) {
            return Ok(Self { name: name.to_owned(), value });
        }
        Err(format!("`{name}` is not a name: use letters, digits and `_`, and do not start with a digit"))
    }
}

impl VarArgs {
    /// The values of all variables. Problems of files are shown.
    ///
    /// # Errors
    /// Exit 2 for a file that cannot be read, exit 3 for one whose content is wrong.
    pub fn variables(&self, printer: &Printer) -> Result<Variables, Failure> {
        let mut variables = Variables::default();
        for (name, value) in std::env::vars_os() {
            let name = name.to_str().and_then(|name| name.strip_prefix(ENVIRONMENT_PREFIX));
            if let (Some(name), Some(value)) = (name, value.to_str()) {
                variables.set(name, Value::from(value));
            }
        }
        for path in &self.files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("the file of variables `{name}` cannot be read: {error}")))?;
            variables.set_from_file(&name, text).map_err(|problems| {
                problems::show(&placed(&problems), printer);
                Failure::new(Exit::InvalidManifest, format!("the variables in `{name}` cannot be used"))
            })?;
        }
        for Assignment { name, value } in &self.vars {
            variables.set(name, value.clone());
        }
        Ok(variables)
    }

    /// Warns of each `--var` that no manifest names: it may be a slip that a default hides.
    pub fn warn_of_unused(&self, used: &BTreeSet<String>, printer: &Printer) {
        for Assignment { name, .. } in self.vars.iter().filter(|var| !used.contains(&var.name)) {
            printer.warn(&format!("no manifest has a variable `{name}`: `--var {name}` changes nothing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_colon_before_the_equals_sign_makes_it_json() {
        let read = |text: &str| text.parse::<Assignment>().map(|var| (var.name, var.value));
        assert_eq!(read("A=1"), Ok(("A".to_owned(), json!("1"))));
        assert_eq!(read("A:=1"), Ok(("A".to_owned(), json!(1))));
        assert_eq!(read("A:=[\"x=y\"]"), Ok(("A".to_owned(), json!(["x=y"]))));
        assert_eq!(read("A=a:=b"), Ok(("A".to_owned(), json!("a:=b"))));
        assert_eq!(read("A="), Ok(("A".to_owned(), json!(""))));
        for bad in ["A", "A:=", "A:=x", "1A=x", "=x", "a-b=x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
