//! `togglebox export`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use togglebox_core::{Clock as _, SystemClock, TenantId};
use togglebox_storage::transfer::{Contents, FORMAT, Header, Transfer, Writer};

use super::files::NewFile;
use super::progress::Progress;
use super::{keys, listed};

use crate::settings::Settings;
use crate::stores::{leave, open_movable};

/// Records that are asked for at once.
const PAGE: usize = 500;

/// Writes all that the store holds to the file `to`; `-` is standard output. Says what was written.
///
/// # Errors
/// There is no store, or it cannot be read; there is such a file already, or it cannot be written.
pub async fn export(settings: &Settings, to: &str) -> anyhow::Result<String> {
    if let Some(path) = settings.database.file()
        && !path.exists()
    {
        bail!("there is no database {}", path.display());
    }
    let key_secret = keys::fingerprint(settings)?;
    let mut file = if to == "-" { None } else { Some(NewFile::create(Path::new(to))?) };
    let store = open_movable(&settings.database).await?;
    let header = Header {
        format: FORMAT,
        product: format!("togglebox {}", env!("CARGO_PKG_VERSION")),
        tenant: TenantId::DEFAULT,
        engine: store.engine().to_owned(),
        at: SystemClock.now(),
        key_secret,
    };
    let written = match &mut file {
        Some(file) => write(&*store, &header, file).await,
        None => write(&*store, &header, BufWriter::new(io::stdout())).await,
    };
    leave(&*store).await;
    let contents = written?;
    if let Some(file) = file {
        file.finish()?;
    }
    let place = if to == "-" { "standard output".to_owned() } else { format!("{to}, readable by its owner only") };
    Ok(format!(
        "Wrote {} records to {place}\n{}\n\
         It holds the hashes of passwords and API keys: keep it as safe as the store.\n\
         API keys stay valid where they are hashed with the same secret: {} does not move with them.\n",
        contents.total(),
        listed(&contents),
        keys::whereabouts(settings),
    ))
}

async fn write(store: &dyn Transfer, header: &Header, output: impl Write) -> anyhow::Result<Contents> {
    let mut progress = Progress::new("Export", None);
    let mut dump = store.dump(header.tenant).await.context("the store cannot be read")?;
    if !dump.is_of_one_moment() {
        tracing::warn!("This engine has no view of one moment: what is written while the export runs may be in it in parts");
    }
    let unwritten = "the export cannot be written";
    let mut writer = Writer::begin(output, header).context(unwritten)?;
    loop {
        let records = dump.next(PAGE).await.context("the store cannot be read")?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            writer.record(record).context(unwritten)?;
        }
        progress.add(records.len() as u64);
    }
    let (_, contents) = writer.finish().context(unwritten)?;
    progress.finish();
    Ok(contents)
}
