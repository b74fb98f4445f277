//! LZF, the fast compression of h5py (filter 32000).

/// Inflates to at most `most` bytes.
///
/// # Definition
/// A control byte c below 32 is followed by c + 1 literal bytes. Otherwise its upper three bits are a length (7: the next byte is added), and its lower five with the
/// next byte a distance; length + 2 bytes are repeated from distance + 1 bytes back.
///
/// # Source
/// liblzf 3.6, `lzf_d.c`.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&control) = bytes.get(at) {
        at += 1;
        let control = usize::from(control);
        if control < 32 {
            let literals = bytes.get(at..=at + control)?;
            if out.len() + literals.len() > most {
                return None;
            }
            out.extend_from_slice(literals);
            at += control + 1;
            continue;
        }
        let mut length = control >> 5;
        if length == 7 {
            length += usize::from(*bytes.get(at)?);
            at += 1;
        }
        let distance = ((control & 31) << 8 | usize::from(*bytes.get(at)?)) + 1;
        at += 1;
        let start = out.len().checked_sub(distance)?;
        if out.len() + length + 2 > most {
            return None;
        }
        // What is repeated may reach into what is being written.
        for i in start..start + length + 2 {
            out.push(out[i]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_reach_into_themselves_and_damage_is_seen() {
        // "a", then 9 bytes from 1 back.
        assert_eq!(inflate(&[0, b'a', 7 << 5, 0, 0], 10).expect("valid"), b"aaaaaaaaaa");
        assert_eq!(inflate(&[2, b'a', b'b', b'c', 1 << 5, 2], 6).expect("valid"), b"abcabc");
        for (damaged, most) in
            [(&[0, b'a', 7 << 5, 0, 0][..], 9), (&[0, b'a', 1 << 5, 1], 9), (&[3, 1], 9), (&[7 << 5], 9), (&[1, 1, 1], 1)]
        {
            assert_eq!(inflate(damaged, most), None, "{damaged:?}");
        }
    }
}
