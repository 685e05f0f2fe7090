//! Versions of three numbers.

/// Which of a version's three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionPart {
    /// The first.
    Major,
    /// The second.
    Minor,
    /// The third.
    Patch,
}

/// Raises one number of `version` and zeroes those after it. Of each number only leading digits count (`1.2.3-beta` becomes `1.2.4`).
/// What has not three numbers gets `.1` appended.
pub fn bump_version(version: &str, part: VersionPart) -> String {
    let bumped = || {
        let mut parts = version.split('.').map(leading_integer);
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() {
            return None;
        }
        Some(match part {
            VersionPart::Major => format!("{}.0.0", major.checked_add(1)?),
            VersionPart::Minor => format!("{major}.{}.0", minor.checked_add(1)?),
            VersionPart::Patch => format!("{major}.{minor}.{}", patch.checked_add(1)?),
        })
    };
    bumped().unwrap_or_else(|| format!("{version}.1"))
}

fn leading_integer(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..end].parse().ok()
}
