//! Signed access tokens (JWT, RFC 7519): HS256 and nothing else.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

use crate::secret::{WeakSecret, sound};
use crate::{Permission, Permissions};

/// Longer texts are no token of ours.
const MAX_BYTES: usize = 4096;

/// A text that is no valid token: not signed by us, not for us, expired, or not yet valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

/// What a token says. Times are in seconds since 1970.
///
/// The first seven claims are those of the original system; the other three make a token revocable and bind it to a tenant. A token
/// has all of the three or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user.
    pub(crate) id: Uuid,
    /// For clients; nothing here trusts it.
    pub(crate) email: String,
    /// For clients; the role that counts is the store's.
    pub(crate) role: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<i64>,
    pub(crate) aud: String,
    pub(crate) iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
    /// What its maker knew of the tenant: see [`TenantMark`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tver: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tsub: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trev: Option<u64>,
}

/// What the maker of a token knew of its tenant at that moment. Signed, so nobody else can have said it; and of the past, so no later
/// change makes it untrue, the end of the token's session neither. What the tenant may do is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantMark {
    /// `tver`: the tenant's version.
    pub version: u64,
    /// `tsub`: the name that led to the tenant.
    pub name: String,
    /// `trev`: the place in the sequence of all tenants' changes up to which each one of this tenant's is in `version`. Only of a tenant
    /// that was in good standing.
    pub as_of: Option<u64>,
}

/// What a token says of its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// `tid`: the tenant.
    pub tenant: TenantId,
    /// The rest.
    pub mark: TenantMark,
}

/// The session that a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSession {
    /// The session.
    pub id: Uuid,
    /// This token of it.
    pub token: Uuid,
}

impl Claims {
    /// The tenant and session that the token is bound to. A token without is one of the original system: of the only tenant that it
    /// knew, and of no session.
    pub(crate) fn binding(&self) -> Result<(TenantId, Option<TokenSession>), InvalidToken> {
        match (self.sid, self.jti, self.tid) {
            (Some(id), Some(token), Some(tenant)) => Ok((tenant, Some(TokenSession { id, token }))),
            (None, None, None) => Ok((TenantId::DEFAULT, None)),
            _ => Err(InvalidToken),
        }
    }

    /// What it says of its tenant; `None` of a token without.
    fn marked(self) -> Option<Marked> {
        let mark = TenantMark { version: self.tver?, name: self.tsub?, as_of: self.trev };
        Some(Marked { tenant: self.tid?, mark })
    }

    /// When it was issued.
    pub(crate) fn issued_at(&self) -> Timestamp {
        Timestamp::from_ms(self.iat.saturating_mul(1000))
    }
}

/// What a new token is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) user: &'a crate::User,
    pub(crate) session: TokenSession,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) mark: Option<&'a TenantMark>,
}

/// Who makes tokens and for whom: the `iss` and `aud` claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenParties {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Default for TokenParties {
    /// Those of the original system.
    fn default() -> Self {
        Self { issuer: "config-service".to_owned(), audience: "config-service-api".to_owned() }
    }
}

/// Makes and checks access tokens.
pub struct TokenKeys {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    parties: TokenParties,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("keys", &self.verifying.len()).field("parties", &self.parties).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Signs with `secret`; tokens signed with one of `previous` stay valid until they expire, so that a secret can be replaced
    /// without ending every session.
    ///
    /// # Errors
    /// [`WeakSecret`] for any of them: a known secret lets everyone sign.
    pub fn new(secret: &SecretString, previous: &[SecretString], parties: TokenParties) -> Result<Self, WeakSecret> {
        let signing = EncodingKey::from_secret(sound(secret)?);
        let verifying = std::iter::once(secret)
            .chain(previous)
            .map(|secret| sound(secret).map(DecodingKey::from_secret))
            .collect::<Result<_, _>>()?;
        Ok(Self { signing, verifying, parties })
    }

    pub(crate) fn sign(&self, grant: Grant<'_>) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            id: grant.user.id,
            email: grant.user.email.as_str().to_owned(),
            role: grant.user.role.as_str().to_owned(),
            iat: seconds(grant.issued_at),
            exp: seconds(grant.expires_at),
            nbf: None,
            aud: self.parties.audience.clone(),
            iss: self.parties.issuer.clone(),
            sid: Some(grant.session.id),
            jti: Some(grant.session.token),
            tid: Some(grant.tenant),
            tver: grant.mark.map(|mark| mark.version),
            tsub: grant.mark.map(|mark| mark.name.clone()),
            trev: grant.mark.and_then(|mark| mark.as_of),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let claims: Claims = self.verifying.iter().find_map(|key| signed(token, key)).ok_or(InvalidToken)?;
        let for_us = claims.iss == self.parties.issuer && claims.aud == self.parties.audience;
        if for_us && is_current(claims.nbf, claims.exp, now) { Ok(claims) } else { Err(InvalidToken) }
    }

    /// What a valid token says of its tenant. Whether its session goes on is another question, which only the store can answer.
    pub(crate) fn marked(&self, token: &str, now: Timestamp) -> Option<Marked> {
        self.verify(token, now).ok()?.marked()
    }
}

