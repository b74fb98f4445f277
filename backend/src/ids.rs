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
}
