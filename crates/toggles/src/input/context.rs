//! For whom a flag or an experiment is evaluated.

use serde_json::Value;
use togglebox_core::input::{Issues, Reader};

use crate::Context;

/// The user of an evaluation. A query string is read as an object whose repeated parameters are arrays (and so are refused).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationContext {
    /// Who, at least one character.
    pub user_id: String,
    /// Two UTF-16 units.
    pub country: Option<String>,
    /// Two UTF-16 units.
    pub language: Option<String>,
}

impl EvaluationContext {
    /// A user by the same rules as [`read`](Self::read)'s, without a document; `None` when one of them is broken.
    pub fn of<'a>(user_id: &'a str, country: Option<&'a str>, language: Option<&'a str>) -> Option<Context<'a>> {
        let sound = |text: Option<&str>| text.is_none_or(|text| text.encode_utf16().take(3).count() == 2);
        let is_sound = !user_id.is_empty() && sound(country) && sound(language);
        is_sound.then(|| Context::new(user_id).country(country).language(language))
    }

    /// Reads `{userId, country?, language?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let context = root.object().and_then(|_| {
            let user_id = root.field("userId").text().min(1, "userId is required").owned();
            let country = root.field("country").optional(two_units);
            let language = root.field("language").optional(two_units);
            Some(Self { user_id: user_id?, country: country?, language: language? })
        });
        root.finish(context)
    }

    /// The same as evaluation takes it.
    pub fn context(&self) -> Context<'_> {
        Context::new(&self.user_id).country(self.country.as_deref()).language(self.language.as_deref())
    }
}

fn two_units(place: &Reader<'_>) -> Option<String> {
    place.text().length(2, "String must contain exactly 2 character(s)").owned()
}
