//! Who asks, as typed attributes.

/// What is known about the one who asks. Borrowed and cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    user_id: &'a str,
    country: Option<&'a str>,
    language: Option<&'a str>,
    attributes: &'a [(&'a str, AttributeValue<'a>)],
}

impl<'a> Context<'a> {
    /// A user of whom nothing else is known.
    pub const fn new(user_id: &'a str) -> Self {
        Self { user_id, country: None, language: None, attributes: &[] }
    }

    /// Where the user is. Empty text counts as absent.
    #[must_use]
    pub fn country(self, country: Option<&'a str>) -> Self {
        Self { country: country.filter(|text| !text.is_empty()), ..self }
    }

    /// What the user speaks. Empty text counts as absent.
    #[must_use]
    pub fn language(self, language: Option<&'a str>) -> Self {
        Self { language: language.filter(|text| !text.is_empty()), ..self }
    }

    /// Anything else, by name. Of a repeated name the first counts. Looked up one by one: meant for a handful.
    #[must_use]
    pub const fn attributes(self, attributes: &'a [(&'a str, AttributeValue<'a>)]) -> Self {
        Self { attributes, ..self }
    }

    /// The user's id, by which users are split.
    pub const fn user_id(&self) -> &'a str {
        self.user_id
    }

    /// What is known of `attribute`.
    pub fn get(&self, attribute: &Attribute) -> Option<AttributeValue<'a>> {
        match attribute {
            Attribute::UserId => Some(AttributeValue::Text(self.user_id)),
            Attribute::Country => self.country.map(AttributeValue::Text),
            Attribute::Language => self.language.map(AttributeValue::Text),
            Attribute::Named(name) => self.attributes.iter().find(|(given, _)| *given == &**name).map(|(_, value)| *value),
        }
    }

    /// What is known of `attribute`, if that is text.
    pub fn text(&self, attribute: &Attribute) -> Option<&'a str> {
        match self.get(attribute) {
            Some(AttributeValue::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Which attribute a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attribute {
    /// The user's id.
    UserId,
    /// Where the user is.
    Country,
    /// What the user speaks.
    Language,
    /// One of [`Context::attributes`].
    Named(Box<str>),
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// Any text.
    Text(&'a str),
    /// Any number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
}
