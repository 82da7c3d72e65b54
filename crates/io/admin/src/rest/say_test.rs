use super::*;

const NOW: u64 = 1_800_000_000_000;

fn read_spans(json: &str) -> Result<Vec<Span>, String> {
    let saying: Saying = serde_json::from_str(json).map_err(|why| why.to_string())?;
    spans(saying, NOW)
}

#[test]
fn one_state_or_several_spans_are_read_with_their_times() {
    let one = read_spans(r#"{"state":"busy","note":"Budget","expires_in":60}"#).unwrap();
    assert_eq!(one[0].says, "busy");
    assert_eq!(one[0].note, "Budget");
    assert_eq!((one[0].begins_ms, one[0].ends_ms), (0, NOW + 60_000));
    let several = read_spans(
        r#"{"spans":[{"state":"busy","start":"2027-01-15T10:00:00+01:00","end":"2027-01-15T10:00:00Z"},
                     {"state":"free","start":"1970-01-01T00:00:00Z"}]}"#,
    );
    let several = several.unwrap();
    assert_eq!(several[0].ends_ms - several[0].begins_ms, 3_600_000);
    assert_eq!(several[1].begins_ms, 1, "a time, though a past one");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for (json, part) in [
        ("{}", "either state, or spans"),
        (r#"{"state":"busy","spans":[]}"#, "either state, or spans"),
        (r#"{"spans":[]}"#, "use DELETE"),
        (r#"{"spans":[{"state":"busy"}],"note":"x"}"#, "into each"),
        (
            r#"{"state":"busy","end":"2027-01-15T10:00:00Z","expires_in":1}"#,
            "either end or expires_in",
        ),
        (r#"{"state":"busy","expires_in":0}"#, "use DELETE"),
        (r#"{"state":"busy","end":"tomorrow"}"#, "write it like"),
        (r#"{"state":"busy","until":"2027"}"#, "unknown field"),
        (r#"{"state":"busy","words_of":""}"#, "leave it out"),
        (r#"{"state":7}"#, "expected a string"),
    ] {
        let why = read_spans(json).unwrap_err();
        assert!(why.contains(part), "{json}: {why}");
    }
}
