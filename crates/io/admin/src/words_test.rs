use super::*;
use muster_types::Timestamp;

const NOW: u64 = 1_800_000_000_000;

#[test]
fn a_state_is_said_in_another_systems_words_by_what_it_is_like() {
    let mut lunch = Explanation {
        state: "lunch".to_owned(),
        like: vec!["break".to_owned(), "away".to_owned()],
        ..Explanation::default()
    };
    let table = words_table("lync").unwrap().unwrap();
    assert_eq!(elsewhere(table, &lunch).unwrap().word, "15500");
    lunch.until = Some(Timestamp(NOW));
    let table = words_table("openscape").unwrap().unwrap();
    let said = elsewhere(table, &lunch).unwrap();
    assert_eq!(
        (
            said.word.as_str(),
            said.note.starts_with("Lunch til: 2027-")
        ),
        ("Away", true)
    );
    lunch.state = "abroad".to_owned();
    lunch.like = Vec::new();
    assert_eq!(elsewhere(table, &lunch), None);
}
