//! Stream headers: what the client's must say, and what ours says. RFC 6120 §4.7.

use muster_stanza::{StreamCondition, StreamError, StreamHeader, escape_attr, ns};
use muster_types::DomainPart;

/// Checks what does not depend on the stream's state: namespace and version.
pub(crate) fn check(header: &StreamHeader) -> Result<(), StreamError> {
    if header.content_namespace != ns::CLIENT {
        let text = "clients speak jabber:client here";
        return Err(StreamError::new(StreamCondition::InvalidNamespace).with_text(text));
    }
    if !speaks_version_1(header.version.as_deref()) {
        let text = "version 1.0 or later is needed";
        return Err(StreamError::new(StreamCondition::UnsupportedVersion).with_text(text));
    }
    Ok(())
}

/// No version means 0.9: without features there is no TLS and no SASL (RFC 6120 §4.7.5).
fn speaks_version_1(version: Option<&str>) -> bool {
    let Some((major, minor)) = version.and_then(|v| v.split_once('.')) else {
        return false;
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number(major) && is_number(minor) && major.bytes().any(|b| b != b'0')
}

/// The domain that the client wants: what it says in `to`, else what it said in TLS, else the only
/// one there is.
pub(crate) fn choose_domain<'a>(
    domains: &'a [DomainPart],
    to: Option<&str>,
    server_name: Option<&str>,
) -> Result<&'a DomainPart, StreamError> {
    let hosted = |name: &str| {
        let name = DomainPart::new(name).ok()?;
        domains
            .iter()
            .find(|domain| domain.as_str() == name.as_str())
    };
    let unknown = || StreamError::new(StreamCondition::HostUnknown);
    if let Some(to) = to {
        return hosted(to).ok_or_else(unknown);
    }
    match (server_name.and_then(hosted), domains) {
        (Some(domain), _) => Ok(domain),
        (None, [only]) => Ok(only),
        (None, []) => Err(unknown()),
        (None, [_, _, ..]) => {
            let text = "say in the stream's to attribute which domain is meant";
            Err(StreamError::new(StreamCondition::ImproperAddressing).with_text(text))
        }
    }
}

/// Our header.
pub(crate) struct Response<'a> {
    pub(crate) from: Option<&'a str>,
    pub(crate) to: Option<&'a str>,
    pub(crate) id: &'a str,
}

impl Response<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = b"<?xml version='1.0'?><stream:stream".to_vec();
        let mut attr = |name: &str, value: Option<&str>| {
            let Some(value) = value else { return };
            out.extend_from_slice(format!(" {name}='").as_bytes());
            escape_attr(&mut out, value);
            out.push(b'\'');
        };
        attr("xmlns", Some(ns::CLIENT));
        attr("xmlns:stream", Some(ns::STREAMS));
        attr("id", Some(self.id));
        attr("from", self.from);
        attr("to", self.to);
        attr("version", Some("1.0"));
        attr("xml:lang", Some("en"));
        out.push(b'>');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, ok) in [
            (Some("1.0"), true),
            (Some("1.1"), true),
            (Some("01.00"), true),
            (Some("2.0"), true),
            (Some("99999999999999999999.0"), true),
            (Some("0.9"), false),
            (Some("0.0"), false),
            (Some("1"), false),
            (Some("1."), false),
            (Some("one.two"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(speaks_version_1(version), ok, "{version:?}");
        }
    }

    #[test]
    fn domains() {
        let hosted = ["a.example", "b.example"].map(|d| DomainPart::new(d).unwrap().into_owned());
        let both = &hosted[..];
        let one = &hosted[..1];
        for (domains, to, server_name, chosen) in [
            (both, Some("b.example"), None, Ok("b.example")),
            (both, Some("B.Example"), None, Ok("b.example")),
            (both, Some("b.example"), Some("a.example"), Ok("b.example")),
            (both, None, Some("b.example"), Ok("b.example")),
            (both, None, None, Err(StreamCondition::ImproperAddressing)),
            (
                both,
                None,
                Some("c.example"),
                Err(StreamCondition::ImproperAddressing),
            ),
            (
                both,
                Some("c.example"),
                Some("a.example"),
                Err(StreamCondition::HostUnknown),
            ),
            (both, Some(""), None, Err(StreamCondition::HostUnknown)),
            (both, Some("a@b"), None, Err(StreamCondition::HostUnknown)),
            (one, None, None, Ok("a.example")),
            (&[], None, None, Err(StreamCondition::HostUnknown)),
        ] {
            let got = choose_domain(domains, to, server_name);
            let got = got.map(|d| d.as_str()).map_err(|error| error.condition);
            assert_eq!(got, chosen, "to {to:?}, server name {server_name:?}");
        }
    }

    #[test]
    fn our_header_is_escaped() {
        let response = Response {
            from: Some("example.com"),
            to: Some("o'hara@example.com"),
            id: "x",
        };
        assert_eq!(
            String::from_utf8(response.encode()).unwrap(),
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams' id='x' from='example.com' \
             to='o&apos;hara@example.com' version='1.0' xml:lang='en'>"
        );
    }
}
