//! Text in pages.

use std::borrow::Cow;

/// Text that stays text in HTML, within attributes too.
pub fn escape_html(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_is_copied_only_if_it_has_to_be() {
        assert_eq!(
            escape_html("<a href='x'>\"Fish & Chips\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&quot;Fish &amp; Chips&quot;&lt;/a&gt;"
        );
        assert!(matches!(escape_html("Fish"), Cow::Borrowed("Fish")));
    }
}
