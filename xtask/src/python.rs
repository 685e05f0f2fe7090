//! Python programs that tests need, each in a virtual environment of its own under `target/tools`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Launch;
use crate::project::Project;

/// For making an environment or downloading into it.
const LIMIT: Duration = Duration::from_mins(5);

/// A set of Python packages, every version pinned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requirements {
    /// The folder's name.
    pub(crate) name: &'static str,
    /// The text of a requirements file.
    pub(crate) text: &'static str,
}

/// The `bin` folder of an environment that has exactly `requirements`, made first when it is missing or differs.
pub(crate) fn environment(project: &Project, requirements: Requirements) -> Result<PathBuf> {
    let tools = project.tools();
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    // Two runs at once would break each other's half-made environment; the lock ends with this scope, or with the process.
    let lock = File::create(tools.join("python.lock"))?;
    lock.lock()?;

    let home = tools.join(requirements.name);
    let bin = home.join("bin");
    if is_complete(&home, requirements.text) {
        return Ok(bin);
    }
    eprintln!("installing {} into {}", requirements.name, home.display());
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot remove the unfinished {}", home.display()))?;
    }
    let log = tools.join(format!("{}.log", requirements.name));

    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&home);
    Launch::new("python3 -m venv", venv).log(&log).run(LIMIT).context(
        "cannot make a Python environment: install Python 3.10 or newer with its venv module \
         (Debian and Ubuntu: apt-get install python3-venv)",
    )?;

    let wanted = home.join("requirements.txt");
    fs::write(&wanted, requirements.text)?;
    let mut pip = Command::new(bin.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    Launch::new("pip install", pip).log(&log).run(LIMIT).with_context(|| {
        format!(
            "cannot install {} from PyPI: this needs a network once; without one, point PIP_FIND_LINKS at a folder with the \
             packages of xtask/python/{0}.txt and set PIP_NO_INDEX=1",
            requirements.name
        )
    })?;
    fs::write(marker(&home), requirements.text)?;
    Ok(bin)
}

/// Written last, with what was installed: an interrupted installation has none, an old one another text.
fn marker(home: &Path) -> PathBuf {
    home.join("installed.txt")
}

fn is_complete(home: &Path, text: &str) -> bool {
    // The interpreter is a link into the system, which an upgrade of the system may have cut.
    fs::read_to_string(marker(home)).is_ok_and(|installed| installed == text) && home.join("bin/python").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(python: bool, installed: Option<&str>) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        if python {
            fs::write(home.path().join("bin/python"), "").unwrap();
        }
        if let Some(text) = installed {
            fs::write(marker(home.path()), text).unwrap();
        }
        home
    }

    #[test]
    fn an_environment_counts_only_with_the_same_requirements_and_an_interpreter() {
        assert!(is_complete(home_with(true, Some("a==1")).path(), "a==1"));
        assert!(!is_complete(home_with(true, Some("a==1")).path(), "a==2"));
        assert!(!is_complete(home_with(true, None).path(), "a==1"));
        assert!(!is_complete(home_with(false, Some("a==1")).path(), "a==1"));
    }
}
