//! How far an import is, beside its file, so that it can go on after a sudden end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// An import under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The checksum of the file: another one is another import.
    pub(super) sha256: String,
    /// Where the records go.
    pub(super) target: String,
    /// Records that are there for certain, from the first on.
    pub(super) records: u64,
}

/// The side file of an import.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// That of a file.
    pub(super) fn of(file: &Path) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push(".progress");
        Self { path: path.into() }
    }

    /// What the last import of the file has left, if it did not come to its end.
    pub(super) fn read(&self) -> anyhow::Result<Option<Entry>> {
        match fs::read(&self.path) {
            Ok(bytes) => {
                let entry = serde_json::from_slice(&bytes);
                entry.map(Some).with_context(|| format!("{} is not what an import leaves; remove it", self.path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        }
    }

    /// Keeps how far it is. A reader finds this entry or the one before, whole.
    pub(super) fn write(&self, entry: &Entry) -> anyhow::Result<()> {
        let draft = self.path.with_extension("progress.part");
        let written = fs::write(&draft, serde_json::to_vec(entry)?).and_then(|()| fs::rename(&draft, &self.path));
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// The import came to its end.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::of(&folder.path().join("dump.jsonl.gz"));
        assert_eq!(journal.read().unwrap(), None);
        for records in [1, 2] {
            let entry = Entry { sha256: "aa".to_owned(), target: "here".to_owned(), records };
            journal.write(&entry).unwrap();
            assert_eq!(journal.read().unwrap(), Some(entry));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(&journal.path, b"{}").unwrap();
        assert!(journal.read().unwrap_err().to_string().contains("remove it"));
        journal.remove().unwrap();
        journal.remove().unwrap();
        assert_eq!(journal.read().unwrap(), None);
    }
}
