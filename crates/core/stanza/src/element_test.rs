//! Reading inside elements.

use crate::Element;

fn element(xml: &str) -> Element {
    Element::parse(xml.as_bytes()).unwrap()
}

#[test]
fn names_and_namespaces() {
    for (xml, name, namespace) in [
        ("<a/>", "a", "jabber:client"),
        ("<a xmlns='u'/>", "a", "u"),
        ("<a xmlns='u?a&amp;b'/>", "a", "u?a&b"),
        ("<a xmlns=''/>", "a", ""),
        ("<p:a xmlns='u' xmlns:p='v'/>", "a", "v"),
        ("<a xmlns='jabber:client'/>", "a", "jabber:client"),
    ] {
        let element = element(xml);
        assert!(
            element.is(name, namespace),
            "{xml}: {} {}",
            element.name(),
            element.namespace()
        );
    }
}

#[test]
fn attributes_are_unescaped() {
    let element = element("<a b='&lt;&#x41;' xml:lang=\"de\" c='x\ty'/>");
    for (name, value) in [
        ("b", Some("<A")),
        ("xml:lang", Some("de")),
        ("c", Some("x y")),
        ("d", None),
    ] {
        assert_eq!(element.attr(name).as_deref(), value);
    }
}

#[test]
fn children_know_what_they_inherit() {
    let root = element(
        "<a xmlns:p='u'>text<b/><c xmlns='v'><d><p:e xmlns:p='w'/><p:f/></d></c><p:g/><h xmlns=''><i/></h></a>",
    );
    let read: Vec<_> = root
        .children()
        .map(|c| (c.name().to_owned(), c.namespace().to_owned()))
        .collect();
    let own = |name: &str, namespace: &str| (name.to_owned(), namespace.to_owned());
    assert_eq!(
        read,
        [
            own("b", "jabber:client"),
            own("c", "v"),
            own("g", "u"),
            own("h", "")
        ]
    );
    let d = root.child("c", "v").unwrap().child("d", "v").unwrap();
    assert!(d.child("e", "w").is_some() && d.child("f", "u").is_some());
    assert!(root.child("h", "").unwrap().child("i", "").is_some());
    assert!(root.child("b", "v").is_none());
}

#[test]
fn text_is_direct_unescaped_and_of_cdata_too() {
    let element = element("<a>x &amp; <b>no</b><![CDATA[<y> &amp;\r\n]]>\r\nz</a>");
    assert_eq!(element.text(), "x & <y> &amp;\n\nz");
    assert_eq!(element.child("b", "jabber:client").unwrap().text(), "no");
}

#[test]
fn copies_of_children_stand_by_themselves() {
    for (xml, copy) in [
        ("<a><b><c/></b></a>", "<b><c/></b>"),
        ("<a xmlns='u'><b><c/></b></a>", "<b xmlns='u'><c/></b>"),
        ("<a xmlns='u'><b xmlns='v'/></a>", "<b xmlns='v'/>"),
        (
            "<a xmlns:p='u&amp;v'><b p:c=''/></a>",
            "<b xmlns:p='u&amp;v' p:c=''/>",
        ),
        ("<a xmlns:p='u'><p:b/></a>", "<p:b xmlns:p='u'/>"),
        (
            "<a xmlns:p='u' xmlns:q='v'><b xmlns:p='w'><p:c/></b></a>",
            "<b xmlns:p='w'><p:c/></b>",
        ),
    ] {
        let child = element(xml).children().next().unwrap().to_element();
        assert_eq!(child.raw(), copy.as_bytes());
        assert_eq!(Element::parse(child.raw()), Ok(child));
    }
}

#[test]
fn end_tags_may_hold_white_space() {
    let element = element("<a><b>x</b ></a\n>");
    assert_eq!(element.child("b", "jabber:client").unwrap().text(), "x");
}
