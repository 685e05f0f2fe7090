//! Files that hold secrets and that others may read.

use std::fs;
use std::path::Path;

/// Warns when others than its owner may read or change the file at `path`. `what` begins the sentence.
///
/// The file is used all the same: on some volumes modes cannot be set, and a server that stops after an update helps nobody.
pub(crate) fn warn_of(what: &str, path: &Path) {
    if let Some(mode) = open_to_others(path) {
        let file = path.display();
        tracing::warn!("{what} {file} is open to others than its owner (mode {mode:03o}): `chmod 600 {file}` keeps it private");
    }
}

/// The mode of the file at `path`, if it lets others in. A file that cannot be looked at lets nobody in: whoever reads it says why.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_or_shows_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        assert_eq!(open_to_others(&file), None, "there is none");
        fs::write(&file, "x").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o700, None),
            (0o640, Some(0o640)),
            (0o604, Some(0o604)),
            (0o644, Some(0o644)),
            (0o620, Some(0o620)),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(&file), expected, "{mode:o}");
        }
    }
}
