//! The secret that is made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use togglebox_auth::weakness;
use togglebox_core::{Entropy, EntropyExt as _};

/// Where the secret of the database at `path` is kept: beside it.
pub(crate) fn file_of(path: &Path) -> PathBuf {
    path.with_extension("secret")
}

/// A secret, and the file that it was just made in.
pub(crate) struct Kept {
    pub(crate) secret: SecretString,
    pub(crate) made: Option<PathBuf>,
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
    let file = file_of(path);
    loop {
        match fs::read_to_string(&file) {
            Ok(text) => {
                let text = text.trim();
                if let Some(problem) = weakness(text) {
                    bail!(
                        "the secret in {} {problem}; delete the file to have another made (this ends every session)",
                        file.display()
                    );
                }
                return Ok(Kept { secret: text.to_owned().into(), made: None });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
        let secret = entropy.hex::<32>();
        match publish(&file, &secret, &entropy.hex::<8>()) {
            Ok(()) => return Ok(Kept { secret: secret.into(), made: Some(file) }),
            // Another process was faster: take its secret.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", file.display())),
        }
    }
}

/// Writes the whole file under another name first, so that nobody ever reads half a secret. `nonce` makes that name one that nobody else
/// writes to: process ids repeat, between containers that share a folder above all.
fn publish(file: &Path, secret: &str, nonce: &str) -> std::io::Result<()> {
    let draft = file.with_extension(format!("secret.{nonce}"));
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

    #[test]
    fn a_secret_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("box.db");
        let first = keep(&database, &OsEntropy).unwrap();
        let file = first.made.unwrap();
        assert_eq!(file, folder.path().join("box.secret"));
        let again = keep(&database, &OsEntropy).unwrap();
        assert!(again.made.is_none());
        assert_eq!(first.secret.expose_secret(), again.secret.expose_secret());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_spoilt_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("box.secret"), "short").unwrap();
        assert!(keep(&folder.path().join("box.db"), &OsEntropy).is_err());
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("box.db");
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| keep(&database, &OsEntropy).map(|kept| kept.secret.expose_secret().to_owned())))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
        });
        let kept = fs::read_to_string(folder.path().join("box.secret")).unwrap();
        assert!(secrets.iter().all(|secret| secret == kept.trim()), "{secrets:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
