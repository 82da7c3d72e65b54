use crate::{Throttle, ThrottleConfig};
use muster_types::{BareJid, Instant};
use std::net::IpAddr;
use std::time::Duration;

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn throttle() -> Throttle {
    Throttle::new(&ThrottleConfig::default())
}

#[test]
fn an_account_is_throttled_after_ten_failures_and_forgiven_one_by_one() {
    let (alice, address) = (jid("alice@example.com"), ip("192.0.2.1"));
    let mut throttle = throttle();
    for _ in 0..10 {
        assert!(throttle.allows(NOW, address, &alice));
        throttle.failed(NOW, address, Some(&alice));
    }
    assert!(!throttle.allows(NOW, address, &alice));
    assert!(!throttle.allows(NOW + Duration::from_secs(29), address, &alice));
    let later = NOW + Duration::from_secs(30);
    assert!(throttle.allows(later, address, &alice));
    throttle.failed(later, address, Some(&alice));
    assert!(!throttle.allows(later, address, &alice));
}

#[test]
fn an_address_is_throttled_over_all_accounts() {
    let mut throttle = throttle();
    for i in 0..50 {
        throttle.failed(
            NOW,
            ip("2001:db8::1"),
            Some(&jid(&format!("user{i}@example.com"))),
        );
    }
    let alice = jid("alice@example.com");
    assert!(
        !throttle.allows(NOW, ip("2001:db8::2"), &alice),
        "the same network"
    );
    assert!(throttle.allows(NOW, ip("2001:db8:0:1::1"), &alice));
}

#[test]
fn mapped_addresses_are_ipv4() {
    let (mut throttle, alice) = (throttle(), jid("alice@example.com"));
    for _ in 0..10 {
        throttle.failed(NOW, ip("::ffff:192.0.2.1"), Some(&alice));
    }
    assert!(!throttle.allows(NOW, ip("192.0.2.1"), &alice));
    assert!(throttle.allows(NOW, ip("192.0.2.2"), &alice));
}

#[test]
fn guessing_from_everywhere_is_throttled_but_not_where_the_user_is_known() {
    let (mut throttle, alice) = (throttle(), jid("alice@example.com"));
    let home = ip("192.0.2.1");
    throttle.succeeded(NOW, home, &alice);
    for i in 0..100 {
        throttle.failed(NOW, ip(&format!("198.51.100.{i}")), Some(&alice));
    }
    assert!(!throttle.allows(NOW, ip("203.0.113.1"), &alice));
    assert!(throttle.allows(NOW, home, &alice));
}

#[test]
fn a_success_forgives() {
    let (mut throttle, alice, home) = (throttle(), jid("alice@example.com"), ip("192.0.2.1"));
    for _ in 0..10 {
        throttle.failed(NOW, home, Some(&alice));
    }
    throttle.succeeded(NOW, home, &alice);
    assert!(throttle.allows(NOW, home, &alice));
}

#[test]
fn long_guessing_is_not_owed_for_ever() {
    let (mut throttle, alice, home) = (throttle(), jid("alice@example.com"), ip("192.0.2.1"));
    for _ in 0..10_000 {
        throttle.failed(NOW, home, Some(&alice));
    }
    assert!(throttle.allows(NOW + Duration::from_secs(30), home, &alice));
}
