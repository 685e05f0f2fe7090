//! E-mail addresses as values.

use std::fmt;

use crate::input::is_email;

/// A text that is not an e-mail address of 5 to 255 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEmail;

impl fmt::Display for InvalidEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("email must be an e-mail address of 5 to 255 characters")
    }
}

impl std::error::Error for InvalidEmail {}

/// An e-mail address as its owner writes it. Two addresses that differ in case only are one account: see [`key`](Self::key).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Takes `text` without the white space around it.
    ///
    /// # Errors
    /// [`InvalidEmail`].
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if (5..=255).contains(&text.len()) && is_email(text) { Ok(Self(text.to_owned())) } else { Err(InvalidEmail) }
    }

    /// As its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what accounts are found by, and unique in.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_make_another_account() {
        let (a, b) = (Email::new(" Ann@Example.com ").unwrap(), Email::new("ann@example.com").unwrap());
        assert_eq!(a.key(), b.key());
        assert_eq!(a.as_str(), "Ann@Example.com");
        assert!(Email::new("a@b").is_err());
    }
}
