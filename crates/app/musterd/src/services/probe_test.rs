use super::*;

const EVERY: Duration = Duration::from_secs(2);

/// A probe of a service with a delay of 10 s, and when it began.
fn begun() -> (Probe, Instant) {
    let begin = Instant::now();
    let rhythm = Rhythm::of(Duration::from_secs(10));
    (Probe::new(rhythm, begin), begin)
}

#[test]
fn a_service_that_answers_is_up_and_asked_again_after_a_while() {
    let (mut probe, begin) = begun();
    probe.look(begin).unwrap().good();
    assert!(probe.look(begin + EVERY / 2).is_none());
    probe.look(begin + EVERY).unwrap().good();
    assert!(probe.look(begin + EVERY * 2).is_some());
    assert_eq!(probe.down_since(), None);
}

#[test]
fn a_question_that_is_dropped_shows_that_nobody_is_there() {
    let (mut probe, begin) = begun();
    drop(probe.look(begin));
    probe.look(begin + Duration::from_millis(100));
    assert_eq!(probe.down_since(), Some(begin));
    drop(probe.look(begin + EVERY).unwrap());
    probe.look(begin + EVERY * 2).unwrap().good();
    assert_eq!(probe.down_since(), Some(begin), "since the first time");
    probe.look(begin + EVERY * 2);
    assert_eq!(probe.down_since(), None);
}

#[test]
fn a_service_that_does_not_answer_is_down_since_it_was_asked_and_up_when_it_does() {
    let (mut probe, begin) = begun();
    let answer = probe.look(begin).unwrap();
    assert!(probe.look(begin + Duration::from_millis(900)).is_none());
    assert_eq!(probe.down_since(), None);
    assert!(probe.look(begin + EVERY * 9).is_none(), "one at a time");
    assert_eq!(probe.down_since(), Some(begin));
    answer.good();
    assert!(probe.look(begin + EVERY * 9).is_some());
    assert_eq!(probe.down_since(), None);
}

#[test]
fn every_part_has_to_answer() {
    let (mut probe, begin) = begun();
    let first = probe.look(begin).unwrap();
    let second = first.another();
    first.good();
    probe.look(begin + EVERY);
    assert_eq!(probe.down_since(), Some(begin), "one is missing");
    second.good();
    let first = probe.look(begin + EVERY).unwrap();
    assert_eq!(probe.down_since(), None);
    drop(first.another());
    first.good();
    probe.look(begin + EVERY);
    assert_eq!(probe.down_since(), Some(begin + EVERY), "one is gone");
}

#[test]
fn a_pause_of_the_whole_process_says_nothing_of_a_service() {
    let (mut probe, begin) = begun();
    let answer = probe.look(begin).unwrap();
    let pause = Duration::from_secs(60);
    probe.excuse(pause);
    assert!(probe.look(begin + pause).is_none());
    assert_eq!(probe.down_since(), None);
    answer.good();
    assert!(probe.look(begin + pause).is_some());
}
