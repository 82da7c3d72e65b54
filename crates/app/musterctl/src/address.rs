//! Where a node may be reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What is tried when no address is given.
pub(crate) const DEFAULTS: &[&str] = &[
    "unix:/run/muster/admin.sock",
    "unix:/var/lib/muster/admin.sock",
    "unix:./admin.sock",
];

/// One address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Address {
    /// A node's unix socket on this host.
    Unix(PathBuf),
    /// Host and port of a node's admin service.
    Tcp { host: String, port: u16 },
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("unix: needs a path".to_owned()),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if text.starts_with(['/', '.']) {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        let wrong = || format!("{text:?} is no address: write it as unix:PATH or host:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || inner.is_none() && host.contains(':') {
            return Err(wrong());
        }
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Self::Tcp {
            host: inner.unwrap_or(host).to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, written) in [
            (
                "unix:/run/muster/admin.sock",
                Some("unix:/run/muster/admin.sock"),
            ),
            ("/tmp/a.sock", Some("unix:/tmp/a.sock")),
            ("./a.sock", Some("unix:./a.sock")),
            ("a.example.com:7401", Some("a.example.com:7401")),
            ("[::1]:7401", Some("[::1]:7401")),
            ("unix:", None),
            ("a.example.com", None),
            ("::1:7401", None),
            (":7401", None),
            ("a:99999", None),
        ] {
            let read = text
                .parse::<Address>()
                .ok()
                .map(|address| address.to_string());
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn the_defaults_are_addresses() {
        assert!(DEFAULTS.iter().all(|text| text.parse::<Address>().is_ok()));
    }
}
