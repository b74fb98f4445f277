//! Wrong tokens, counted by address.
//!
//! Only failures are counted, each different one once: a script with an old token that asks again and again guesses nothing.
//! A right token that nobody can guess always passes, so that a stranger behind the same address locks nobody out. A short token that
//! somebody chose has to wait as well while its address guesses: were right tokens told from wrong ones all the time, there would be no limit.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a guess counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; the one that guessed longest ago is forgotten first.
const MAX_ADDRESSES: usize = 4096;

/// The recent wrong tokens of each address.
#[derive(Debug)]
pub(super) struct Guesses {
    per_minute: usize,
    recent: Mutex<BTreeMap<Address, VecDeque<(Instant, u64)>>>,
}

/// Who guesses: an IPv4 address, or the network of an IPv6 address, of which one machine has as many as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Address(u128);

impl Address {
    fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            None => Self(0),
            Some(IpAddr::V4(ip)) => Self(u128::from(u32::from(ip))),
            Some(IpAddr::V6(ip)) => Self(u128::from(ip) >> 64 << 64 | 1 << 63),
        }
    }
}

/// The address guessed too often; the time until it may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) Duration);

impl Guesses {
    pub(super) fn new(per_minute: usize) -> Self {
        Self { per_minute: per_minute.max(1), recent: Mutex::default() }
    }

    /// Whether an address may try a token now.
    pub(super) fn check(&self, ip: Option<IpAddr>, now: Instant) -> Result<(), TooMany> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(guesses) = recent.get_mut(&Address::of(ip)) else { return Ok(()) };
        forget_old(guesses, now);
        match guesses.front() {
            Some((oldest, _)) if guesses.len() >= self.per_minute => Err(TooMany(WINDOW.saturating_sub(now.duration_since(*oldest)))),
            _ => Ok(()),
        }
    }

    /// Notes a wrong token.
    pub(super) fn note(&self, ip: Option<IpAddr>, guess: &str, now: Instant) -> Result<(), TooMany> {
        self.check(ip, now)?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Address::of(ip);
        if recent.len() >= MAX_ADDRESSES && !recent.contains_key(&address) {
            make_room(&mut recent, now);
        }
        let guesses = recent.entry(address).or_default();
        let hash = fingerprint(guess);
        if !guesses.iter().any(|(_, known)| *known == hash) {
            guesses.push_back((now, hash));
        }
        Ok(())
    }
}

fn forget_old(guesses: &mut VecDeque<(Instant, u64)>, now: Instant) {
    while guesses.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
        guesses.pop_front();
    }
}

fn make_room(recent: &mut BTreeMap<Address, VecDeque<(Instant, u64)>>, now: Instant) {
    recent.retain(|_, guesses| {
        forget_old(guesses, now);
        !guesses.is_empty()
    });
    if recent.len() < MAX_ADDRESSES {
        return;
    }
    let oldest = recent.iter().min_by_key(|(_, guesses)| guesses.back().map(|(at, _)| *at)).map(|(address, _)| *address);
    if let Some(address) = oldest {
        recent.remove(&address);
    }
}

/// Enough of a hash to tell guesses apart; the guess itself, perhaps a token with a typing error, is not kept.
fn fingerprint(guess: &str) -> u64 {
    let hash = blake3::hash(guess.as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn guesses_are_limited_for_each_address_and_forgotten_after_a_minute() {
        let guesses = Guesses::new(3);
        let start = Instant::now();
        let note = |who, guess, secs| guesses.note(ip(who), guess, start + Duration::from_secs(secs));
        for guess in ["a", "b", "b", "b", "c"] {
            assert_eq!(note("10.0.0.1", guess, 0), Ok(()), "three different ones");
        }
        assert_eq!(note("10.0.0.1", "d", 20), Err(TooMany(Duration::from_secs(40))));
        assert_eq!(note("::ffff:10.0.0.1", "d", 20), Err(TooMany(Duration::from_secs(40))), "the same address");
        assert_eq!(note("10.0.0.2", "d", 20), Ok(()), "another address");
        assert_eq!(guesses.check(ip("10.0.0.1"), start + Duration::from_secs(61)), Ok(()), "a minute later");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let guesses = Guesses::new(1);
        let note = |who, guess| guesses.note(ip(who), guess, Instant::now());
        assert_eq!(note("2001:db8::1", "a"), Ok(()));
        assert!(note("2001:db8::2:3", "b").is_err(), "the same network");
        assert_eq!(note("2001:db8:0:1::1", "b"), Ok(()), "another network");
    }

    #[test]
    fn memory_is_bounded() {
        let guesses = Guesses::new(2);
        let now = Instant::now();
        for n in 0..10_000u32 {
            guesses.note(Some(IpAddr::V4(n.into())), "a", now).expect("each address guesses once");
        }
        assert_eq!(guesses.recent.lock().expect("no panic").len(), MAX_ADDRESSES);
        for n in 0..1000 {
            guesses.note(ip("10.0.0.1"), &n.to_string(), now).ok();
        }
        let longest = guesses.recent.lock().expect("no panic").values().map(VecDeque::len).max();
        assert_eq!(longest, Some(2));
    }
}
