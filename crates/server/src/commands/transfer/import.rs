//! `togglebox import`.

use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use togglebox_core::{StoreErrorKind, TenantId};
use togglebox_storage::transfer::{Contents, Header, Line, Problem, Reader, Record, Summary, Transfer};

use super::journal::{Entry, Journal};
use super::progress::Progress;
use super::{Taken, files, keys, listed};
use crate::settings::Settings;
use crate::stores::{leave, open_movable};

/// Records that are written in one act.
const BATCH: usize = 1000;
/// Bytes of lines after which a batch is written, however few they are: what is held is bounded also where records are large.
const BATCH_BYTES: usize = 8 << 20;
/// Records that are read back at once.
const PAGE: usize = 500;

const TENANT: TenantId = TenantId::DEFAULT;

/// What is to be imported.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The file; `-` is standard input.
    pub from: &'a str,
    /// Only look whether the file is sound.
    pub check: bool,
}

/// Fills an empty store from a file. Says what was read.
///
/// A file is read to its end, and every line of it checked, before anything is written. An import that came to a sudden end goes on where
/// it was when it is called again. What standard input says is written as it comes.
///
/// # Errors
/// The file is not sound; the store is not empty, or cannot be written; at the end, it does not hold what the file says.
pub async fn import(settings: &Settings, import: Import<'_>) -> anyhow::Result<String> {
    if import.from == "-" {
        return from_standard_input(settings, import.check).await;
    }
    let path = Path::new(import.from);
    let (header, summary) = checked(files::open(path)?).with_context(|| format!("{} cannot be used", path.display()))?;
    if import.check {
        return Ok(sound(&header, &summary.contents));
    }
    let store = open_movable(&settings.database).await?;
    let outcome = fill_from(settings, &*store, path, &summary).await;
    leave(&*store).await;
    outcome?;
    report(settings, &header, &summary.contents)
}

async fn from_standard_input(settings: &Settings, check: bool) -> anyhow::Result<String> {
    let input = io::stdin().lock();
    if check {
        let (header, summary) = checked(input).context("standard input cannot be used")?;
        return Ok(sound(&header, &summary.contents));
    }
    let store = open_movable(&settings.database).await?;
    let outcome = async {
        if !store.is_empty(TENANT).await.context("the store cannot be read")? {
            return Err(Taken::Store(target(settings)).into());
        }
        let (header, mut reader) = Reader::begin(input).context("standard input cannot be used: nothing was written")?;
        let mut progress = Progress::new("Import", None);
        let filled = fill(&*store, &mut reader, 0, &mut progress, |_| Ok(())).await;
        let summary = filled.context("what was written so far is not whole: begin again with an empty store")?;
        progress.finish();
        confirm(&*store, &summary.contents).await?;
        Ok::<_, anyhow::Error>((header, summary))
    };
    let outcome = outcome.await;
    leave(&*store).await;
    let (header, summary) = outcome?;
    report(settings, &header, &summary.contents)
}

/// Reads a whole file and checks every line of it.
fn checked(input: impl BufRead) -> Result<(Header, Summary), Problem> {
    let (header, mut reader) = Reader::begin(input)?;
    let mut progress = Progress::new("Check", None);
    let summary = loop {
        if reader.next_record()?.is_none()
            && let Some(summary) = reader.summary()
        {
            break summary;
        }
        progress.add(1);
    };
    progress.finish();
    Ok((header, summary))
}

async fn fill_from(settings: &Settings, store: &dyn Transfer, path: &Path, summary: &Summary) -> anyhow::Result<()> {
    let journal = Journal::of(path);
    let target = target(settings);
    let mut entry = Entry { sha256: summary.sha256.clone(), target: target.clone(), records: 0 };
    if !store.is_empty(TENANT).await.context("the store cannot be read")? {
        let earlier = journal.read()?.filter(|earlier| earlier.sha256 == entry.sha256 && earlier.target == target);
        let Some(earlier) = earlier else { return Err(Taken::Store(target).into()) };
        tracing::info!("The import goes on after record {}", earlier.records);
        entry.records = earlier.records;
    }
    journal.write(&entry).context("where an import is must be kept beside its file")?;
    let mut progress = Progress::new("Import", Some(summary.contents.total()));
    let (_, mut reader) = Reader::begin(files::open(path)?)?;
    let done = entry.records;
    let again = fill(store, &mut reader, done, &mut progress, |records| {
        entry.records = records;
        journal.write(&entry)
    });
    let again = again.await.with_context(|| format!("the import of {} stopped", path.display()))?;
    progress.finish();
    if again != *summary {
        bail!("{} was changed while it was read: begin again with an empty store", path.display());
    }
    confirm(store, &summary.contents).await?;
    journal.remove()
}

