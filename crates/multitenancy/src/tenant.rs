//! A tenant: a workspace with its names, its plan and its standing.

use std::fmt;

use togglebox_core::{Revision, TenantId, Timestamp};
use uuid::Uuid;

use crate::{DomainName, LimitOverrides, PlanName, Standing, Subdomain, TenantStatus};

/// A text that is no name of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name must have 1 to {} characters, none of which controls lines or the direction of writing", TenantName::MAX_UNITS)]
pub struct InvalidTenantName;

/// What people call a workspace. Not unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantName(String);

impl TenantName {
    /// The most UTF-16 units of a name.
    pub const MAX_UNITS: usize = 100;

    /// Takes `text` without the white space around it.
    ///
    /// # Errors
    /// [`InvalidTenantName`].
    pub fn new(text: &str) -> Result<Self, InvalidTenantName> {
        let text = text.trim();
        let fits = !text.is_empty() && text.encode_utf16().count() <= Self::MAX_UNITS && !text.chars().any(steers);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidTenantName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what lists are searched by.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Whether a character is there to steer others: such a name could make a mail that it stands in say something else.
fn steers(character: char) -> bool {
    let is_direction =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || is_direction || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the payment service knows a tenant by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Billing {
    /// The customer's id there.
    pub customer: Option<String>,
    /// The subscription's id there.
    pub subscription: Option<String>,
    /// Until when the current period is paid for.
    pub current_period_end: Option<Timestamp>,
    /// By what its requests are counted, and billed; `None`: by months of the calendar.
    pub usage: Option<UsagePeriod>,
}

/// A period by which the requests of a tenant are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePeriod {
    /// Its first moment, at a full hour.
    pub from: Timestamp,
    /// The moment after its last, at a full hour.
    pub until: Timestamp,
    /// The plans that were paid for in it. The one that includes the most counts.
    pub plans: Vec<PlanName>,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Random; never changes.
    pub id: TenantId,
    /// What people call it.
    pub name: TenantName,
    /// Where it is reached. Unique among all tenants.
    pub subdomain: Subdomain,
    /// When it got another subdomain, the oldest first: as many as [`RenamePolicy`](crate::RenamePolicy) asks for.
    pub renames: Vec<Timestamp>,
    /// The verified custom domains that lead to it too, sorted; at most [`DomainName::MAX_PER_TENANT`].
    pub domains: Vec<DomainName>,
    /// The user whose it is: always a member in the role of admin.
    pub owner: Uuid,
    /// Whether it is paid for, suspended, deleted.
    pub standing: Standing,
    /// The name of its plan.
    pub plan: PlanName,
    /// Where its limits differ from those of its plan.
    pub overrides: LimitOverrides,
    /// What the payment service knows it by.
    pub billing: Billing,
    /// The revision that the last write to it gave to the register of all tenants. Rises with every change of this record; never
    /// repeats, not even in another tenant.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Tenant {
    /// Where it stands.
    pub const fn status(&self) -> TenantStatus {
        self.standing.status()
    }

    /// When it was deleted, if it is.
    pub fn deleted_at(&self) -> Option<Timestamp> {
        self.standing.deletion.as_ref().map(|deletion| deletion.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(TenantName::new("  Acme Ltd. ").unwrap().as_str(), "Acme Ltd.");
        assert_eq!(TenantName::new("ÄCME").unwrap().key(), "äcme");
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "a\u{2067}b", "a\u{2028}b", &"\u{1f6a6}".repeat(51)] {
            assert_eq!(TenantName::new(bad), Err(InvalidTenantName), "{bad:?}");
        }
        for good in ["شركة", "می‌خواهم", "👩‍💻 Ltd.", &"\u{1f6a6}".repeat(50)] {
            assert!(TenantName::new(good).is_ok(), "{good:?}");
        }
    }
}
