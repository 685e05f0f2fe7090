//! Files as they are named on the command line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Taken;

/// Bytes that are read and written at once.
const BUFFER: usize = 256 * 1024;

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// Opens a file; one whose name ends in `.gz` is unpacked.
pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let file = BufReader::with_capacity(BUFFER, file);
    Ok(if is_packed(path) { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// A new file for its owner's eyes only. It has its name only once it is whole: until then it is called `….part`.
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    output: Output,
}

enum Output {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl NewFile {
    /// Whether there is nothing yet.
    pub(super) fn allowed(path: &Path) -> Result<(), Taken> {
        // Also a link that leads nowhere is something.
        if fs::symlink_metadata(path).is_ok() { Err(Taken::File(path.display().to_string())) } else { Ok(()) }
    }

    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Self::allowed(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        // What an export that was interrupted has left. It is made anew, so that it is nobody else's.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", part.display()));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).with_context(|| format!("cannot make {}", part.display()))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        let output =
            if is_packed(path) { Output::Packed(GzEncoder::new(file, Compression::default())) } else { Output::Plain(file) };
        Ok(Self { path: path.to_owned(), part, output })
    }

    /// Makes what was written lasting, under its name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { path, part, output } = self;
        let written = || -> io::Result<()> {
            let buffer = match output {
                Output::Plain(buffer) => buffer,
                Output::Packed(packed) => packed.finish()?,
            };
            let file = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.output {
            Output::Plain(file) => file.write(bytes),
            Output::Packed(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Plain(file) => file.flush(),
            Output::Packed(file) => file.flush(),
        }
    }
}
