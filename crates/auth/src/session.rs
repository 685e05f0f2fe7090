//! Sessions: what makes a signed token revocable.

use std::time::Duration;

use togglebox_core::Timestamp;
use uuid::Uuid;

/// One sign-in. Its access token is replaced at each refresh; an older one that comes back after its grace is taken for a copy and
/// ends the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid` claim.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// The `jti` claim of the newest token.
    pub current: Uuid,
    /// The token before it, still good for a short grace after `rotated_at`: two tabs may refresh at once.
    pub previous: Option<Uuid>,
    /// When the newest token was made.
    pub rotated_at: Timestamp,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// Void from this moment on: the newest token's expiry.
    pub expires_at: Timestamp,
    /// When it was ended before its time.
    pub revoked_at: Option<Timestamp>,
}

/// How long tokens and sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Of a token, in whole seconds.
    pub token: Duration,
    /// Of a session, however often it is refreshed.
    pub longest: Duration,
    /// How long the token before the newest one stays good.
    pub grace: Duration,
    /// The most sessions of one user: one more ends the oldest.
    pub most: usize,
}

impl Default for SessionPolicy {
    /// A day, as in the original system; thirty days; a minute; a hundred.
    fn default() -> Self {
        Self { token: Duration::from_hours(24), longest: Duration::from_hours(30 * 24), grace: Duration::from_mins(1), most: 100 }
    }
}

impl SessionPolicy {
    /// When a token that is made at `now` expires, in a session that began at `began`: on a whole second, because that is all that a
    /// token can say.
    pub(crate) fn expiry(&self, began: Timestamp, now: Timestamp) -> Timestamp {
        let at = now.plus(self.token).min(began.plus(self.longest));
        Timestamp::from_ms(at.as_ms().div_euclid(1000).saturating_mul(1000))
    }
}

/// What a token of a session is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Good until then.
    Good(Timestamp),
    /// The session is over.
    Over,
    /// The session goes on without this token: someone kept a copy.
    Reused,
}

impl Session {
    /// Whether the newest token is so new that the one before it is still in its grace. Replacing it now would cut that short.
    pub(crate) fn rests(&self, now: Timestamp, policy: &SessionPolicy) -> bool {
        self.previous.is_some() && now < self.rotated_at.plus(policy.grace)
    }

    /// What `token`, which was signed for this session, is worth at `now`.
    pub(crate) fn standing(&self, token: Uuid, now: Timestamp, policy: &SessionPolicy) -> Standing {
        let grace_ends = self.rotated_at.plus(policy.grace).min(self.expires_at);
        if self.revoked_at.is_some() || now >= self.expires_at {
            Standing::Over
        } else if token == self.current {
            Standing::Good(self.expires_at)
        } else if Some(token) == self.previous && now < grace_ends {
            Standing::Good(grace_ends)
        } else {
            Standing::Reused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: Uuid = Uuid::from_u128(2);
    const PREVIOUS: Uuid = Uuid::from_u128(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(seconds * 1000)
    }

    fn session() -> Session {
        Session {
            id: Uuid::nil(),
            user: Uuid::nil(),
            current: CURRENT,
            previous: Some(PREVIOUS),
            rotated_at: at(100),
            created_at: at(0),
            expires_at: at(1000),
            revoked_at: None,
        }
    }

    #[test]
    fn the_previous_token_is_good_for_its_grace_only() {
        let (session, policy) = (session(), SessionPolicy::default());
        assert_eq!(session.standing(CURRENT, at(999), &policy), Standing::Good(at(1000)));
        assert_eq!(session.standing(PREVIOUS, at(159), &policy), Standing::Good(at(160)));
        assert_eq!(session.standing(PREVIOUS, at(160), &policy), Standing::Reused);
        assert_eq!(session.standing(Uuid::from_u128(9), at(101), &policy), Standing::Reused);
    }

    #[test]
    fn nothing_is_good_once_the_session_is_over() {
        let (mut session, policy) = (session(), SessionPolicy::default());
        assert_eq!(session.standing(CURRENT, at(1000), &policy), Standing::Over);
        session.revoked_at = Some(at(5));
        assert_eq!(session.standing(CURRENT, at(101), &policy), Standing::Over);
        assert_eq!(session.standing(Uuid::from_u128(9), at(101), &policy), Standing::Over);
    }

    #[test]
    fn refreshing_does_not_prolong_a_session_without_end() {
        let policy =
            SessionPolicy { token: Duration::from_mins(10), longest: Duration::from_mins(15), ..SessionPolicy::default() };
        let began = Timestamp::from_ms(500);
        assert_eq!(policy.expiry(began, began), at(600));
        assert_eq!(policy.expiry(began, at(800)), at(900));
    }
}