/// An API key in the form of a token that whoever holds the secret signs. No route issues them and none can be revoked: the original
/// system's internal routes take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedKey {
    /// `api-key-…`.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
}

#[derive(Deserialize)]
struct KeyClaims {
    id: String,
    #[serde(default)]
    name: String,
    permissions: Vec<String>,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    aud: String,
    iss: String,
}

/// Checks [`SignedKey`]s.
pub struct SignedKeys {
    key: DecodingKey,
    parties: TokenParties,
}

impl fmt::Debug for SignedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedKeys").field("parties", &self.parties).finish_non_exhaustive()
    }
}

impl SignedKeys {
    /// Takes keys signed with `secret`.
    ///
    /// # Errors
    /// [`WeakSecret`].
    pub fn new(secret: &SecretString, parties: TokenParties) -> Result<Self, WeakSecret> {
        Ok(Self { key: DecodingKey::from_secret(sound(secret)?), parties })
    }

    pub(crate) fn verify(&self, text: &str, now: Timestamp) -> Result<SignedKey, InvalidToken> {
        let claims: KeyClaims = signed(text, &self.key).ok_or(InvalidToken)?;
        if claims.iss != self.parties.issuer || claims.aud != self.parties.audience || !is_current(claims.nbf, claims.exp, now) {
            return Err(InvalidToken);
        }
        let permissions = claims.permissions.iter().filter_map(|word| Permission::parse(word)).collect();
        Ok(SignedKey { id: claims.id, name: claims.name, permissions })
    }
}

/// The claims of a token whose HS256 signature is good. Says nothing of times and parties: those are checked by the caller, against a
/// clock that tests can hold.
fn signed<T: DeserializeOwned>(token: &str, key: &DecodingKey) -> Option<T> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation).ok().map(|token| token.claims)
}

/// Whether `now` lies in `[nbf, exp)`.
fn is_current(nbf: Option<i64>, exp: i64, now: Timestamp) -> bool {
    let now = seconds(now);
    nbf.is_none_or(|from| from <= now) && now < exp
}

