//! Files out of the page: a link to a blob that is clicked once.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// Offers `bytes` as a download.
pub(crate) fn download(name: &str, media_type: &str, bytes: &[u8]) -> Result<(), String> {
    offer(name, media_type, &Uint8Array::from(bytes))
}

/// As [`download`], of bytes that JavaScript holds.
pub(crate) fn offer(name: &str, media_type: &str, bytes: &Uint8Array) -> Result<(), String> {
    save(name, media_type, bytes).ok_or_else(|| format!("{name} could not be saved: the browser refused the download"))
}

fn save(name: &str, media_type: &str, bytes: &Uint8Array) -> Option<()> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    let blob = Blob::new_with_u8_array_sequence_and_options(&Array::of1(bytes), &options).ok()?;
    let url = Url::create_object_url_with_blob(&blob).ok()?;
    let document = web_sys::window()?.document()?;
    let link: HtmlAnchorElement = document.create_element("a").ok()?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The download has its own reference to the blob by now in every current browser, but not yet in the same turn of the event loop.
    gloo::timers::callback::Timeout::new(10_000, move || drop(Url::revoke_object_url(&url))).forget();
    Some(())
}

/// The bytes of a `data:` address as Plotly writes them: base64 for PNG, percent-encoded text for SVG.
pub(super) fn bytes_of_data_url(url: &str) -> Result<Vec<u8>, String> {
    let (head, body) = url.split_once(',').ok_or("the plot library gave no image")?;
    if head.ends_with(";base64") {
        base64(body).ok_or_else(|| "the image is damaged".into())
    } else {
        percent_decoded(body).ok_or_else(|| "the image is damaged".into())
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0u32, 0);
    for c in text.bytes().take_while(|&c| c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push(u8::try_from(bits >> n_bits & 0xff).ok()?);
        }
    }
    Some(out)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&c, tail)) = rest.split_first() {
        if c == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            out.push(c);
            rest = tail;
        }
    }
    Some(out)
}

/// A file name from a title: letters, digits and hyphens.
#[must_use]
pub(crate) fn file_stem(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_of_data_addresses_are_read() {
        assert_eq!(bytes_of_data_url("data:image/png;base64,aGVsbG8="), Ok(b"hello".to_vec()));
        assert_eq!(bytes_of_data_url("data:image/svg+xml,%3Csvg%3E a"), Ok(b"<svg> a".to_vec()));
        assert!(bytes_of_data_url("data:image/png;base64,a?").is_err(), "not base64");
        assert!(bytes_of_data_url("nothing").is_err(), "no comma");
        assert!(bytes_of_data_url("data:,%e").is_err(), "cut off");
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_stem("RDM of IT (left): r"), "rdm-of-it-left-r");
    }
}
