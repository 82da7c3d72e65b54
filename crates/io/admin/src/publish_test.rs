use super::*;
use crate::fake::Fake;
use tonic::Code;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 86_400_000;
const BY: Publisher<'_> = Publisher::Operator("test");

fn publication(source: &str, says: &str, begins_ms: u64, ends_ms: u64) -> proto::Publication {
    proto::Publication {
        user: "alice@example.com".to_owned(),
        source: source.to_owned(),
        spans: vec![proto::Span {
            says: says.to_owned(),
            note: String::new(),
            begins_ms,
            ends_ms,
        }],
        words_of: String::new(),
    }
}

#[test]
fn another_systems_words_are_understood_where_it_is_named() {
    let says = |words_of: &str, source: &str, word: &str| {
        let mut publication = publication(source, word, 0, NOW + DAY);
        publication.words_of = words_of.to_owned();
        read(publication, NOW).map(|(_, report)| report.spans[0].says.label().to_owned())
    };
    for (words_of, word, ours) in [
        ("lync", "6600", "busy"),
        ("teams", "Busy/InACall", "on-the-phone"),
        ("teams", "Busy/Presenting", "busy"),
        ("lync-partitioned/cupc-8", "Do Not Disturb", "busy"),
        ("openscape/attendant-console", "Meeting", "do-not-disturb"),
    ] {
        assert_eq!(
            says(words_of, "app/x", word),
            Ok(ours.to_owned()),
            "{words_of} {word}"
        );
    }
    for (words_of, source, word, part) in [
        ("skype", "app/x", "Busy", "use "),
        (
            "lync-partitioned/cupc-9",
            "app/x",
            "Busy",
            "it has cupc-8, jabber",
        ),
        ("lync", "app/x", "17", "no word \"17\""),
        ("lync", "phone/1", "6500", "words of its own"),
    ] {
        let why = says(words_of, source, word).unwrap_err();
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn times_become_distances_from_now() {
    let (user, report) = read(publication("phone/1", "off-hook", NOW - 5, NOW + 9), NOW).unwrap();
    assert_eq!(user.as_str(), "alice@example.com");
    let span = &report.spans[0];
    assert_eq!((span.begins, span.ends), (FromNow(-5), Some(FromNow(9))));
    assert_eq!(span.until, Some(Timestamp(NOW + 9)));
    let (_, report) = read(publication("manual", "away", 0, 0), NOW).unwrap();
    assert_eq!(report.spans[0].begins, FromNow(0));
    assert_eq!(report.spans[0].ends, None);
}

#[test]
fn publications_from_the_past_for_years_or_of_nothing_known_are_refused_with_the_reason() {
    for (publication, part) in [
        (
            publication("phone/1", "off-hook", NOW - 9, NOW - 5),
            "it ended at 2027-",
        ),
        (
            publication("phone/1", "off-hook", 0, NOW + 400 * DAY),
            "31 days",
        ),
        (
            publication("calendar/1", "busy", NOW + 32 * DAY, NOW + 33 * DAY),
            "31 days",
        ),
        (
            publication("calendar/1", "busy", NOW + 9, NOW + 5),
            "before it begins",
        ),
        (
            publication("app/1", "busy", 0, 0),
            "must say when this ends",
        ),
        (
            publication("phone/1", "busy", 0, NOW + 5),
            "on-hook, off-hook, ringing, dnd",
        ),
        (
            publication("calendar/1", "off-hook", 0, NOW + 5),
            "free, tentative",
        ),
        (
            publication("app/1", "At Lunch", 0, NOW + 5),
            "\"At Lunch\" is no name",
        ),
        (
            publication("radio/1", "on", 0, NOW + 5),
            "\"radio/1\" is no source",
        ),
        (publication("phone/", "off-hook", 0, NOW + 5), "is no name"),
        (
            publication("device/desk", "dnd", 0, NOW + 5),
            "is no source",
        ),
    ] {
        let why = read(publication, NOW).unwrap_err();
        assert!(why.contains(part), "{part}: {why}");
    }
    let mut long = publication("manual", "away", 0, 0);
    long.spans[0].note = "x".repeat(257);
    assert!(read(long, NOW).unwrap_err().contains("256"));
    let mut lines = publication("manual", "away", 0, 0);
    lines.spans[0].note = "one\ntwo".to_owned();
    assert!(read(lines, NOW).unwrap_err().contains("one line"));
    let mut many = publication("calendar/1", "busy", 0, NOW + 5);
    many.spans = vec![many.spans[0].clone(); 65];
    assert!(read(many, NOW).unwrap_err().contains("the limit is 64"));
}

#[tokio::test]
async fn each_publication_of_a_batch_has_its_own_answer() {
    let service = Service::new(Fake::pair());
    let mut unknown = publication("manual", "away", 0, 0);
    unknown.user = "nobody@example.com".to_owned();
    let past = publication("phone/1", "off-hook", 0, 1);
    let publications = vec![unknown.clone(), past];
    let batch = proto::PublishRequest { publications };
    let answer = publish(&service, BY, batch).await.unwrap();
    assert_eq!(answer.refusals[0], "there is no user nobody@example.com");
    assert!(answer.refusals[1].contains("it ended at"));
    assert_eq!(answer.kinds, ["unknown-user", "cannot-be"]);
    let publications = vec![unknown; 501];
    let refused = publish(&service, BY, proto::PublishRequest { publications }).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let fresh = publish(
        &Service::new(Fake::fresh()),
        BY,
        proto::PublishRequest::default(),
    )
    .await;
    assert_eq!(fresh.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn who_publishes_too_fast_is_told_so_for_each_that_is_not_taken() {
    let service = Service::new(Fake::pair());
    let one = publication("manual", "away", 0, 0);
    let mut refused = 0;
    for _ in 0..40 {
        let publications = vec![one.clone(); 500];
        let batch = proto::PublishRequest { publications };
        let answer = publish(&service, BY, batch).await.unwrap();
        let fast = answer
            .refusals
            .iter()
            .filter(|why| why.contains("2000 publications a second"));
        refused += fast.count();
    }
    assert!(refused > 5_000, "of 20,000 at once {refused} are refused");
    let batch = proto::PublishRequest {
        publications: vec![one],
    };
    let another = Publisher::Operator("another");
    let answer = publish(&service, another, batch).await.unwrap();
    assert!(!answer.refusals[0].contains("too fast"), "{answer:?}");
}
