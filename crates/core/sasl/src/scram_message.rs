//! The messages of a SCRAM client: RFC 5802 §7.

use base64::{Engine, prelude::BASE64_STANDARD};

/// What the client says of channel binding (`gs2-cbind-flag`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum BindingFlag {
    /// `p=name`: it binds to this type of channel.
    Used(String),
    /// `n`: it cannot bind.
    Unsupported,
    /// `y`: it can, and thinks that the server cannot.
    NotOffered,
}

/// `client-first-message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClientFirst {
    pub(crate) flag: BindingFlag,
    pub(crate) authzid: Option<String>,
    pub(crate) name: String,
    pub(crate) nonce: String,
    /// `gs2-header` as sent.
    pub(crate) header: String,
    /// `client-first-message-bare` as sent.
    pub(crate) bare: String,
}

impl ClientFirst {
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let (flag, rest) = message.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let header = &message[..message.len() - bare.len()];
        let flag = match flag {
            "n" => BindingFlag::Unsupported,
            "y" => BindingFlag::NotOffered,
            _ => BindingFlag::Used(binding_name(flag.strip_prefix("p=")?)?),
        };
        let authzid = match authzid {
            "" => None,
            _ => Some(unescape(authzid.strip_prefix("a=")?)?),
        };
        // A mandatory extension (`m=`) would stand first: it is refused with the rest that is not
        // a name. Other extensions follow the nonce, and none is defined.
        let mut attributes = bare.split(',');
        let name = unescape(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let wellformed = is_nonce(nonce) && attributes.all(is_extension);
        wellformed.then(|| Self {
            flag,
            authzid,
            name,
            nonce: nonce.to_owned(),
            header: header.to_owned(),
            bare: bare.to_owned(),
        })
    }
}

/// `client-final-message`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ClientFinal {
    pub(crate) binding: Vec<u8>,
    pub(crate) nonce: String,
    pub(crate) proof: Vec<u8>,
    /// The message up to its proof.
    pub(crate) without_proof: String,
}

impl ClientFinal {
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let wellformed = is_nonce(nonce) && attributes.all(is_extension);
        wellformed.then_some(())?;
        Some(Self {
            binding: BASE64_STANDARD.decode(binding).ok()?,
            nonce: nonce.to_owned(),
            proof: BASE64_STANDARD.decode(proof).ok()?,
            without_proof: without_proof.to_owned(),
        })
    }
}

/// `cb-name`: letters, digits, dot and hyphen.
fn binding_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!name.is_empty() && name.chars().all(legal)).then(|| name.to_owned())
}

/// `saslname`: a comma is written `=2C`, an equals sign `=3D`; not empty, no NUL.
fn unescape(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('=');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (decoded, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        out.push(decoded);
        out.push_str(rest);
    }
    (!out.is_empty() && !out.contains('\0')).then_some(out)
}

/// `printable`: visible ASCII but the comma, which the caller has split at.
fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic())
}

/// `attr-val`: a letter, `=`, and a value.
fn is_extension(attribute: &str) -> bool {
    let bytes = attribute.as_bytes();
    bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b'='
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages() {
        let long = "n,a=j=3Do=2Ce,n=u=2Cs=3De,r=abc,x=y";
        let first = ClientFirst::parse(long.as_bytes()).unwrap();
        assert_eq!(first.authzid.as_deref(), Some("j=o,e"));
        assert_eq!(first.name, "u,s=e");
        assert_eq!(first.header, "n,a=j=3Do=2Ce,");
        assert_eq!(first.bare, "n=u=2Cs=3De,r=abc,x=y");
        for (message, flag) in [
            ("y,,n=u,r=a", BindingFlag::NotOffered),
            (
                "p=tls-exporter,,n=u,r=a",
                BindingFlag::Used("tls-exporter".into()),
            ),
        ] {
            assert_eq!(ClientFirst::parse(message.as_bytes()).unwrap().flag, flag);
        }
    }

    #[test]
    fn malformed_first_messages() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=u",
            "n,,n=,r=a",
            "n,,n=u,r=",
            "n,,r=a,n=u",
            "x,,n=u,r=a",
            "p=,,n=u,r=a",
            "p=a b,,n=u,r=a",
            "n,joe,n=u,r=a",
            "n,,m=x,n=u,r=a",
            "n,,n=u=,r=a",
            "n,,n=u=2c,r=a",
            "n,,n=u=41,r=a",
            "n,,n=u,r=a b",
            "n,,n=u,r=\u{e9}",
            "n,,n=u,r=a,",
            "n,,n=u,r=a,zz",
            "n,,n=u\0,r=a",
        ] {
            assert_eq!(ClientFirst::parse(message.as_bytes()), None, "{message:?}");
        }
        assert_eq!(ClientFirst::parse(b"n,,n=\xff,r=a"), None);
    }

    #[test]
    fn malformed_final_messages() {
        for message in [
            "",
            "c=biws",
            "c=biws,r=a",
            "c=biws,r=a,p=x",
            "c=b,r=a,p=AAAA",
            "r=a,c=biws,p=AAAA",
            "c=biws,r=,p=AAAA",
            "c=biws,p=AAAA,r=a",
            "c=biws,r=a,p=AA",
            "c=biws,r=a,zz,p=AAAA",
        ] {
            assert_eq!(ClientFinal::parse(message.as_bytes()), None, "{message:?}");
        }
        assert!(ClientFinal::parse(b"c=biws,r=a,x=y,p=AAAA").is_some());
    }
}
