//! `togglebox export --from-original`.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use togglebox_core::{Clock as _, SystemClock, TenantId};
use togglebox_storage::DynamoDbOptions;
use togglebox_storage::dynamodb::{NoSuchTable, Original, OriginalTable, OriginalTables, Survey};
use togglebox_storage::transfer::{Contents, FORMAT, Header, Writer};

use super::files::NewFile;
use super::listed;
use super::progress::Progress;
use crate::settings::Settings;
use crate::stores::dynamodb_options;

/// What is to be taken from the tables that the original keeps in DynamoDB.
#[derive(Clone, Copy, Debug)]
pub struct OriginalExport<'a> {
    /// The new file; `-` is standard output. `None`: only look what can be taken.
    pub to: Option<&'a str>,
    /// What the names of the tables begin with, when it is not the prefix of the settings.
    pub prefix: Option<&'a str>,
    /// Tables that are called otherwise.
    pub tables: &'a [OriginalTableName],
    /// Whether to go on without what cannot be taken.
    pub leave_behind: bool,
}

/// A table of the original and its whole name: `users=NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalTableName {
    table: OriginalTable,
    name: String,
}

impl FromStr for OriginalTableName {
    type Err = NoSuchTable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (table, name) = text.split_once('=').filter(|(_, name)| !name.is_empty()).ok_or(NoSuchTable)?;
        Ok(Self { table: table.parse()?, name: name.to_owned() })
    }
}

/// Something in the original's tables would be lost.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} things cannot be taken; each is told above. Nothing was written. Put them right in the original, or go on without them with \
     --leave-behind"
)]
pub(super) struct Lossy(u64);

/// Writes what the original's tables hold to a file as `export` does, and tells on standard error what of it cannot be taken, or is
/// taken otherwise. Says what was written.
///
/// # Errors
/// The tables cannot be read, or were written to meanwhile; something would be lost; there is such a file already, or it cannot be
/// written.
pub async fn export_original(settings: &Settings, export: OriginalExport<'_>) -> anyhow::Result<String> {
    let path = export.to.filter(|to| *to != "-").map(Path::new);
    if let Some(path) = path {
        // Before everything is read for nothing.
        NewFile::allowed(path)?;
    }
    let prefix = export.prefix.unwrap_or(&settings.dynamodb.prefix);
    let tables = OriginalTables::with_prefix(prefix);
    let tables = export.tables.iter().fold(tables, |tables, OriginalTableName { table, name }| tables.named(*table, name));
    let options: DynamoDbOptions = dynamodb_options(&settings.dynamodb);
    let original = Original::open(&options, tables).await.context("cannot open the tables of the original")?;
    let mut tell = |finding| {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(io::stderr(), "{finding}");
    };
    let survey = original.survey(&mut tell).await.context("the tables of the original cannot be read")?;
    if survey.losses() > 0 && !export.leave_behind {
        return Err(Lossy(survey.losses()).into());
    }
    let Some(to) = export.to else { return Ok(looked(&survey)) };
    let (contents, place) = match path {
        Some(path) => {
            let mut file = NewFile::create(path)?;
            let contents = write(&original, &survey, &mut file).await?;
            file.finish()?;
            (contents, format!("{to}, readable by its owner only"))
        }
        None => (write(&original, &survey, BufWriter::new(io::stdout())).await?, "standard output".to_owned()),
    };
    Ok(format!(
        "Wrote {} records to {place}\n{}{}\
         It holds the hashes of passwords and API keys: keep it as safe as the tables.\n\
         API keys stay valid under any secret. Not looked at: {}.\n",
        contents.total(),
        listed(&contents),
        left(&survey),
        OriginalTable::LEFT.join(", "),
    ))
}

async fn write(original: &Original, survey: &Survey, output: impl Write + Send) -> anyhow::Result<Contents> {
    let header = Header {
        format: FORMAT,
        product: format!("togglebox {}", env!("CARGO_PKG_VERSION")),
        tenant: TenantId::DEFAULT,
        engine: "the original's tables".to_owned(),
        at: SystemClock.now(),
        // The original has none: its keys are hashed plainly.
        key_secret: None,
    };
    let unwritten = "the export cannot be written";
    let mut progress = Progress::new("Export", None);
    let mut writer = Writer::begin(output, &header).context(unwritten)?;
    let mut each = |record| {
        progress.add(1);
        writer.record(&record)
    };
    original.records(survey, &mut each).await?;
    let (_, contents) = writer.finish().context(unwritten)?;
    progress.finish();
    Ok(contents)
}

fn looked(survey: &Survey) -> String {
    match survey.losses() {
        0 => "Everything can be taken.\n".to_owned(),
        _ => format!("Everything else can be taken.\n{}", left(survey)),
    }
}

fn left(survey: &Survey) -> String {
    match survey.losses() {
        0 => String::new(),
        losses => format!("Left behind: {losses} things that cannot be taken; each is told above.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_by_what_they_are() {
        let name = |text: &str| text.parse::<OriginalTableName>();
        assert_eq!(name("users=a=b"), Ok(OriginalTableName { table: OriginalTable::Users, name: "a=b".to_owned() }));
        for bad in ["", "users", "users=", "usage=x", "=x"] {
            assert_eq!(name(bad), Err(NoSuchTable), "{bad}");
        }
    }
}
