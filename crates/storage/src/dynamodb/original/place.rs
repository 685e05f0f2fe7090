//! Platforms and environments.

use sha2::{Digest as _, Sha256};
use togglebox_core::{Actor, ActorKind, Revision, Timestamp};
use togglebox_toggles::{EnvironmentName, PlatformName};
use uuid::Uuid;

use super::account::People;
use super::fields::{Fields, Why};
use super::finding::Notes;
use super::row::Row;
use crate::transfer::record::{Environment, Platform};

/// The id that stands for these parts: the same for the same parts.
pub(super) fn derived(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new_with_prefix("togglebox original");
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The id that a text is, or stands for.
pub(super) fn id(text: &str) -> Uuid {
    text.parse().unwrap_or_else(|_| derived(&[text.as_bytes()]))
}

/// The id of an environment, which the original has none for. It tells contents apart: entity tags are made of it and of a revision that
/// every import begins anew, so a second import of other contents must not answer with the tags of the first.
pub(super) fn environment_id(environment: &Environment, contents: &[u8]) -> Uuid {
    derived(&[b"environment", environment.platform.as_str().as_bytes(), environment.name.as_str().as_bytes(), contents])
}

/// A platform. Its revision is still to be given.
pub(super) fn platform(row: Row, people: &People, notes: &mut Notes) -> Option<Platform> {
    let key = row.key();
    match read_platform(row, people, notes) {
        Ok(platform) => Some(platform),
        Err(why) => {
            notes.left(key, why);
            None
        }
    }
}

fn read_platform(row: Row, people: &People, notes: &mut Notes) -> Result<Platform, Why> {
    let name = row.pk.strip_prefix("PLATFORM#").ok_or("its key is none of a platform")?.to_owned();
    let mut fields = Fields::of(row);
    fields.same("name", &name)?;
    let id = fields.text("id")?;
    let id = id.as_deref().and_then(|id| id.parse().ok()).unwrap_or_else(|| {
        let id = derived(&[b"platform", name.as_bytes()]);
        notes.otherwise(fields.key(), format!("it has no id that is a UUID; it has {id} now"));
        id
    });
    let platform = Platform {
        name: PlatformName::new(&name).map_err(|why| why.to_string())?,
        id,
        description: fields.text("description")?,
        created_by: author(&mut fields, people)?,
        created_at: fields.time_or("createdAt", None, notes),
        revision: Revision::ZERO,
    };
    fields.tell_rest(notes);
    Ok(platform)
}

/// An environment. Its id, its revisions and when its contents were changed are still to be given.
pub(super) fn environment(row: Row, people: &People, notes: &mut Notes) -> Option<Environment> {
    let key = row.key();
    match read_environment(row, people, notes) {
        Ok(environment) => Some(environment),
        Err(why) => {
            notes.left(key, why);
            None
        }
    }
}

fn read_environment(row: Row, people: &People, notes: &mut Notes) -> Result<Environment, Why> {
    let names = row.pk.strip_prefix("PLATFORM#").zip(row.sk.strip_prefix("ENV#"));
    let (platform, name) = names.ok_or("its key is none of an environment")?;
    let (platform, name) = (platform.to_owned(), name.to_owned());
    let mut fields = Fields::of(row);
    fields.same("platform", &platform)?;
    fields.same("environment", &name)?;
    // What SQL backends keep besides the name.
    fields.drop(&["platformId"]);
    let created_at = fields.time_or("createdAt", None, notes);
    let environment = Environment {
        id: Uuid::nil(),
        platform: PlatformName::new(&platform).map_err(|why| why.to_string())?,
        name: EnvironmentName::new(&name).map_err(|why| why.to_string())?,
        description: fields.text("description")?,
        created_by: author(&mut fields, people)?,
        created_at,
        revision: Revision::ZERO,
        contents_revision: Revision::ZERO,
        changed_at: Timestamp::EPOCH,
    };
    fields.tell_rest(notes);
    Ok(environment)
}

/// Who made a place: the original keeps the id of a user, its seed an address; it shows either, and so it stays. A user who is gone has
/// no address any more.
fn author(fields: &mut Fields, people: &People) -> Result<Option<Actor>, Why> {
    let Some(text) = fields.text("createdBy")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.contains('@') {
        return Ok(Some(Actor { kind: ActorKind::User, id: None, email: text }));
    }
    let email = people.address_of(&text).unwrap_or(&text);
    Ok(Some(Actor::user(text.as_str(), email)))
}
