//! XEP-0115: Entity Capabilities. What a client's presence says of what the client can do, and whether an
//! answer to service discovery is what that stands for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_stanza::{ElementRef, Stanza, ns};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use std::collections::BTreeSet;

/// What a feature ends with that asks to be notified of a node (XEP-0060 §9.2).
const NOTIFY: &str = "+notify";
/// Bytes of an attribute of `<c/>`; a longer one stands for nothing.
const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Nodes of which one client may ask to be notified; the rest, in their order, is not heeded.
pub const NOTIFY_MAX: usize = 64;
/// Bytes of the name of such a node.
const NODE_BYTES_MAX: usize = 512;

/// What stands for a client's capabilities (§4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Caps {
    /// The software.
    pub node: String,
    /// How `ver` was made; the form before version 1.4 has none.
    pub hash: Option<String>,
    /// The hash.
    pub ver: String,
}

impl Caps {
    /// What a presence says.
    pub fn read(presence: &Stanza) -> Option<Self> {
        // Most presence says nothing of it, and looking for the bytes costs less than reading all children.
        memchr::memmem::find(&presence.content, ns::CAPS.as_bytes())?;
        let caps = presence.child("c", ns::CAPS)?;
        let attr = |name: &str| caps.attr(name).map(std::borrow::Cow::into_owned);
        let caps = Self {
            node: attr("node")?,
            hash: attr("hash"),
            ver: attr("ver")?,
        };
        let hash = caps.hash.as_deref().unwrap_or_default();
        let fits = |value: &str| value.len() <= ATTRIBUTE_BYTES_MAX;
        (fits(&caps.node) && fits(hash) && fits(&caps.ver)).then_some(caps)
    }

    /// The node of a question about them (§6.2).
    pub fn disco_node(&self) -> String {
        format!("{}#{}", self.node, self.ver)
    }

    /// Whether these are the capabilities that the hash stands for (§5.4), so that what one client answered
    /// holds for every other one that says the same. False where the hash is none that is known here.
    pub fn are_those_of(&self, query: &ElementRef<'_>) -> bool {
        let Some(text) = verification_text(query) else {
            return false;
        };
        let hash = match self.hash.as_deref() {
            Some("sha-1") => STANDARD.encode(Sha1::digest(text)),
            Some("sha-256") => STANDARD.encode(Sha256::digest(text)),
            Some("sha-512") => STANDARD.encode(Sha512::digest(text)),
            Some(_) | None => return false,
        };
        hash == self.ver
    }
}

/// The nodes of which a client wants to be notified (XEP-0163 §4.3.2), by its answer to service discovery.
pub fn notified_of(query: &ElementRef<'_>) -> BTreeSet<String> {
    let features = query
        .children()
        .filter(|one| one.is("feature", ns::DISCO_INFO));
    let node = |feature: ElementRef<'_>| {
        let var = feature.attr("var")?;
        let node = var.strip_suffix(NOTIFY)?;
        let fits = (1..=NODE_BYTES_MAX).contains(&node.len());
        fits.then(|| node.to_owned())
    };
    features.filter_map(node).take(NOTIFY_MAX).collect()
}

/// The text that is hashed (§5.1); `None` for an answer from which none may be made (§5.4, steps 3.2 to 3.6).
fn verification_text(query: &ElementRef<'_>) -> Option<String> {
    let (mut identities, mut features, mut forms) = (Vec::new(), Vec::new(), Vec::new());
    for child in query.children() {
        let attr = |name: &str| child.attr(name).unwrap_or_default();
        if child.is("identity", ns::DISCO_INFO) {
            let (kind, lang) = (attr("type"), attr("xml:lang"));
            let (category, name) = (attr("category"), attr("name"));
            // Else a feature could be said as an identity, and the hash would be the same.
            let is_word = |part: &str| !part.is_empty() && !part.contains('/');
            if !is_word(&category) || !is_word(&kind) || name.ends_with(NOTIFY) {
                return None;
            }
            identities.push(format!("{category}/{kind}/{lang}/{name}"));
        } else if child.is("feature", ns::DISCO_INFO) {
            features.push(attr("var").into_owned());
        } else if child.is("x", ns::DATA) {
            forms.extend(form_text(&child)?);
        }
    }
    for list in [&mut identities, &mut features] {
        list.sort_unstable();
        if list.windows(2).any(|two| two[0] == two[1]) {
            return None;
        }
    }
    forms.sort_unstable();
    if forms.windows(2).any(|two| two[0].0 == two[1].0) {
        return None;
    }
    let mut text = String::new();
    let forms = forms.into_iter().map(|(_, text)| text);
    for part in identities.into_iter().chain(features) {
        // Else what one entity says could be read as what another one does.
        if part.contains('<') {
            return None;
        }
        text.push_str(&part);
        text.push('<');
    }
    text.extend(forms);
    Some(text)
}

