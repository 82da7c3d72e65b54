//! Slows down who guesses passwords: failed logins, counted for each address and each account.

use crate::ledger::Ledger;
use muster_types::{BareJid, Instant};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How many failures in a row are borne, and how fast they are forgiven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Failures in a row.
    pub burst: u32,
    /// One failure is forgiven each time this passes.
    pub refill: Duration,
}

/// How failed logins are counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThrottleConfig {
    /// From one address, whatever the account. An IPv6 network of 64 bits is one address.
    pub address: Allowance,
    /// For one account from one address.
    pub account_from_address: Allowance,
    /// For one account from anywhere.
    pub account: Allowance,
    /// How many of each are remembered.
    pub remembered: usize,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        let allowance = |burst, seconds| Allowance {
            burst,
            refill: Duration::from_secs(seconds),
        };
        Self {
            // A site behind one address has many users, some with an old password saved.
            address: allowance(50, 2),
            account_from_address: allowance(10, 30),
            account: allowance(100, 10),
            remembered: 10_000,
        }
    }
}

/// Remembers failed logins. Ask before each password check, tell of each outcome.
///
/// A stranger who guesses at an account must not lock its user out: where the account has logged
/// in from lately, only failures from that same address count.
#[derive(Debug)]
pub struct Throttle {
    addresses: Buckets<IpAddr>,
    pairs: Buckets<(BareJid, IpAddr)>,
    accounts: Buckets<BareJid>,
    /// Where accounts have logged in from, and when last.
    known: Ledger<(BareJid, IpAddr)>,
}

impl Throttle {
    /// Nothing is remembered yet.
    pub const fn new(config: &ThrottleConfig) -> Self {
        let remembered = config.remembered;
        Self {
            addresses: Buckets::new(config.address, remembered),
            pairs: Buckets::new(config.account_from_address, remembered),
            accounts: Buckets::new(config.account, remembered),
            known: Ledger::new(remembered),
        }
    }

    /// Whether a login for `account` from `address` may be tried.
    pub fn allows(&self, now: Instant, address: IpAddr, account: &BareJid) -> bool {
        let pair = (account.clone(), network(address));
        let at_home = self.known.find(&pair).is_some();
        self.pairs.allows(now, &pair)
            && (at_home
                || self.addresses.allows(now, &pair.1) && self.accounts.allows(now, account))
    }

    /// A login failed; `account` is whom it was for, where it came so far.
    pub fn failed(&mut self, now: Instant, address: IpAddr, account: Option<&BareJid>) {
        let network = network(address);
        self.addresses.spend(now, network);
        if let Some(account) = account {
            self.pairs.spend(now, (account.clone(), network));
            self.accounts.spend(now, account.clone());
        }
    }

    /// A login succeeded: the account's failures from that address were slips.
    pub fn succeeded(&mut self, now: Instant, address: IpAddr, account: &BareJid) {
        let pair = (account.clone(), network(address));
        self.pairs.debts.remove(&pair);
        self.known.put(pair, now);
    }
}

/// Whoever has one IPv6 address usually has the 64 bits below it too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Token buckets, each kept as the instant when all of its failures are forgiven. When there is no
/// room, the one that is nearest to that is forgotten.
#[derive(Debug)]
struct Buckets<K> {
    allowance: Allowance,
    debts: Ledger<K>,
}

impl<K: Ord + Clone> Buckets<K> {
    const fn new(allowance: Allowance, remembered: usize) -> Self {
        Self {
            allowance,
            debts: Ledger::new(remembered),
        }
    }

    fn allows(&self, now: Instant, key: &K) -> bool {
        let Allowance { burst, refill } = self.allowance;
        let debt = self
            .debts
            .find(key)
            .map_or(Duration::ZERO, |until| until.since(now));
        debt.saturating_add(refill) <= refill.saturating_mul(burst)
    }

    fn spend(&mut self, now: Instant, key: K) {
        let Allowance { burst, refill } = self.allowance;
        let until = self.debts.find(&key).unwrap_or(now).max(now);
        // No debt grows above the burst: who stops guessing is forgiven in a time known before.
        self.debts.put(
            key,
            (until + refill).min(now + refill.saturating_mul(burst)),
        );
    }
}
