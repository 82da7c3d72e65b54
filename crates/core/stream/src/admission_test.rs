use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + millis * 1_000_000)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn door() -> Admission<u32> {
    Admission::new(at(0), AdmissionConfig::default())
}

/// 64 at once, then a thousand a second.
fn thousand() -> Admission<u32> {
    let config = AdmissionConfig {
        burst: 64,
        rate: 1_000,
        ..AdmissionConfig::default()
    };
    Admission::new(at(0), config)
}

fn arrive(door: &mut Admission<u32>, now: Instant, clients: std::ops::Range<u32>) {
    for client in clients {
        door.handle(now, AdmissionInput::Arrived(client));
    }
}

fn admitted(door: &mut Admission<u32>) -> Vec<u32> {
    let outputs = std::iter::from_fn(|| door.poll());
    outputs
        .map(|output| match output {
            AdmissionOutput::Admit(client) => client,
            AdmissionOutput::Refuse(client, wait) => panic!("{client} refused: {wait:?}"),
        })
        .collect()
}

/// A node on which each client's work takes `work`, looked at every 20 ms: when each was let in.
fn storm(door: &mut Admission<u32>, clients: u32, work: Duration) -> Vec<(u32, u64)> {
    let mut let_in = Vec::new();
    let mut backlog = Duration::ZERO;
    arrive(door, at(0), 0..clients);
    for millis in 0..600_000 {
        let now = at(millis);
        door.wake(now);
        if millis % 20 == 0 {
            door.handle(now, AdmissionInput::Lag(backlog));
        }
        let new = admitted(door);
        backlog = backlog.saturating_sub(ms(1)) + work * u32::try_from(new.len()).unwrap();
        let_in.extend(new.into_iter().map(|client| (client, millis)));
        if let_in.len() == clients as usize {
            break;
        }
    }
    let_in
}

#[test]
fn a_few_are_let_in_at_once_and_the_next_when_there_is_a_token() {
    let mut door = thousand();
    arrive(&mut door, at(0), 0..66);
    assert_eq!(admitted(&mut door), (0..64).collect::<Vec<_>>());
    assert_eq!(door.waiting(), 2);
    assert_eq!(door.deadline(), Some(at(1)));
    door.wake(at(1));
    assert_eq!(admitted(&mut door), [64]);
    door.wake(at(2));
    assert_eq!(admitted(&mut door), [65]);
    assert_eq!(door.deadline(), None);
    assert!(!door.is_quiet());
    door.wake(at(66));
    assert!(door.is_quiet());
}

#[test]
fn a_storm_takes_what_the_machine_can_do_in_order_and_those_who_are_in_hardly_wait() {
    let clients = 4_000;
    for (micros, longest) in [(500, 70), (2_000, 100), (8_000, 400)] {
        let work = Duration::from_micros(micros);
        let let_in = storm(&mut door(), clients, work);
        let order: Vec<_> = let_in.iter().map(|(client, _)| *client).collect();
        assert_eq!(order, (0..clients).collect::<Vec<_>>());
        let end = let_in.last().unwrap().1;
        let possible = u64::from(clients) * micros / 1_000;
        assert!(end * 4 < possible * 5, "{micros} µs each: {end} ms");
        let (mut backlog, mut late) = (Duration::ZERO, 0);
        for millis in 0..=end {
            let new = let_in.iter().filter(|(_, at)| *at == millis).count();
            backlog = backlog.saturating_sub(ms(1)) + work * u32::try_from(new).unwrap();
            assert!(
                backlog < ms(longest),
                "{micros} µs each: {backlog:?} after {millis} ms"
            );
            late += u64::from(backlog > ms(80));
        }
        assert!(
            late * 20 < end,
            "{micros} µs each: {late} of {end} ms were late"
        );
    }
}

#[test]
fn whatever_the_load_is_nobody_starves() {
    let mut door = door();
    arrive(&mut door, at(0), 0..200);
    let mut seen = admitted(&mut door).len();
    let mut millis = 0;
    while seen < 200 {
        millis += 10;
        door.handle(at(millis), AdmissionInput::Lag(ms(5_000)));
        seen += admitted(&mut door).len();
        assert!(millis < 60_000, "{seen} of 200");
    }
    assert!(door.rate() >= 100);
}

#[test]
fn who_would_wait_too_long_is_told_how_long_and_those_before_keep_their_place() {
    let mut door = thousand();
    arrive(&mut door, at(0), 0..60_100);
    let mut outputs = Vec::new();
    while let Some(output) = door.poll() {
        outputs.push(output);
    }
    let refused = |output: &AdmissionOutput<u32>| match output {
        AdmissionOutput::Refuse(client, wait) => Some((*client, *wait)),
        AdmissionOutput::Admit(_) => None,
    };
    let refused: Vec<_> = outputs.iter().filter_map(refused).collect();
    assert_eq!(refused.len(), 35);
    assert!(refused.iter().all(|(_, wait)| *wait == ms(60_001)));
    assert_eq!(refused[0].0, 60_065);
    assert_eq!(door.waiting(), 60_065 - 64);
    door.wake(at(10));
    assert_eq!(admitted(&mut door)[0], 64);
}

#[test]
fn who_has_gone_takes_nobodys_place() {
    let mut door = thousand();
    arrive(&mut door, at(0), 0..66);
    for _ in 0..64 {
        door.poll().unwrap();
    }
    assert_eq!(door.poll(), None);
    door.handle(at(0), AdmissionInput::Gone);
    assert_eq!(door.poll(), Some(AdmissionOutput::Admit(64)));
    assert_eq!(door.poll(), None);
}

#[test]
fn who_gives_up_makes_the_wait_of_the_others_shorter() {
    let mut door = thousand();
    arrive(&mut door, at(0), 0..1_064);
    assert_eq!(admitted(&mut door).len(), 64);
    assert_eq!(door.wait(), ms(1_000));
    door.retain(|client| client % 10 == 0);
    assert_eq!(door.wait(), ms(100));
    door.wake(at(1));
    assert_eq!(admitted(&mut door), [70]);
}
