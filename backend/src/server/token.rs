//! The token: a secret that no log can show.

/// Characters from which on a token cannot be guessed over a network: 22 of 64 kinds are 132 bits.
const UNGUESSABLE_CHARS: usize = 22;

/// What requests must carry. It prints as `…`, so that a set-up or a request that is logged does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares hashes in constant time: how long it takes tells nothing about the token.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        blake3::hash(given.as_bytes()) == blake3::hash(self.0.as_bytes())
    }

    /// Whether it is too long for guesses, so that how often somebody guesses does not matter.
    #[must_use]
    pub fn is_unguessable(&self) -> bool {
        self.0.len() >= UNGUESSABLE_CHARS
    }

    /// Whether it fits into an address and a header as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::from("open-sesame");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(token.is("open-sesame") && !token.is("open-sesam") && !token.is(""), "only itself");
        assert!(token.is_plain() && !Token::from("a/b").is_plain() && !Token::from("").is_plain(), "letters, digits and -_.~");
        assert!(!token.is_unguessable() && Token::from("0123456789abcdef0123456789abcdef").is_unguessable(), "by its length");
    }
}
