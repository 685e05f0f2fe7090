#![doc = include_str!("../README.md")]

mod accounts;
mod api_key;
mod attempt;
mod authenticator;
pub mod input;
mod mail;
mod password;
mod pepper;
mod permission;
mod principal;
mod secret;
mod session;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod token;
mod user;

pub use accounts::{
    AccountError, AccountPorts, AccountSettings, Accounts, CreatedKey, InvalidResetLink, ResetLink, ResetPolicy, SignedIn,
    UserQuery,
};
pub use api_key::{ApiKey, KeyHash};
pub use attempt::{AttemptPolicy, AttemptState};
pub use authenticator::{Authenticator, AuthenticatorPorts, AuthenticatorSettings, CachePolicy, Denied, Presented};
pub use mail::{Mail, MailError, Mailer};
pub use password::{HashingError, PasswordHasher};
pub use pepper::Pepper;
pub use permission::{Permission, Permissions, Role};
pub use principal::{KeyHolder, Principal, SignedInUser};
pub use secret::{WeakSecret, weakness};
pub use session::{Session, SessionPolicy};
pub use togglebox_core::{Email, InvalidEmail};
pub use token::{InvalidToken, Marked, SignedKey, SignedKeys, TenantMark, TokenKeys, TokenParties, TokenSession};
pub use user::{PasswordHash, PasswordReset, User};
