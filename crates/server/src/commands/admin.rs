//! Accounts by the command line. Works before the first start, and on a store that is being served.

use std::io::Read;

use anyhow::{Context as _, anyhow, bail};
use togglebox_auth::input::{NewPassword, Registration};
use togglebox_auth::{AccountError, Email};
use togglebox_core::input::Issues;

use super::leave;
use crate::node::Node;
#[cfg(feature = "cloud")]
use crate::settings::CloudSettings;
use crate::settings::Settings;

/// The longest password that is read, in bytes.
const MAX_BYTES: u64 = 4096;

/// Makes an admin. The password is the first line of `password`.
///
/// # Errors
/// The address, name or password breaks a rule; the address has an account; the store cannot be opened.
pub async fn create_admin(settings: &Settings, email: &str, name: Option<&str>, password: impl Read) -> anyhow::Result<String> {
    let account = registration(email, name, password)?;
    add_admin(Node::open(settings).await?, email, account).await
}

/// Makes one of the operator's people of a service of many workspaces.
///
/// # Errors
/// As [`create_admin`].
#[cfg(feature = "cloud")]
pub async fn create_operator(
    settings: &Settings,
    cloud: &CloudSettings,
    email: &str,
    name: Option<&str>,
    password: impl Read,
) -> anyhow::Result<String> {
    let account = registration(email, name, password)?;
    add_admin(Node::open_cloud_for_a_command(settings, cloud).await?, email, account).await
}

fn registration(email: &str, name: Option<&str>, password: impl Read) -> anyhow::Result<Registration> {
    let password = first_line(password)?;
    let fallback = email.split('@').next().unwrap_or(email);
    let body = serde_json::json!({ "email": email, "name": name.unwrap_or(fallback), "password": password });
    Registration::read(Some(&body)).map_err(|issues| refused(&issues))
}

async fn add_admin(node: Node, email: &str, account: Registration) -> anyhow::Result<String> {
    let created = node.accounts.create_admin(node.home(), account).await;
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
    let (address, password) = credential(email, password)?;
    reset(Node::open(settings).await?, email, &address, &password).await
}

/// The same in a service of many workspaces. What the old password has opened in workspaces ends when its token has to be replaced.
///
/// # Errors
/// As [`set_password`].
#[cfg(feature = "cloud")]
pub async fn set_central_password(
    settings: &Settings,
    cloud: &CloudSettings,
    email: &str,
    password: impl Read,
) -> anyhow::Result<String> {
    let (address, password) = credential(email, password)?;
    reset(Node::open_cloud_for_a_command(settings, cloud).await?, email, &address, &password).await
}

fn credential(email: &str, password: impl Read) -> anyhow::Result<(Email, NewPassword)> {
    let password = NewPassword::new(&first_line(password)?).map_err(|issues| refused(&issues))?;
    Ok((Email::new(email).context("--email cannot be used")?, password))
}

async fn reset(node: Node, email: &str, address: &Email, password: &NewPassword) -> anyhow::Result<String> {
    let changed = node.accounts.set_password(node.home(), address, password).await;
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
