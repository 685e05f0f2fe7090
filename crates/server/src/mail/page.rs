//! What stands in a mail, as text and as HTML.

use std::fmt;

use togglebox_http::escape_html;

/// Paragraphs and links. Secret like what is in it: a link may set a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Page(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Paragraph(String),
    Link { label: Option<String>, url: String },
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.0.len()).finish()
    }
}

impl Page {
    /// Of a text whose paragraphs have an empty line between them. One that is nothing but an address is a link.
    pub(crate) fn of_text(text: &str) -> Self {
        let paragraphs = text.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
        Self(
            paragraphs
                .map(|text| {
                    if is_url(text) {
                        Piece::Link { label: None, url: text.to_owned() }
                    } else {
                        Piece::Paragraph(text.to_owned())
                    }
                })
                .collect(),
        )
    }

    /// With another paragraph.
    #[cfg(feature = "cloud")]
    pub(crate) fn say(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Paragraph(text.into()));
        self
    }

    /// With a link that leads where `label` says. An address that is none of the web stands there as text.
    #[cfg(feature = "cloud")]
    pub(crate) fn lead(mut self, label: &str, url: &str) -> Self {
        self.0.push(if is_url(url) {
            Piece::Link { label: Some(label.to_owned()), url: url.to_owned() }
        } else {
            Piece::Paragraph(format!("{label}: {url}"))
        });
        self
    }

    /// For those who read plain text.
    pub(crate) fn text(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Paragraph(text) => format!("{text}\n"),
            Piece::Link { label: None, url } => format!("{url}\n"),
            Piece::Link { label: Some(label), url } => format!("{label}:\n{url}\n"),
        });
        pieces.collect::<Vec<_>>().join("\n")
    }

    /// For those who read HTML.
    pub(crate) fn html(&self, title: &str) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Paragraph(text) => format!("<p>{}</p>\n", escape_html(text).replace('\n', "<br>\n")),
            Piece::Link { label, url } => {
                let url = escape_html(url);
                let label = label.as_deref().map_or_else(|| url.clone(), escape_html);
                format!("<p><a href=\"{url}\">{label}</a></p>\n")
            }
        });
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body style=\"font-family: sans-serif; line-height: 1.5\">\n{}</body>\n</html>\n",
            escape_html(title),
            pieces.collect::<String>()
        )
    }
}

fn is_url(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_words_and_its_link_can_be_followed() {
        let text = "A & B invite you.\n\nTo join, open this link:\n\nhttps://x.test/?a=1&b='2'\n\nIf not,\nignore this mail.\n";
        let page = Page::of_text(text);
        assert_eq!(page.text(), text);
        let html = page.html("<Hello>");
        assert!(html.contains("<title>&lt;Hello&gt;</title>") && html.contains("<p>A &amp; B invite you.</p>"), "{html}");
        let link = "https://x.test/?a=1&amp;b=&#39;2&#39;";
        assert!(html.contains(&format!("<p><a href=\"{link}\">{link}</a></p>")), "{html}");
        assert!(html.contains("<p>If not,<br>\nignore this mail.</p>"), "{html}");
    }

    #[test]
    fn only_the_web_is_led_to() {
        for bad in ["javascript:alert(1)", "https://x.test/ onclick=x", "see https://x.test"] {
            let html = Page::of_text(bad).html("");
            assert!(!html.contains("<a "), "{html}");
        }
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn links_have_labels() {
        let page = Page::default().say("Hello <b>").lead("Go on", "https://x.test/\"").lead("Not there", "javascript:x");
        assert_eq!(page.text(), "Hello <b>\n\nGo on:\nhttps://x.test/\"\n\nNot there: javascript:x\n");
        let html = page.html("");
        assert!(
            html.contains("<p>Hello &lt;b&gt;</p>") && html.contains("<a href=\"https://x.test/&quot;\">Go on</a>"),
            "{html}"
        );
        assert!(html.contains("<p>Not there: javascript:x</p>"), "{html}");
    }

    #[test]
    fn nothing_shows_what_is_in_it() {
        assert_eq!(format!("{:?}", Page::of_text("https://x.test/token")), "Page(1)");
    }
}
