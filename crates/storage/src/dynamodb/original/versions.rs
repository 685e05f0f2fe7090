//! Which of several versions clients get.

use super::finding::Notes;

/// A version of something that has several.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version<T> {
    pub(super) number: u64,
    /// What its own attribute says.
    pub(super) marked: bool,
    /// Whether it stands in the index of active versions, which is what the original reads.
    pub(super) indexed: bool,
    /// What it says; `None` when it cannot be taken.
    pub(super) taken: Option<T>,
}

/// Those versions that can be taken, ascending, and which of them clients get. `None` when there is none that could be it: told under
/// `key`, for here clients always get one.
pub(super) fn choose<T>(key: &str, mut versions: Vec<Version<T>>, notes: &mut Notes) -> Option<(u64, Vec<(u64, T)>)> {
    versions.sort_by_key(|version| version.number);
    let by_index = versions.iter().any(|version| version.indexed);
    let is_active = |version: &&Version<T>| if by_index { version.indexed } else { version.marked };
    let active: Vec<&Version<T>> = versions.iter().filter(is_active).collect();
    let Some(chosen) = active.iter().rev().find(|version| version.taken.is_some()) else {
        let why = if active.is_empty() {
            "no version of it is active: the original gives clients nothing, which cannot be kept"
        } else {
            "the version that clients get cannot be taken, and so none can"
        };
        notes.left(key, why);
        return None;
    };
    let chosen = chosen.number;
    if active.len() > 1 {
        notes.otherwise(key, format!("{} versions are active at once: clients get version {chosen} now", active.len()));
    } else if !by_index {
        notes.otherwise(key, format!("the original did not find the active version: clients get version {chosen} now"));
    }
    let taken = versions.into_iter().filter_map(|version| Some((version.number, version.taken?)));
    Some((chosen, taken.collect()))
}

#[cfg(test)]
mod tests {
    use super::super::OriginalTable;
    use super::*;

    fn chosen(versions: &[(u64, bool, bool, bool)]) -> (Option<u64>, usize) {
        let mut notes = Notes::of(OriginalTable::Flags);
        let versions = versions.iter().map(|&(number, marked, indexed, taken)| {
            let taken = taken.then_some(());
            Version { number, marked, indexed, taken }
        });
        let chosen = choose("k", versions.collect(), &mut notes).map(|(chosen, _)| chosen);
        (chosen, notes.into_findings().len())
    }

    #[test]
    fn the_active_version_is_the_one_in_the_index() {
        assert_eq!(chosen(&[(1, false, false, true), (2, true, true, true)]), (Some(2), 0));
        assert_eq!(chosen(&[(2, true, false, true), (1, false, true, true)]), (Some(1), 0), "as the original reads it");
        assert_eq!(chosen(&[(1, true, true, true), (2, true, true, true)]), (Some(2), 1), "a race");
        assert_eq!(chosen(&[(1, true, true, true), (2, true, true, false)]), (Some(1), 1));
        assert_eq!(chosen(&[(1, true, false, true)]), (Some(1), 1), "marked, but not in the index");
        assert_eq!(chosen(&[(1, false, false, true)]), (None, 1));
        assert_eq!(chosen(&[(1, false, false, true), (2, true, true, false)]), (None, 1));
        assert_eq!(chosen(&[]), (None, 1));
    }
}
