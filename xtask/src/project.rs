//! The workspace: where it is, what is in it, and how cargo is called on it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::process::Launch;

/// The workspace that this tool belongs to.
#[derive(Debug)]
pub(crate) struct Project {
    metadata: Metadata,
}

impl Project {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn find() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata failed")?;
        Ok(Self { metadata })
    }

    /// The members and their declared dependencies (not the resolved tree).
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where installed tools live: inside the target folder, so that `cargo clean` removes them too.
    pub(crate) fn tools(&self) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("tools")
    }

    /// The program `name` as the dev profile builds it.
    pub(crate) fn dev_binary(&self, name: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("debug").join(name)
    }

    /// Cargo, called on this workspace.
    ///
    /// What `cargo run` told *this* program about its own package is removed: build scripts that watch those variables would
    /// otherwise run again at each change between a call from here and one from a shell.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(self.root()).args(args);
        #[expect(
            clippy::disallowed_methods,
            reason = "a chore hands its own environment on, less what would lead children astray"
        )]
        let inherited = env::vars_os();
        for (name, _) in inherited {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Runs cargo to its end; an unsuccessful exit or running past `limit` is an error.
    pub(crate) fn run_cargo(&self, args: &[&str], limit: Duration) -> Result<()> {
        Launch::new(format!("cargo {}", args.join(" ")), self.cargo(args)).run(limit)
    }
}
