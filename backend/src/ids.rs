//! Random identifiers and the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// 128 random bits as 32 hexadecimal digits: tokens and job ids.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_hex() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(format!("no randomness from the operating system: {e}")))?;
    Ok(hex(&bytes))
}

/// A short id that names a log entry; not a secret, so that a clock may stand in for missing randomness.
#[must_use]
pub fn request_id() -> String {
    let mut bytes = [0u8; 6];
    if getrandom::fill(&mut bytes).is_err() {
        bytes.copy_from_slice(&now_ms().to_le_bytes()[..6]);
    }
    hex(&bytes)
}

/// Unix time in milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock for people: `2026-11-30T05:50:48Z`.
#[must_use]
pub fn now_text() -> String {
    utc_text(now_ms() / 1000)
}

/// Seconds since 1970 as a date of the Gregorian calendar, after Howard Hinnant's `civil_from_days`.
fn utc_text(secs: u64) -> String {
    let (days, of_day) = (secs / 86_400 + 719_468, secs % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing into a String cannot fail.
        write!(out, "{byte:02x}").ok();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_128_bits_and_differ() {
        let (a, b) = (random_hex().expect("random"), random_hex().expect("random"));
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }

    #[test]
    fn seconds_become_dates() {
        let cases = [(0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_868_799, "2000-02-29T23:59:59Z")];
        for (secs, text) in cases.into_iter().chain([(1_735_689_599, "2024-12-31T23:59:59Z"), (1_796_017_848, "2026-11-30T05:50:48Z")]) {
            assert_eq!(utc_text(secs), text);
        }
    }
}
