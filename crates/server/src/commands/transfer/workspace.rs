//! `togglebox-cloud workspace export`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use togglebox_core::{Clock as _, SystemClock, TenantId};
use togglebox_http::cloud::Export as _;
use togglebox_storage::transfer::Contents;
use uuid::Uuid;

use super::files::NewFile;
use super::listed;
use super::progress::Progress;
use crate::cloud::WorkspaceFile;
use crate::commands::leave;
use crate::node::Node;
use crate::settings::{CloudSettings, Settings};

/// Writes what a workspace's admins would be handed out to the file `to`; `-` is standard output. Without it the file is called
/// `<subdomain>-<day>.jsonl`. Works in any standing, until the workspace's grace period is over, and while it is being served; says so in
/// its audit log. Says what was written.
///
/// # Errors
/// The id is none, or no workspace's; its grace period is over; there is such a file already, or it cannot be written; the store cannot be
/// read.
pub async fn workspace_export(settings: &Settings, cloud: &CloudSettings, id: &str, to: Option<&str>) -> anyhow::Result<String> {
    let id: Uuid = id.parse().with_context(|| format!("{id:?} is not the id of a workspace"))?;
    if let Some(path) = to.filter(|to| *to != "-") {
        // Before it is noted that anything was handed out.
        NewFile::allowed(Path::new(path))?;
    }
    let node = Node::open_cloud_for_a_command(settings, cloud).await?;
    let written = export(&node, TenantId::from_uuid(id), to).await;
    leave(&node).await;
    let (place, contents) = written?;
    Ok(format!(
        "Wrote {} records to {place}\n{}\n\
         It holds names and addresses of its people, and neither passwords nor API keys. `togglebox import` takes it.\n",
        contents.total(),
        listed(&contents),
    ))
}

async fn export(node: &Node, tenant: TenantId, to: Option<&str>) -> anyhow::Result<(String, Contents)> {
    let (workspace, mut file) = node.export(tenant).await.context("the workspace cannot be exported")?;
    if to == Some("-") {
        let contents = write(&mut file, BufWriter::new(io::stdout())).await?;
        return Ok(("standard output".to_owned(), contents));
    }
    let name = || format!("{}-{}.jsonl", workspace.subdomain, SystemClock.now().day());
    let name = to.map_or_else(name, str::to_owned);
    let mut output = NewFile::create(Path::new(&name))?;
    let contents = write(&mut file, &mut output).await?;
    output.finish()?;
    Ok((format!("{name}, readable by its owner only"), contents))
}

async fn write(file: &mut WorkspaceFile, mut output: impl Write) -> anyhow::Result<Contents> {
    let unwritten = "the export cannot be written";
    let mut progress = Progress::new("Export", None);
    let mut told = 0;
    while let Some(bytes) = file.next().await.context("the store cannot be read")? {
        output.write_all(&bytes).context(unwritten)?;
        progress.add(file.records() - told);
        told = file.records();
    }
    output.flush().context(unwritten)?;
    progress.finish();
    let Some(contents) = file.contents() else { bail!("the file ended without a trailer") };
    Ok(contents.clone())
}