/// Writes all records but the first `done`; `wrote` is told how many are there for certain.
async fn fill<R: BufRead>(
    store: &dyn Transfer,
    reader: &mut Reader<R>,
    done: u64,
    progress: &mut Progress,
    mut wrote: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<Summary> {
    let (mut batch, mut bytes, mut read) = (Vec::with_capacity(BATCH), 0, 0);
    let summary = loop {
        match reader.next_record()? {
            Some(line) => {
                read += 1;
                if read > done {
                    bytes += line.bytes;
                    batch.push(line);
                }
            }
            None => break reader.summary().ok_or_else(|| anyhow!("the file ended without a trailer"))?,
        }
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            write(store, &mut batch).await?;
            bytes = 0;
            wrote(read)?;
        }
        progress.add(1);
    };
    write(store, &mut batch).await?;
    wrote(read)?;
    store.complete(TENANT).await.context("the store cannot be written")?;
    Ok(summary)
}

/// Writes a batch and empties it. When the store refuses it, each record is tried alone, so that the line can be named.
async fn write(store: &dyn Transfer, batch: &mut Vec<Line>) -> anyhow::Result<()> {
    let (lines, records): (Vec<u64>, Vec<Record>) = batch.drain(..).map(|line| (line.number, line.record)).unzip();
    let Err(error) = store.restore(TENANT, &records).await else { return Ok(()) };
    if is_final(error.kind()) {
        for (line, record) in lines.iter().zip(&records) {
            let alone = store.restore(TENANT, std::slice::from_ref(record)).await;
            alone.map_err(|error| refused(*line, record, error))?;
        }
        return Ok(());
    }
    Err(error).context("the store cannot be written; call the same command again to go on")
}

/// Whether the same record will be refused again.
const fn is_final(kind: &StoreErrorKind) -> bool {
    use StoreErrorKind::{AlreadyExists, NotFound, Refused, TooLarge};
    matches!(kind, NotFound | AlreadyExists | Refused(_) | TooLarge { .. })
}

fn refused(line: u64, record: &Record, error: togglebox_core::StoreError) -> anyhow::Error {
    let why = match error.kind() {
        StoreErrorKind::NotFound => "what it belongs to is not in the file",
        StoreErrorKind::AlreadyExists => "something else in it that must be unique is taken by a record before it",
        StoreErrorKind::TooLarge { .. } => "it is larger than the store can hold",
        _ => "the store refuses it",
    };
    anyhow!(error).context(format!(
        "line {line}: the {} cannot be written: {why}. What stands before it was written: begin again with an empty store",
        record.kind()
    ))
}

/// Reads everything back and compares.
async fn confirm(store: &dyn Transfer, expected: &Contents) -> anyhow::Result<()> {
    let mut progress = Progress::new("Compare", Some(expected.total()));
    let mut dump = store.dump(TENANT).await.context("the store cannot be read")?;
    let mut found = Contents::new();
    loop {
        let records = dump.next(PAGE).await.context("the store cannot be read")?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            found.add(record)?;
        }
        progress.add(records.len() as u64);
    }
    progress.finish();
    if found == *expected {
        return Ok(());
    }
    let counts = expected.counts().iter().filter(|(kind, count)| found.counts().get(kind) != Some(count));
    let counts: Vec<String> = counts
        .map(|(kind, count)| format!("{kind}: {} instead of {count}", found.counts().get(kind).copied().unwrap_or_default()))
        .collect();
    let what = if counts.is_empty() { "records of the same number differ".to_owned() } else { counts.join("; ") };
    bail!(
        "the store does not hold what the file says ({what}): a record stands twice in the file, or somebody else wrote to the \
         store meanwhile. Begin again with an empty store"
    )
}

/// Names a store. It stands in files, so that it must not tell a secret.
fn target(settings: &Settings) -> String {
    let file = settings.database.file();
    file.map_or_else(
        || settings.database.to_string(),
        |path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string(),
    )
}

fn sound(header: &Header, contents: &Contents) -> String {
    format!(
        "The file is sound: {} records of {}, taken from {} at {}\n{}",
        contents.total(),
        header.product,
        header.engine,
        header.at,
        listed(contents)
    )
}

fn report(settings: &Settings, header: &Header, contents: &Contents) -> anyhow::Result<String> {
    let mut text = format!(
        "Imported {} records and compared them with the file\n{}\nNobody is signed in: sessions and password resets did not move.\n",
        contents.total(),
        listed(contents)
    );
    if let Some(secret) = &header.key_secret
        && keys::fingerprint(settings)?.as_ref() != Some(secret)
    {
        text.push_str(
            "API keys are not recognised yet: they are hashed with the secret of the store that they come from. \
             Set API_KEY_SECRET to it before the first start (or JWT_SECRET, or copy the file that holds it).\n",
        );
    }
    Ok(text)
}
