//! The secret that is made at the first start.
//!
//! The secret of the database `NAME` is kept beside it in `NAME.secret`, the whole file name included: `box.db` and `box.sqlite` in
//! one folder are two databases with two secrets. Earlier versions left the extension out (`box.secret`). A file of that name goes on
//! being used as it is, so that an update ends no session and voids no key, while
//! - there is no file of the new name, and
//! - the database was there before this start: one that is only now made has nothing that the earlier secret signed.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use togglebox_auth::weakness;
use togglebox_core::{Entropy, EntropyExt as _};

/// Where the secret of the database at `path` is kept, or will be: beside it.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    let (own, earlier) = (own_file(path), earlier_file(path));
    // In this order, and not the other way round: a process that starts at once publishes its secret before it makes the database.
    let was_there = path.exists();
    if !own.exists() && was_there && earlier != path && earlier.exists() { earlier } else { own }
}

/// Under which name a secret is made for the database at `path`.
pub(crate) fn own_file(path: &Path) -> PathBuf {
    appended(path, ".secret")
}

fn earlier_file(path: &Path) -> PathBuf {
    path.with_extension("secret")
}

fn appended(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// A secret, the file that it is in, and whether it was made just now.
pub(crate) struct Kept {
    pub(crate) secret: SecretString,
    pub(crate) file: PathBuf,
    pub(crate) made: bool,
}

/// The secret kept for the database at `path`, if there is one.
pub(crate) fn find(path: &Path) -> anyhow::Result<Option<SecretString>> {
    let file = file_of(path);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim().to_owned().into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// The secret kept for the database at `path`; makes one when there is none. Two processes that start at once end up with the same.
pub(crate) fn keep(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<Kept> {
    loop {
        let file = file_of(path);
        match fs::read_to_string(&file) {
            Ok(text) => {
                let text = text.trim();
                if let Some(problem) = weakness(text) {
                    bail!(
                        "the secret in {} {problem}; delete the file to have another made (this ends every session)",
                        file.display()
                    );
                }
                return Ok(Kept { secret: text.to_owned().into(), file, made: false });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
        let secret = entropy.hex::<32>();
        match publish(&file, &secret, &entropy.hex::<8>()) {
            Ok(()) => return Ok(Kept { secret: secret.into(), file, made: true }),
            // Another process was faster: take its secret.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", file.display())),
        }
    }
}

/// Writes the whole file under another name first, so that nobody ever reads half a secret. `nonce` makes that name one that nobody else
/// writes to: process ids repeat, between containers that share a folder above all.
fn publish(file: &Path, secret: &str, nonce: &str) -> io::Result<()> {
    let draft = appended(file, &format!(".{nonce}"));
    let mut options = OpenOptions::new();
    // A new file only: one that somebody put there could be readable to them, or lead elsewhere.
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(&draft).and_then(|mut open| {
        open.write_all(secret.as_bytes())?;
        open.write_all(b"\n")?;
        open.sync_all()
    });
    // A link, unlike a rename, does not replace what is there.
    let published = written.and_then(|()| fs::hard_link(&draft, file));
    let removed = fs::remove_file(&draft);
    published.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use togglebox_core::OsEntropy;

    fn kept(database: &Path) -> (String, PathBuf, bool) {
        let Kept { secret, file, made } = keep(database, &OsEntropy).unwrap();
        (secret.expose_secret().to_owned(), file, made)
    }

    #[test]
    fn a_secret_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("box.db");
        let (first, file, made) = kept(&database);
        assert_eq!((&file, made), (&folder.path().join("box.db.secret"), true));
        assert_eq!(kept(&database), (first, file.clone(), false));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn databases_of_one_stem_have_secrets_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let secrets: std::collections::BTreeSet<_> =
            ["box.db", "box.sqlite", "box", "box.secret"].map(|name| kept(&folder.path().join(name)).0).into();
        assert_eq!(secrets.len(), 4);
    }

    #[test]
    fn a_file_under_the_earlier_name_is_used_by_a_database_that_was_there_and_by_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (database, earlier) = (folder.path().join("box.db"), folder.path().join("box.secret"));
        let secret = OsEntropy.hex::<32>();
        fs::write(&earlier, &secret).unwrap();
        fs::write(&database, "").unwrap();
        assert_eq!(kept(&database), (secret.clone(), earlier.clone(), false));
        let (another, file, made) = kept(&folder.path().join("box.sqlite"));
        assert!(made && another != secret && file.ends_with("box.sqlite.secret"));
        fs::write(folder.path().join("box.db.secret"), OsEntropy.hex::<32>()).unwrap();
        assert_ne!(kept(&database).0, secret, "its own name goes first");
        assert_eq!(fs::read_to_string(&earlier).unwrap(), secret, "it is never touched");
    }

    #[test]
    fn a_database_is_never_taken_for_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("box.secret");
        fs::write(&database, OsEntropy.hex::<32>()).unwrap();
        assert_eq!(kept(&database).1, folder.path().join("box.secret.secret"));
    }

    #[test]
    fn a_spoilt_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("box.db.secret"), "short").unwrap();
        assert!(keep(&folder.path().join("box.db"), &OsEntropy).is_err());
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("box.db");
        // What a database of an earlier version, now gone, has left behind. It must not be taken by those that come second.
        fs::write(folder.path().join("box.secret"), OsEntropy.hex::<32>()).unwrap();
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let start = || {
                let secret = kept(&database).0;
                // As the store does next.
                fs::write(&database, "").unwrap();
                secret
            };
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let kept = fs::read_to_string(folder.path().join("box.db.secret")).unwrap();
        assert!(secrets.iter().all(|secret| secret == kept.trim()), "{secrets:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no draft is left");
    }
}