/// Whole seconds since 1970, rounded down.
pub(crate) const fn seconds(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Email, PasswordHash, Role, User};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::time::Duration;
    use togglebox_core::Revision;

    const SECRET: &str = "0f9c2b7a5d8e4613a7b9c0d1e2f345a6";
    const OTHER: &str = "b7a5d8e4613a7b9c0d1e2f345a60f9c2";
    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> Timestamp {
        Timestamp::from_ms(1_760_000_000_500)
    }

    fn keys(secret: &str, previous: &[&str]) -> TokenKeys {
        let previous: Vec<SecretString> = previous.iter().map(|secret| SecretString::from(*secret)).collect();
        TokenKeys::new(&SecretString::from(secret), &previous, TokenParties::default()).unwrap()
    }

    fn user() -> User {
        User {
            id: Uuid::from_u128(1),
            name: None,
            email: Email::new("ann@example.com").unwrap(),
            password: PasswordHash::new("$"),
            role: Role::Developer,
            created_at: now(),
            updated_at: now(),
            tokens_valid_from: now(),
            revision: Revision::ZERO,
        }
    }

    fn token(keys: &TokenKeys) -> String {
        let session = TokenSession { id: Uuid::from_u128(2), token: Uuid::from_u128(3) };
        sign(keys, session, None)
    }

    fn sign(keys: &TokenKeys, session: TokenSession, mark: Option<&TenantMark>) -> String {
        let (user, expires_at) = (user(), now().plus(HOUR));
        keys.sign(Grant { tenant: TenantId::DEFAULT, user: &user, session, issued_at: now(), expires_at, mark }).unwrap()
    }

    /// A token with any header and claims, signed with HMAC-SHA256 whatever the header says.
    fn forged(algorithm: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn original() -> Value {
        json!({
            "id": "3454bb64-cbe2-49c4-894e-6d37b6619ac3", "email": "admin@togglebox.com", "role": "admin",
            "iat": 1_759_999_000, "exp": 1_760_080_000, "aud": "config-service-api", "iss": "config-service",
        })
    }

    #[test]
    fn a_token_reads_back_until_it_expires() {
        let keys = keys(SECRET, &[]);
        let token = token(&keys);
        let claims = keys.verify(&token, now()).unwrap();
        assert_eq!((claims.id, claims.role.as_str()), (Uuid::from_u128(1), "developer"));
        let (tenant, session) = claims.binding().unwrap();
        assert_eq!(tenant, TenantId::DEFAULT);
        assert_eq!(session, Some(TokenSession { id: Uuid::from_u128(2), token: Uuid::from_u128(3) }));
        assert!(keys.verify(&token, Timestamp::from_ms(claims.exp * 1000 - 1)).is_ok());
        assert_eq!(keys.verify(&token, Timestamp::from_ms(claims.exp * 1000)), Err(InvalidToken));
    }

    #[test]
    fn a_token_of_the_original_system_is_taken() {
        let claims = keys(SECRET, &[]).verify(&forged(Algorithm::HS256, &original()), now()).unwrap();
        assert_eq!(claims.binding(), Ok((TenantId::DEFAULT, None)));
        assert_eq!(claims.issued_at(), Timestamp::from_ms(1_759_999_000_000));
    }

    #[test]
    fn what_a_token_says_of_its_tenant_reads_back_as_long_as_it_is_valid() {
        let (keys, session) = (keys(SECRET, &[]), TokenSession { id: Uuid::from_u128(2), token: Uuid::from_u128(3) });
        let of = |as_of| TenantMark { version: 7, name: "acme".to_owned(), as_of };
        for mark in [of(Some(9)), of(None)] {
            let token = sign(&keys, session, Some(&mark));
            assert_eq!(keys.marked(&token, now()), Some(Marked { tenant: TenantId::DEFAULT, mark }));
            assert_eq!(keys.marked(&token, now().plus(HOUR)), None, "expired");
            assert_eq!(super::tests::keys(OTHER, &[]).marked(&token, now()), None, "not signed by us");
        }
        assert_eq!(keys.marked(&token(&keys), now()), None, "a token without");
        let mut partly = original();
        partly["tver"] = json!(7);
        assert_eq!(keys.marked(&forged(Algorithm::HS256, &partly), now()), None, "a version of no tenant");
    }

    #[test]
    fn only_hs256_is_taken() {
        let keys = keys(SECRET, &[]);
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(keys.verify(&forged(algorithm, &original()), now()), Err(InvalidToken));
        }
        // {"alg":"none","typ":"JWT"}, with and without the signature of a good token.
        let good = forged(Algorithm::HS256, &original());
        let mut parts = good.split('.');
        let (_, claims, signature) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
        for signature in ["", signature] {
            let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.{signature}");
            assert_eq!(keys.verify(&none, now()), Err(InvalidToken));
        }
    }

    #[test]
    fn parties_times_and_binding_are_checked() {
        let keys = keys(SECRET, &[]);
        let mut cases = vec![
            ("iss", json!("someone")),
            ("aud", json!("someone")),
            ("exp", json!(1_760_000_000)),
            ("nbf", json!(1_760_000_001)),
            ("id", json!("not-a-uuid")),
            ("exp", Value::Null),
            ("iat", Value::Null),
        ];
        for (claim, value) in cases.drain(..) {
            let mut claims = original();
            claims[claim] = value;
            assert_eq!(keys.verify(&forged(Algorithm::HS256, &claims), now()), Err(InvalidToken), "{claim}");
        }
        let mut partly = original();
        partly["sid"] = json!(Uuid::from_u128(2));
        let claims = keys.verify(&forged(Algorithm::HS256, &partly), now()).unwrap();
        assert_eq!(claims.binding(), Err(InvalidToken), "a session without a token of it");
    }

    #[test]
    fn a_replaced_secret_still_verifies_and_no_longer_signs() {
        let (old, new) = (keys(SECRET, &[]), keys(OTHER, &[SECRET]));
        assert!(new.verify(&token(&old), now()).is_ok());
        assert!(new.verify(&token(&new), now()).is_ok());
        assert_eq!(old.verify(&token(&new), now()), Err(InvalidToken));
        assert_eq!(keys(OTHER, &[]).verify(&token(&old), now()), Err(InvalidToken));
        let weak = TokenKeys::new(&SecretString::from("short"), &[], TokenParties::default());
        assert_eq!(weak.unwrap_err(), WeakSecret("is shorter than 32 bytes"));
    }

    #[test]
    fn a_signed_key_grants_known_permissions_until_it_expires() {
        let keys = SignedKeys::new(&SecretString::from(SECRET), TokenParties::default()).unwrap();
        let claims = json!({
            "id": "api-key-00ff", "name": "old", "permissions": ["config:read", "*"], "createdAt": "2026-01-01T00:00:00.000Z",
            "iat": 1_759_999_000, "exp": 1_760_080_000, "aud": "config-service-api", "iss": "config-service",
        });
        let text = forged(Algorithm::HS256, &claims);
        let key = keys.verify(&text, now()).unwrap();
        assert_eq!(key.permissions, Permissions::of(&[Permission::ConfigRead]));
        assert_eq!(keys.verify(&text, Timestamp::from_ms(1_760_080_000_000)), Err(InvalidToken));
        assert_eq!(keys.verify(&forged(Algorithm::HS512, &claims), now()), Err(InvalidToken));
        assert_eq!(keys.verify(&forged(Algorithm::HS256, &original()), now()), Err(InvalidToken), "a user's token is no key");
    }

    proptest! {
        #[test]
        fn a_token_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let keys = keys(SECRET, &[]);
            let good = token(&keys);
            let mut bytes = good.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            prop_assert!(changed == good || keys.verify(&changed, now()).is_err());
        }

        #[test]
        fn any_text_is_refused_without_panic(text in "\\PC{0,200}") {
            prop_assert!(keys(SECRET, &[]).verify(&text, now()).is_err());
        }
    }
}
