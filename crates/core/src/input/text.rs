//! Checks of texts.

use super::Reader;

/// Text under inspection. Each check notes its own problem; [`get`](Self::get) gives the text only when all passed.
#[derive(Debug)]
#[must_use]
pub struct Text<'r, 'v> {
    reader: &'r Reader<'v>,
    value: Option<&'v str>,
    sound: bool,
}

impl<'r, 'v> Text<'r, 'v> {
    pub(super) const fn new(reader: &'r Reader<'v>, value: Option<&'v str>) -> Self {
        Self { reader, value, sound: true }
    }

    /// At least `units` UTF-16 code units, the unit in which the contract counts.
    pub fn min(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| units == 0 || text.encode_utf16().nth(units - 1).is_some(), message)
    }

    /// At most `units` UTF-16 code units.
    pub fn max(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| text.encode_utf16().nth(units).is_none(), message)
    }

    /// Exactly `units` UTF-16 code units.
    pub fn length(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| text.encode_utf16().take(units + 1).count() == units, message)
    }

    /// Whatever `accepts` says.
    pub fn check(mut self, accepts: impl FnOnce(&str) -> bool, message: impl Into<String>) -> Self {
        if self.value.is_some_and(|text| !accepts(text)) {
            self.reader.issue(message);
            self.sound = false;
        }
        self
    }

    /// The text, when every check passed.
    pub fn get(self) -> Option<&'v str> {
        self.value.filter(|_| self.sound)
    }

    /// The text as an owned value, when every check passed.
    pub fn owned(self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}
