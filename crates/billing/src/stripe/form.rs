//! Parameters as the API takes them: `application/x-www-form-urlencoded`, nested with brackets, moments in seconds.

use std::fmt::Display;

use togglebox_core::Timestamp;

/// The parameters of a request, in the order in which they were added.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.add(name, value);
        self
    }

    pub(super) fn with_some(self, name: impl Into<String>, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn add(&mut self, name: impl Into<String>, value: impl Display) {
        self.0.push((name.into(), value.to_string()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Whole seconds since 1970.
pub(super) const fn seconds(moment: Timestamp) -> i64 {
    moment.as_ms().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        let form = Form::new().with("metadata[a&b]", "ü=1&x").with_some("none", None::<u8>).with_some("expand[]", Some("a.b"));
        let text = form.encoded();
        assert_eq!(text, "metadata%5Ba%26b%5D=%C3%BC%3D1%26x&expand%5B%5D=a.b");
        assert_eq!(form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>(), form.0);
        assert!(Form::new().is_empty() && Form::new().encoded().is_empty());
    }

    #[test]
    fn seconds_are_whole_ones() {
        assert_eq!([1999, 2000, -1].map(|ms| seconds(Timestamp::from_ms(ms))), [1, 2, -1]);
    }
}
