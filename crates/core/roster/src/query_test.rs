use crate::{
    Roster, RosterEdit, RosterItem, RosterSet, RosterSetError, Subscription, encode_push,
    encode_removal, encode_result, parse_roster_set,
};
use muster_stanza::{Element, StanzaCondition};
use muster_types::{BareJid, Limits};

fn parse(query: &str) -> Result<RosterSet, RosterSetError> {
    let limits = Limits {
        roster_name_bytes: 8,
        roster_groups: 2,
        ..Limits::default()
    };
    let iq = Element::parse(format!("<iq type='set' id='1'>{query}</iq>").as_bytes()).unwrap();
    parse_roster_set(&iq.children().next().unwrap(), &limits)
}

fn parse_item(item: &str) -> Result<RosterSet, RosterSetError> {
    parse(&format!("<query xmlns='jabber:iq:roster'>{item}</query>"))
}

fn romeo() -> BareJid {
    BareJid::new("romeo@example.net").unwrap()
}

fn edit(name: Option<&str>, groups: &[&str]) -> RosterSet {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    RosterSet::Edit(RosterEdit {
        contact: romeo(),
        name: name.map(str::to_owned),
        groups,
    })
}

#[test]
fn good_sets_are_read() {
    // RFC 6121 §2.3, §2.4, §2.5
    for (item, expected) in [
        ("<item jid='romeo@example.net'/>", edit(None, &[])),
        (
            "<item jid='Romeo@Example.net' name='R&amp;J'/>",
            edit(Some("R&J"), &[]),
        ),
        ("<item jid='romeo@example.net' name=''/>", edit(None, &[])),
        (
            "<item jid='romeo@example.net'><group>b</group><group>a</group></item>",
            edit(None, &["a", "b"]),
        ),
        // Not a client's to say: §2.1.2.2, §2.1.2.5
        (
            "<item jid='romeo@example.net' subscription='both' ask='subscribe'/>",
            edit(None, &[]),
        ),
        (
            "<item jid='romeo@example.net'/><other xmlns='urn:x'/>",
            edit(None, &[]),
        ),
        (
            "<item jid='romeo@example.net' subscription='remove'/>",
            RosterSet::Remove(romeo()),
        ),
    ] {
        assert_eq!(parse_item(item), Ok(expected), "{item}");
    }
}

#[test]
fn bad_sets_are_refused() {
    // RFC 6121 §2.3.3
    use StanzaCondition::{BadRequest, JidMalformed, NotAcceptable};
    let group = |text: &str| format!("<item jid='a@b'><group>{text}</group></item>");
    for (item, error, condition) in [
        (String::new(), RosterSetError::NotOneItem, BadRequest),
        (
            "<item jid='a@b'/><item jid='c@d'/>".into(),
            RosterSetError::NotOneItem,
            BadRequest,
        ),
        ("<item/>".into(), RosterSetError::NoJid, BadRequest),
        (
            "<item jid='@b'/>".into(),
            RosterSetError::BadJid,
            JidMalformed,
        ),
        (
            "<item jid='a@b/r'/>".into(),
            RosterSetError::BadJid,
            JidMalformed,
        ),
        (
            "<item jid='a@b' name='123456789'/>".into(),
            RosterSetError::LongName,
            NotAcceptable,
        ),
        (group(""), RosterSetError::EmptyGroup, NotAcceptable),
        (group("123456789"), RosterSetError::LongGroup, NotAcceptable),
        (
            group("x</group><group>x"),
            RosterSetError::DuplicateGroup,
            BadRequest,
        ),
        (
            group("x</group><group>y</group><group>z"),
            RosterSetError::TooManyGroups,
            NotAcceptable,
        ),
    ] {
        assert_eq!(parse_item(&item), Err(error), "{item}");
        assert_eq!(error.condition(), condition, "{item}");
    }
    assert_eq!(
        parse("<query xmlns='urn:other'/>"),
        Err(RosterSetError::NotAQuery)
    );
}

fn roster() -> Roster {
    let mut roster = Roster::default();
    roster.restore_item(RosterItem {
        name: Some("R's".into()),
        groups: vec!["a<b".into(), "c".into()],
        subscription: Subscription::FromPendingOut,
        ..RosterItem::new(romeo())
    });
    roster.restore_item(RosterItem {
        approved: true,
        ..RosterItem::new(BareJid::new("nurse@example.com").unwrap())
    });
    roster.restore_version(42);
    roster
}

#[test]
fn a_result_shows_the_whole_roster() {
    // RFC 6121 §2.1.4
    let expected = "<query xmlns='jabber:iq:roster' ver='42'>\
        <item jid='nurse@example.com' subscription='none' approved='true'/>\
        <item jid='romeo@example.net' name='R&apos;s' subscription='from' ask='subscribe'>\
        <group>a&lt;b</group><group>c</group></item></query>";
    for known in [None, Some(""), Some("41"), Some("042")] {
        let result = encode_result(&roster(), known).unwrap();
        assert_eq!(String::from_utf8(result).unwrap(), expected, "{known:?}");
    }
}

#[test]
fn a_client_that_is_up_to_date_gets_an_empty_result() {
    // RFC 6121 §2.6.3
    assert_eq!(encode_result(&roster(), Some("42")), None);
}

#[test]
fn a_push_shows_one_item() {
    // RFC 6121 §2.1.6, §2.5.2
    let item = RosterItem::new(romeo());
    assert_eq!(
        String::from_utf8(encode_push(&item, 7)).unwrap(),
        "<query xmlns='jabber:iq:roster' ver='7'>\
         <item jid='romeo@example.net' subscription='none'/></query>"
    );
    assert_eq!(
        String::from_utf8(encode_removal(&romeo(), 8)).unwrap(),
        "<query xmlns='jabber:iq:roster' ver='8'>\
         <item jid='romeo@example.net' subscription='remove'/></query>"
    );
}

#[test]
fn what_is_written_can_be_read() {
    let item = RosterItem {
        name: Some("a\t'&\"".into()),
        ..RosterItem::new(romeo())
    };
    let pushed = String::from_utf8(encode_push(&item, 1)).unwrap();
    assert_eq!(parse(&pushed), Ok(edit(item.name.as_deref(), &[])));
}
