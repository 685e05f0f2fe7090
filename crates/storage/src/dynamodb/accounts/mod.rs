//! Accounts: users, API keys, sessions, password resets, failed sign-ins.
//!
//! | item | partition | sort key | attributes |
//! | --- | --- | --- | --- |
//! | how far the accounts have counted | `T#<t>#ACCOUNTS` | `META` | `rev`; how many users have each role |
//! | a user | `T#<t>#USER#<id>` | `META` | the user, `incarnation`, `keys`, `epoch`, `ended_at`, `resets` |
//! | whose an address is | `T#<t>#EMAIL#<address in lower case>` | `META` | `id` |
//! | all users, those of a role | `T#<t>#USERS`, `T#<t>#USERS#<role>` | `<newest first>#<id>` | `id` |
//! | an API key | `T#<t>#KEYHASH#<hash>` | `META` | the key, `owner` |
//! | where a key is | `T#<t>#KEY#<id>` | `META` | `hash`, `owner` |
//! | a user's keys | `T#<t>#KEYS#<owner>` | `<newest first>#<id>` | `id`, `hash` |
//! | a session | `T#<t>#SESSION#<id>` | `META` | the session, `owner`, `epoch`, `live`, `expires_at` |
//! | a user's sessions | `T#<t>#SESSIONS#<owner>` | `META` | `sessions` (ids), `turn` |
//! | a password reset | `T#<t>#RESET#<hash>` | `META` | the reset, `owner`, `resets`, `expires_at` |
//! | failed sign-ins | `T#<t>#ATTEMPTS#<subject>` | `META` | `failures`, `opened_at`, `locked_until`, `expires_at` |
//!
//! What hangs on a user names the user's incarnation (`owner`: the id of the audit record of the creation) and is there only as long as
//! that user is. So deleting a user is one small transaction, whatever hangs on it, and a user who is made anew under the same id
//! gets nothing of the old one. In the same way a session is over when the user's `epoch` has gone past its own, and a reset is
//! void when `resets` has: all sessions of a user end in the transaction that changes the user. Sessions, resets and failures that
//! are left over expire; keys, which may never expire, are swept away.
//!
//! Every change of users and keys is conditional on the revision of the accounts, which counts roles and so knows the last admin.
//! Signing in and refreshing are not: refreshing touches one item, signing in the session and the list that keeps a user's sessions to
//! their limit, unless older ones have to end for it.

mod api_keys;
mod attempts;
mod head;
mod key;
mod owner;
mod resets;
mod session_list;
mod sessions;
mod sweep;
mod transfer;
mod users;

use togglebox_core::Timestamp;

pub(super) use self::key::head;
pub(super) use self::transfer::{new_head, revision, tell_keys, tell_users};

/// From when on DynamoDB may delete an item by itself, in seconds since 1970: not before `over` has passed.
const fn expiry(over: Timestamp) -> i64 {
    over.as_ms().div_euclid(1000) + 1
}
