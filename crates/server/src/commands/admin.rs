//! Accounts by the command line. Works before the first start, and on a store that is being served.

use std::io::Read;

use anyhow::{Context as _, anyhow, bail};
use togglebox_auth::input::{NewPassword, Registration};
use togglebox_auth::{AccountError, Email};
use togglebox_core::TenantId;
use togglebox_core::input::Issues;

use super::leave;
use crate::node::Node;
use crate::settings::Settings;

/// The longest password that is read, in bytes.
const MAX_BYTES: u64 = 4096;

/// Makes an admin. The password is the first line of `password`.
///
/// # Errors
/// The address, name or password breaks a rule; the address has an account; the store cannot be opened.
pub async fn create_admin(settings: &Settings, email: &str, name: Option<&str>, password: impl Read) -> anyhow::Result<String> {
    let password = first_line(password)?;
    let fallback = email.split('@').next().unwrap_or(email);
    let body = serde_json::json!({ "email": email, "name": name.unwrap_or(fallback), "password": password });
    let account = Registration::read(Some(&body)).map_err(|issues| refused(&issues))?;
    let node = Node::open(settings).await?;
    let created = node.accounts.create_admin(TenantId::DEFAULT, account).await;
    leave(&node).await;
    match created {
        Ok(user) => Ok(format!("Made the admin {} ({})", user.email, user.id)),
        Err(AccountError::EmailTaken) => bail!("there is an account for {email} already"),
        Err(error) => Err(error).context("the admin could not be made"),
    }
}

/// Sets the password of an account and ends its sessions.
///
/// # Errors
/// There is no such account; the password breaks a rule; the store cannot be opened.
pub async fn set_password(settings: &Settings, email: &str, password: impl Read) -> anyhow::Result<String> {
    let password = NewPassword::new(&first_line(password)?).map_err(|issues| refused(&issues))?;
    let address = Email::new(email).context("--email cannot be used")?;
    let node = Node::open(settings).await?;
    let changed = node.accounts.set_password(TenantId::DEFAULT, &address, &password).await;
    leave(&node).await;
    match changed {
        Ok(user) => Ok(format!("Set the password of {} and ended the sessions", user.email)),
        Err(AccountError::UserNotFound) => bail!("there is no account for {email}"),
        Err(error) => Err(error).context("the password could not be set"),
    }
}

/// Without the line's end, which is how `echo` and editors leave it.
fn first_line(input: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    input.take(MAX_BYTES).read_to_string(&mut text).context("the password could not be read")?;
    let line = text.lines().next().unwrap_or("").to_owned();
    if line.is_empty() { Err(anyhow!("the password is empty: give it on standard input")) } else { Ok(line) }
}

fn refused(issues: &Issues) -> anyhow::Error {
    let problems: Vec<String> = issues
        .iter()
        .map(|issue| if issue.path.is_empty() { issue.message.clone() } else { format!("{}: {}", issue.path, issue.message) })
        .collect();
    anyhow!(problems.join("\n"))
}
