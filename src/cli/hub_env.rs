//! The lines of `iotjob hub env`: what each shell and tool has to be told to find a local hub and to trust it.

use clap::ValueEnum;

use crate::hub::ReadyInfo;

/// Whom `iotjob hub env` writes for: a shell, or a tool in this system's usual shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, zsh, sh
    Bash,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// cmd, as a batch file to be called
    Cmd,
    /// what Microsoft's Python packages need
    Python,
    /// what Microsoft's Node packages need
    Node,
    /// what az needs
    Az,
}

/// The policy whose connection string people want first.
pub(crate) const OWNER: &str = "iothubowner";

const SERVICE: &str = "IOTHUB_CONNECTION_STRING";
const DEVICE: &str = "IOTHUB_DEVICE_CONNECTION_STRING";
const OPENSSL_CA: &str = "SSL_CERT_FILE";
const REQUESTS_CA: &str = "REQUESTS_CA_BUNDLE";
const NODE_CA: &str = "NODE_EXTRA_CA_CERTS";
const NO_AZ_TELEMETRY: &str = "AZURE_CORE_COLLECT_TELEMETRY";

/// Port that Microsoft's Node service package and `az iot device simulate` dial whatever they are told (CLIENTS.md 1).
const FIXED_HTTPS_PORT: u16 = 443;
/// Port that Microsoft's device packages dial whatever they are told (CLIENTS.md 1).
const FIXED_MQTT_PORT: u16 = 8883;

impl Shell {
    /// The one that most people of this system use.
    pub const DEFAULT: Self = if cfg!(windows) { Self::Powershell } else { Self::Bash };

    /// The syntax in which it is written for.
    fn syntax(self) -> Self {
        match self {
            Self::Python | Self::Node | Self::Az => Self::DEFAULT,
            shell => shell,
        }
    }

    /// Quotes a text so that the shell takes it as it stands.
    pub(crate) fn quoted(self, text: &str) -> String {
        match self.syntax() {
            Self::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
            Self::Powershell => format!("'{}'", text.replace('\'', "''")),
            // A batch file expands what stands between two percent signs.
            Self::Cmd => text.replace('%', "%%"),
            _ => format!("'{}'", text.replace('\'', r"'\''")),
        }
    }

    fn assignment(self, name: &str, value: &str) -> String {
        let value = self.quoted(value);
        match self.syntax() {
            Self::Fish => format!("set -gx {name} {value}"),
            Self::Powershell => format!("$env:{name} = {value}"),
            Self::Cmd => format!("@set \"{name}={value}\""),
            _ => format!("export {name}={value}"),
        }
    }

    /// How the shell reads a variable of the environment, inside an argument.
    fn reading(self, name: &str) -> String {
        match self.syntax() {
            Self::Powershell => format!("$env:{name}"),
            _ => format!("\"${name}\""),
        }
    }

