//! Users and their API keys.

use std::collections::{BTreeMap, HashMap, HashSet};

use togglebox_auth::{Email, KeyHash, PasswordHash, Role};
use togglebox_core::{Revision, Timestamp};
use uuid::Uuid;

use super::fields::{Fields, Why};
use super::finding::Notes;
use super::place::id;
use super::row::Row;
use crate::transfer::record::{ApiKey, User};

/// A user.
pub(super) fn user(row: Row, notes: &mut Notes) -> Option<User> {
    let key = row.key();
    read_user(row, notes).map_err(|why| notes.left(key, why)).ok()
}

fn read_user(row: Row, notes: &mut Notes) -> Result<User, Why> {
    let text = row.pk.strip_prefix("USER#").filter(|id| !id.is_empty()).ok_or("its key is none of a user")?.to_owned();
    let id = id(&text);
    let mut fields = Fields::of(row);
    fields.same("id", &text)?;
    if text.parse::<Uuid>().is_err() {
        notes.otherwise(fields.key(), format!("its id is no UUID; it is {id} now"));
    }
    let email = fields.needed_text("email")?;
    let email = Email::new(&email).map_err(|why| format!("{why}, not {email:?}"))?;
    let password = fields.needed_text("passwordHash")?;
    if !["$2a$", "$2b$", "$2y$", "$argon2id$"].iter().any(|scheme| password.starts_with(scheme)) {
        notes.otherwise(fields.key(), "its password hash is of no kind that is known: nobody can sign in until it is set anew");
    }
    let role = fields.needed_text("role")?;
    let role = Role::WORDS.into_iter().find_map(|(word, known)| (word == role).then_some(known));
    let role = role.ok_or("its role is none of admin, developer and viewer")?;
    let name = fields.text("name")?;
    let created_at = fields.time_or("createdAt", None, notes);
    let updated_at = fields.time("updatedAt")?.unwrap_or(created_at);
    fields.tell_rest(notes);
    Ok(User {
        id,
        name,
        email,
        password: PasswordHash::new(password),
        role,
        created_at,
        updated_at,
        // The original does not keep when the password or the role was changed last; it was not later.
        tokens_valid_from: updated_at,
        revision: Revision::new(1),
    })
}

/// An API key.
pub(super) fn api_key(row: Row, notes: &mut Notes) -> Option<ApiKey> {
    let key = row.key();
    read_api_key(row, notes).map_err(|why| notes.left(key, why)).ok()
}

fn read_api_key(row: Row, notes: &mut Notes) -> Result<ApiKey, Why> {
    let text = row.pk.strip_prefix("APIKEY#").filter(|id| !id.is_empty()).ok_or("its key is none of an API key")?.to_owned();
    let mut fields = Fields::of(row);
    fields.same("id", &text)?;
    let hash = fields.needed_text("keyHash")?;
    let hash = key_hash(&hash).ok_or("its keyHash is no SHA-256 in hexadecimal")?;
    let user = id(&fields.needed_text("userId")?);
    // Not to be mistaken for a key that never expires.
    let expires_at = fields.time("expiresAt")?;
    let last_used_at = fields.time("lastUsedAt")?;
    let key = ApiKey {
        id: id(&text),
        user,
        name: fields.text("name")?.unwrap_or_default(),
        hash,
        prefix: fields.text("keyPrefix")?.unwrap_or_default(),
        last4: fields.text("keyLast4")?.unwrap_or_default(),
        permissions: fields.texts("permissions")?,
        expires_at,
        last_used_at,
        created_at: fields.time_or("createdAt", last_used_at, notes),
    };
    fields.tell_rest(notes);
    Ok(key)
}

fn key_hash(text: &str) -> Option<KeyHash> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes?.try_into().ok().map(KeyHash) } else { None }
}

/// Who has an account: ids and addresses only.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    by_id: BTreeMap<Uuid, (String, Timestamp)>,
    by_address: HashMap<String, Uuid>,
}

impl People {
    /// Takes a user in. Of two with the same address, whatever its case, it is the older one that stays; the other is told.
    pub(super) fn add(&mut self, key: &str, user: &User, notes: &mut Notes) {
        if self.by_id.contains_key(&user.id) {
            notes.left(key, "another user has its id");
            return;
        }
        let address = user.email.key();
        let twin = self.by_address.get(&address).and_then(|id| Some((*id, self.by_id.get(id)?.1)));
        if let Some((twin, made)) = twin {
            let why = "an older account has its address, which is told apart by more than its case here no more";
            if (made, twin) < (user.created_at, user.id) {
                notes.left(key, why);
                return;
            }
            self.by_id.remove(&twin);
            notes.left(format!("USER#{twin}"), why);
        }
        self.by_address.insert(address, user.id);
        self.by_id.insert(user.id, (user.email.as_str().to_owned(), user.created_at));
    }

    /// Whether this very user was taken in.
    pub(super) fn has(&self, user: &User) -> bool {
        self.by_address.get(&user.email.key()) == Some(&user.id)
    }

    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The address of the user with this id.
    pub(super) fn address_of(&self, text: &str) -> Option<&str> {
        self.by_id.get(&id(text)).map(|(email, _)| email.as_str())
    }
}

/// Which keys are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    ids: HashSet<Uuid>,
    hashes: HashSet<KeyHash>,
}

impl Keys {
    /// Takes a key in, if it belongs to a user and is the only one of its kind.
    pub(super) fn add(&mut self, row: &str, key: &ApiKey, people: &People, notes: &mut Notes) {
        if !people.contains(key.user) {
            notes.left(row, "its owner is not there: the original lets it go on, here a key may no more than its owner");
        } else if self.ids.contains(&key.id) || self.hashes.contains(&key.hash) {
            notes.left(row, "another key has its id or its hash");
        } else {
            self.ids.insert(key.id);
            self.hashes.insert(key.hash);
        }
    }

    pub(super) fn has(&self, key: &ApiKey) -> bool {
        self.ids.contains(&key.id) && self.hashes.contains(&key.hash)
    }
}