/// A form's type and text; nothing for a form without type (§5.4, step 3.6), and `None` for one with two.
fn form_text(form: &ElementRef<'_>) -> Option<Option<(String, String)>> {
    let mut form_type = None;
    let mut fields = Vec::new();
    for field in form.children().filter(|field| field.is("field", ns::DATA)) {
        let var = field.attr("var").unwrap_or_default().into_owned();
        let values = field.children().filter(|one| one.is("value", ns::DATA));
        let mut values: Vec<String> = values.map(|value| value.text()).collect();
        values.sort_unstable();
        if var == "FORM_TYPE" {
            let [value] = values.as_slice() else {
                return None;
            };
            let hidden = field.attr("type").as_deref() == Some("hidden");
            form_type = hidden.then(|| value.clone());
        } else {
            fields.push((var, values));
        }
    }
    let Some(form_type) = form_type else {
        return Some(None);
    };
    fields.sort_unstable();
    let mut parts = vec![form_type.clone()];
    for (var, values) in fields {
        parts.push(var);
        parts.extend(values);
    }
    // Nor may a feature be said as a part of a form.
    if parts
        .iter()
        .any(|part| part.contains('<') || part.ends_with(NOTIFY))
    {
        return None;
    }
    let text = parts.iter().flat_map(|part| [part.as_str(), "<"]).collect();
    Some(Some((form_type, text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_stanza::Element;

    fn query(content: &str) -> Stanza {
        let query = format!("<query xmlns='{}'>{content}</query>", ns::DISCO_INFO);
        Stanza::iq(muster_stanza::IqType::Result, "1").with_content(query.into_bytes())
    }

    fn caps(hash: &str, ver: &str) -> Caps {
        Caps {
            node: "http://code.google.com/p/exodus".to_owned(),
            hash: Some(hash.to_owned()),
            ver: ver.to_owned(),
        }
    }

    fn matches(caps: &Caps, content: &str) -> bool {
        caps.are_those_of(&query(content).payload().unwrap())
    }

    /// XEP-0115 §5.2.
    const SIMPLE: &str = "<identity category='client' type='pc' name='Exodus 0.9.1'/>\
        <feature var='http://jabber.org/protocol/caps'/>\
        <feature var='http://jabber.org/protocol/disco#items'/>\
        <feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/muc'/>";

    /// XEP-0115 §5.3.
    const COMPLEX: &str = "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
        <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>\
        <feature var='http://jabber.org/protocol/caps'/>\
        <feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/disco#items'/>\
        <feature var='http://jabber.org/protocol/muc'/>\
        <x xmlns='jabber:x:data' type='result'>\
        <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
        <field var='ip_version'><value>ipv4</value><value>ipv6</value></field>\
        <field var='os'><value>Mac</value></field>\
        <field var='os_version'><value>10.5.1</value></field>\
        <field var='software'><value>Psi</value></field>\
        <field var='software_version'><value>0.11</value></field></x>";

    #[test]
    fn the_examples_of_the_specification_are_verified() {
        let simple = caps("sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=");
        let complex = caps("sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=");
        assert!(matches(&simple, SIMPLE));
        assert!(matches(&complex, COMPLEX));
        assert!(!matches(&simple, COMPLEX));
        assert!(!matches(&caps("md5", &simple.ver), SIMPLE));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_verified_for_nobody() {
        let simple = caps("sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=");
        let twice = format!("{SIMPLE}<feature var='http://jabber.org/protocol/muc'/>");
        assert!(!matches(&simple, &twice));
        // The same text, made of other parts.
        let split = "<identity category='client' type='pc' name='Exodus 0.9.1&lt;http://jabber.org/protocol/caps'/>\
             <feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/>\
             <feature var='http://jabber.org/protocol/muc'/>";
        assert!(!matches(&simple, split));
        // A feature as an identity, and as a part of a form.
        for hidden in [
            "<identity category='http:' type='' xml:lang='jabber.org' name='protocol/tune+notify'/>",
            "<identity category='a' type='b' name='urn:tune+notify'/>",
            "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value>\
             </field><field var='urn:tune+notify'/></x>",
        ] {
            let said = query(hidden);
            assert_eq!(
                verification_text(&said.payload().unwrap()),
                None,
                "{hidden}"
            );
        }
        let query = query(&COMPLEX.replace("<value>ipv4</value>", "<value>a&lt;b</value>"));
        assert_eq!(verification_text(&query.payload().unwrap()), None);
    }

    #[test]
    fn a_client_asks_to_be_notified_by_its_features() {
        let many: String = (0..100)
            .map(|n| format!("<feature var='urn:{n}+notify'/>"))
            .collect();
        let content = format!("<feature var='urn:x'/><feature var='+notify'/>{many}");
        let answer = query(&content);
        let nodes = notified_of(&answer.payload().unwrap());
        assert_eq!(nodes.len(), NOTIFY_MAX);
        assert!(nodes.contains("urn:0") && !nodes.contains("urn:x"));
    }

    #[test]
    fn presence_says_what_stands_for_the_capabilities() {
        let read = |xml: &str| {
            let element = Element::parse(xml.as_bytes()).unwrap();
            Caps::read(&Stanza::from_element(&element).unwrap())
        };
        let c = "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='v'/></presence>";
        let caps = read(c).unwrap();
        assert_eq!(caps.disco_node(), "urn:n#v");
        assert_eq!(caps.hash.as_deref(), Some("sha-1"));
        assert_eq!(read("<presence/>"), None);
        let long = c.replace("'v'", &format!("'{}'", "v".repeat(300)));
        assert_eq!(read(&long), None);
    }
}
