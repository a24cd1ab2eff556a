//! What differs from run to run, replaced before a screen is compared.

use super::env::TestEnv;

/// Pairs of pattern and replacement for insta.
pub(crate) const VOLATILE: &[(&str, &str)] = &[
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "[time]"),
    (r"\b\d{2}:\d{2}:\d{2}Z", "[clock]"),
    (r"localhost:\d+", "localhost:[port]"),
    (r"\bport \d+", "port [port]"),
    (r"SharedAccessKey=[A-Za-z0-9+/=]+", "SharedAccessKey=[key]"),
    (r"(devices?) for (\d+ min )?\d+ s:", "$1 for [time]:"),
    // Whether a fleet runs long enough to say how it stands is chance.
    (r"(?m)^(\d+ min )?\d+ s: \d+ of \d+ online.*\n", ""),
    // A hub's log is not its banner.
    (r"(?m)^\[time\] +[A-Z]+ .*\n", ""),
    // Whether a look at a short job falls between its start and its end is chance.
    (r"(?m)^\[clock\]  \S+: started\n", ""),
];

/// Both streams of a command as one screen, with the test's own folder under a fixed name.
pub(crate) fn screen(env: &TestEnv, stdout: &str, stderr: &str) -> String {
    let mut text = format!("stdout:\n{}\nstderr:\n{}\n", stdout.trim_end(), stderr.trim_end());
    for path in [env.path().canonicalize().expect("the folder is there"), env.path().to_owned()] {
        text = text.replace(&path.display().to_string(), "[dir]");
    }
    text
}
