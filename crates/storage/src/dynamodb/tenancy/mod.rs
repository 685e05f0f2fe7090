//! Tenants, their members, invitations and domains, and what is known before the tenant is: the *register*.
//!
//! | item | partition | sort key | attributes |
//! | --- | --- | --- | --- |
//! | how far the register has counted | `REG` | `META` | `rev` |
//! | how far changes were pruned | `REG` | `PRUNED` | `rev` |
//! | a change | `REG#CHANGES` | 20 digits | `rev`, `at`, `tenant`, `what`; of a tenant also `subdomains`, `domains` |
//! | all tenants | `REG#TENANTS` | `<subdomain>#<tenant>` | `tenant`, `subdomain` |
//! | who has a subdomain | `REG#SUBDOMAIN#<label>` | `META` | `tenant`; `until` once it was given up |
//! | where a verified domain leads | `REG#DOMAIN#<name>` | `META` | `tenant` |
//! | where a user belongs | `REG#USER#<user>` | `<tenant>` | `tenant` |
//! | a tenant | `T#<t>#TENANT` | `META` | the tenant; how many `members`, `invitations`, `claims` |
//! | a member | `T#<t>#MEMBER#<user>` | `META` | the member |
//! | a tenant's members | `T#<t>#MEMBERS` | `<oldest first>#<user>` | `id`, `at` |
//! | an invitation | `T#<t>#INVITATION#<id>` | `META` | the invitation |
//! | its token | `T#<t>#INVITATIONTOKEN#<hash>` | `META` | `id` |
//! | whose invitation is for an address | `T#<t>#INVITED#<address in lower case>` | `META` | `id` |
//! | a tenant's invitations | `T#<t>#INVITATIONS` | `<oldest first>#<id>` | `id`, `at` |
//! | a claim to a domain | `T#<t>#DOMAINS` | `<domain>` | the claim |
//!
//! # The register
//!
//! It is the installation's, not a tenant's, and the only thing in the table whose keys begin with no tenant: it is there to find out which
//! tenant it is. A write to tenants, members or domains is a transaction that takes the next number from the counter, if that is still the
//! next, and writes the change down under it. The counter is one item that all of them meet at, by design: they are acts of
//! administration. Names, domains and users have a partition each, so that what is looked up at every request is spread out.
//!
//! Each of these transactions also holds the tenant to what was read of it: to its version, and to how many members, invitations and
//! claims it has. Invitations and claims that come or go take no number, but they hold the tenant to the same. So those counts are exact,
//! and nothing has to be counted anew to know whether a limit is reached.
//!
//! # Reading changes
//!
//! A change is written only where the one before it has been. But a query is no transaction: it may see the later one of two and not
//! yet the earlier. Whoever reads changes therefore knows from the counter how many there must be, and reads again until none is missing;
//! which of the oldest are gone for good, the item `PRUNED` says, which is written before they are removed.
//!
//! # What is not done
//!
//! Nothing here expires by itself. An invitation that has expired is shown, and counts, until it is revoked, replaced or swept away; were it
//! to vanish without a transaction, the count would be wrong.

mod changes;
mod claims;
mod directory;
mod endings;
mod invitation;
mod invitations;
pub(super) mod key;
mod lists;
mod member;
mod members;
mod name;
mod record;
mod register;
mod tenants;