    /// The variables that it reads (CLIENTS.md 1).
    fn wants(self) -> &'static [&'static str] {
        match self {
            Self::Bash | Self::Fish | Self::Powershell | Self::Cmd => {
                &[SERVICE, DEVICE, OPENSSL_CA, REQUESTS_CA, NODE_CA]
            }
            Self::Python => &[SERVICE, DEVICE, OPENSSL_CA, REQUESTS_CA],
            Self::Node => &[SERVICE, DEVICE, NODE_CA],
            Self::Az => &[SERVICE, OPENSSL_CA, REQUESTS_CA, NO_AZ_TELEMETRY],
        }
    }

    /// What a tool's user has to know besides.
    fn notes(self, ready: &ReadyInfo) -> Vec<String> {
        let fixed = |what: &str, port: u16, found: u16, flag: &str| {
            (port != found).then(|| {
                format!("# {what} dials port {port} only, and this hub listens on {found}: start it with {flag} {port}")
            })
        };
        let device = || fixed("the device package", FIXED_MQTT_PORT, ready.mqtt_port, "--mqtt-port");
        match self {
            Self::Python => device().into_iter().collect(),
            Self::Node => {
                let service = fixed("azure-iothub", FIXED_HTTPS_PORT, ready.https_port, "--https-port");
                service.into_iter().chain(device()).collect()
            }
            Self::Az => {
                let login = self.reading(SERVICE);
                let simulate = fixed("az iot device simulate", FIXED_HTTPS_PORT, ready.https_port, "--https-port");
                let query = format!("# az iot hub query --login {login} --query-command 'SELECT * FROM devices'");
                std::iter::once(query).chain(simulate).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The lines that point a shell or tool at a hub.
pub(crate) fn lines(ready: &ReadyInfo, shell: Shell) -> Vec<String> {
    let assignments = shell.wants().iter().filter_map(|&name| Some(shell.assignment(name, &value(ready, name)?)));
    assignments.chain(shell.notes(ready)).collect()
}

/// The value of a variable; a device is named only when there is exactly one.
fn value(ready: &ReadyInfo, name: &str) -> Option<String> {
    match name {
        SERVICE => ready.connection_strings.get(OWNER).cloned(),
        DEVICE => {
            let mut devices = ready.devices.values();
            devices.next().filter(|_| devices.next().is_none()).cloned()
        }
        NO_AZ_TELEMETRY => Some("0".to_owned()),
        _ => ready.ca_file.as_ref().map(|ca| ca.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn ready(devices: &[&str]) -> ReadyInfo {
        ReadyInfo {
            host_name: "localhost".to_owned(),
            https_port: 8443,
            mqtt_port: 8883,
            ca_file: Some(PathBuf::from(r"/home/o'neil/50%\ca.pem")),
            connection_strings: BTreeMap::from([(OWNER.to_owned(), "HostName=h;K=a=".to_owned())]),
            devices: devices.iter().map(|id| ((*id).to_owned(), format!("DeviceId={id}"))).collect(),
        }
    }

    #[test]
    fn each_shell_gets_its_own_quotes() {
        assert_eq!(
            lines(&ready(&["d1"]), Shell::Bash),
            [
                "export IOTHUB_CONNECTION_STRING='HostName=h;K=a='",
                "export IOTHUB_DEVICE_CONNECTION_STRING='DeviceId=d1'",
                r"export SSL_CERT_FILE='/home/o'\''neil/50%\ca.pem'",
                r"export REQUESTS_CA_BUNDLE='/home/o'\''neil/50%\ca.pem'",
                r"export NODE_EXTRA_CA_CERTS='/home/o'\''neil/50%\ca.pem'",
            ]
        );
        for (shell, want) in [
            (Shell::Powershell, r"$env:SSL_CERT_FILE = '/home/o''neil/50%\ca.pem'"),
            (Shell::Fish, r"set -gx SSL_CERT_FILE '/home/o\'neil/50%\\ca.pem'"),
            (Shell::Cmd, r#"@set "SSL_CERT_FILE=/home/o'neil/50%%\ca.pem""#),
        ] {
            assert_eq!(lines(&ready(&["d1"]), shell)[2], want);
        }
    }

    #[test]
    fn a_device_is_named_only_when_there_is_exactly_one() {
        for devices in [&[][..], &["d1", "d2"]] {
            let lines = lines(&ready(devices), Shell::Bash);
            assert!(!lines.iter().any(|line| line.contains(DEVICE)), "{devices:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_tool_gets_what_it_reads_and_what_to_know() {
        let names = |shell: Shell| -> Vec<String> {
            let lines = lines(&ready(&["d1"]), shell);
            lines.iter().map(|line| line.split('=').next().unwrap_or_default().replace("export ", "")).collect()
        };
        assert_eq!(names(Shell::Python), [SERVICE, DEVICE, OPENSSL_CA, REQUESTS_CA]);
        assert_eq!(names(Shell::Node)[..3], [SERVICE, DEVICE, NODE_CA]);
        assert_eq!(
            lines(&ready(&[]), Shell::Node)[2..],
            ["# azure-iothub dials port 443 only, and this hub listens on 8443: start it with --https-port 443"]
        );
        assert_eq!(
            lines(&ready(&[]), Shell::Az)[3..5],
            [
                "export AZURE_CORE_COLLECT_TELEMETRY='0'",
                "# az iot hub query --login \"$IOTHUB_CONNECTION_STRING\" --query-command 'SELECT * FROM devices'",
            ]
        );
    }
}
