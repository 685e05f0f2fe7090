//! Who asks, and for what.

use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;
use togglebox_core::TenantId;

use crate::address::Ipv6Prefix;
use crate::key::{Digest, Digester, Tag};

/// Something that is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fact {
    /// The tenant that it is for.
    Tenant,
    /// The API key that it came with.
    Key,
    /// The user who made it.
    User,
    /// The class of the route.
    Route,
    /// The network that it came from.
    Address,
    /// The account that it speaks of without having signed in to it: of a sign-in, the address that is to be signed in.
    Account,
}

/// The facts that tell one bucket of a policy from another: `{tenant, key}` is a bucket for each key of each tenant.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(u8);

/// What is known of a request, taken together once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    tenant: Option<TenantId>,
    plan: Option<&'a str>,
    key: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    route: &'a str,
    address: Option<IpAddr>,
    account: Option<&'a str>,
    cost: Option<u32>,
}

impl Fact {
    const ALL: [Self; 6] = [Self::Tenant, Self::Key, Self::User, Self::Route, Self::Address, Self::Account];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Scope {
    const ADDRESS: Self = Self(Fact::Address.bit());

    /// These facts. At least one of tenant, address and account must be among them, for they say where the bucket is kept.
    pub const fn of(facts: &[Fact]) -> Option<Self> {
        let (mut bits, mut n) = (0, 0);
        while n < facts.len() {
            bits |= facts[n].bit();
            n += 1;
        }
        let scope = Self(bits);
        if scope.has(Fact::Tenant) || scope.has(Fact::Address) || scope.has(Fact::Account) { Some(scope) } else { None }
    }

    /// Whether a fact is among them.
    pub const fn has(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    fn facts(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| self.has(*fact))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.facts()).finish()
    }
}

impl<'a> Subject<'a> {
    /// A request to a route of this class.
    pub fn of(route: &'a str) -> Self {
        Self { route, ..Self::default() }
    }

    /// For this tenant.
    #[must_use]
    pub const fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Of a tenant with this plan.
    #[must_use]
    pub const fn plan(mut self, plan: &'a str) -> Self {
        self.plan = Some(plan);
        self
    }

    /// With the API key of this id.
    #[must_use]
    pub const fn key(mut self, id: &'a [u8]) -> Self {
        self.key = Some(id);
        self
    }

    /// By the user of this id.
    #[must_use]
    pub const fn user(mut self, id: &'a [u8]) -> Self {
        self.user = Some(id);
        self
    }

    /// From this address.
    #[must_use]
    pub const fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// About this account. Letters count alike in either case.
    #[must_use]
    pub const fn account(mut self, account: &'a str) -> Self {
        self.account = Some(account);
        self
    }

    /// Costs so many units, where the policy does not say otherwise.
    #[must_use]
    pub const fn cost(mut self, units: u32) -> Self {
        self.cost = Some(units);
        self
    }

    /// The tenant, if known.
    pub const fn tenant_id(&self) -> Option<TenantId> {
        self.tenant
    }

    /// The name of the tenant's plan, if known.
    pub const fn plan_name(&self) -> Option<&'a str> {
        self.plan
    }

    /// The id of the API key, if there is one.
    pub const fn key_id(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The address that it came from, if known.
    pub const fn client_address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The class of the route.
    pub const fn route(&self) -> &'a str {
        self.route
    }

    /// What it costs, unless a policy says otherwise.
    pub const fn units(&self) -> u32 {
        match self.cost {
            Some(units) => units,
            None => 1,
        }
    }

    /// Of the values of the facts in this scope, if all are known.
    fn digest(&self, scope: Scope, prefix: Ipv6Prefix) -> Option<Digest> {
        let mut digester = Digester::default();
        digester.add(&[scope.0]);
        for fact in scope.facts() {
            digester.add(self.part(fact, prefix)?.bytes());
        }
        Some(digester.digest())
    }

    fn part(&self, fact: Fact, prefix: Ipv6Prefix) -> Option<Part<'a>> {
        Some(match fact {
            Fact::Tenant => Part::Fixed(*self.tenant?.as_uuid().as_bytes()),
            Fact::Key => Part::Lent(self.key?),
            Fact::User => Part::Lent(self.user?),
            Fact::Route => Part::Lent(self.route.as_bytes()),
            Fact::Address => Part::Fixed(octets(prefix.network(self.address?))),
            Fact::Account => Part::Owned(self.account?.to_lowercase()),
        })
    }
}

/// An address in sixteen octets.
const fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Digests of addresses that this thread has seen lately: most requests come from where others came from.
mod recent {
    use std::cell::Cell;

    use crate::key::Digest;

    /// A power of two, so many times 32 bytes for each thread.
    const PLACES: usize = 256;

    type Entry = ([u8; 16], Digest);

    thread_local! {
        static SEEN: [Cell<Option<Entry>>; PLACES] = const { [const { Cell::new(None) }; PLACES] };
    }

    /// The digest of this address, which `make` makes.
    pub(super) fn of(octets: &[u8; 16], make: impl FnOnce() -> Option<Digest>) -> Option<Digest> {
        SEEN.with(|seen| {
            // Whoever makes addresses meet in one place only has their digests made again.
            let bits = u128::from_ne_bytes(*octets).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let place = &seen[usize::from(bits.to_be_bytes()[0]) % PLACES];
            match place.get() {
                Some((known, digest)) if known == *octets => Some(digest),
                _ => {
                    let digest = make()?;
                    place.set(Some((*octets, digest)));
                    Some(digest)
                }
            }
        })
    }
}

/// Buckets of one subject. A digest of what several policies look at is made once.
#[derive(Debug)]
pub(crate) struct Buckets<'s, 'a> {
    subject: &'s Subject<'a>,
    prefix: Ipv6Prefix,
    digests: SmallVec<[(Scope, Digest); 3]>,
}

impl<'s, 'a> Buckets<'s, 'a> {
    pub(crate) fn of(subject: &'s Subject<'a>, prefix: Ipv6Prefix) -> Self {
        Self { subject, prefix, digests: SmallVec::new() }
    }

    /// Where the bucket of a policy with this scope and this seed is and what it is, if everything in the scope is known.
    #[inline]
    pub(crate) fn find(&mut self, seed: Digest, scope: Scope) -> Option<(Tag, Digest)> {
        // The digest tells scopes and values apart, the seed policies.
        let slot = self.digest(scope)?.combined(seed);
        Some((self.tag(scope)?, slot))
    }

    #[inline]
    fn tag(&mut self, scope: Scope) -> Option<Tag> {
        if scope.has(Fact::Tenant) {
            self.subject.tenant.map(Tag::Tenant)
        } else if scope.has(Fact::Account) {
            self.digest(Scope(Fact::Account.bit())).map(Tag::Account)
        } else {
            self.digest(Scope::ADDRESS).map(Tag::Address)
        }
    }

    fn digest(&mut self, scope: Scope) -> Option<Digest> {
        if scope == Scope::ADDRESS {
            let network = self.prefix.network(self.subject.address?);
            return recent::of(&octets(network), || self.subject.digest(scope, self.prefix));
        }
        if let Some((_, digest)) = self.digests.iter().find(|(of, _)| *of == scope) {
            return Some(*digest);
        }
        let digest = self.subject.digest(scope, self.prefix)?;
        self.digests.push((scope, digest));
        Some(digest)
    }
}

enum Part<'a> {
    Fixed([u8; 16]),
    Lent(&'a [u8]),
    Owned(String),
}

impl Part<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Lent(bytes) => bytes,
            Self::Owned(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(5));

    fn slot(subject: &Subject<'_>, facts: &[Fact]) -> Option<(Tag, Digest)> {
        slot_of("p", subject, facts)
    }

    fn slot_of(policy: &str, subject: &Subject<'_>, facts: &[Fact]) -> Option<(Tag, Digest)> {
        let mut buckets = Buckets::of(subject, Ipv6Prefix::default());
        let found = buckets.find(Digest::of([policy.as_bytes()]), Scope::of(facts).unwrap());
        assert_eq!(buckets.find(Digest::of([policy.as_bytes()]), Scope::of(facts).unwrap()), found, "again");
        found
    }

    #[test]
    fn a_bucket_is_told_by_its_scope_and_nothing_else() {
        let one = Subject::of("reads").tenant(TENANT).key(b"k1").user(b"u1");
        let two = Subject::of("writes").tenant(TENANT).key(b"k2").user(b"u1");
        let by_key = [Fact::Tenant, Fact::Key];
        assert_ne!(slot(&one, &by_key), slot(&two, &by_key));
        assert_eq!(slot(&one, &[Fact::Tenant]), slot(&two, &[Fact::Tenant]));
        assert_eq!(slot(&one, &[Fact::User, Fact::Tenant]), slot(&two, &[Fact::Tenant, Fact::User]));
        assert_ne!(slot(&one, &[Fact::Tenant, Fact::Route]), slot(&two, &[Fact::Tenant, Fact::Route]));
        assert_eq!(slot(&one, &by_key).unwrap().0, Tag::Tenant(TENANT));
        let (tag, bucket) = slot(&one, &[Fact::Tenant]).unwrap();
        let (other_tag, of_another_policy) = slot_of("q", &one, &[Fact::Tenant]).unwrap();
        assert!(tag == other_tag && bucket != of_another_policy);
    }

    #[test]
    fn values_of_one_fact_do_not_stand_for_another() {
        let key = Subject::of("r").tenant(TENANT).key(b"same");
        let user = Subject::of("r").tenant(TENANT).user(b"same");
        assert_ne!(slot(&key, &[Fact::Tenant, Fact::Key]), slot(&user, &[Fact::Tenant, Fact::User]));
    }

    #[test]
    fn who_lacks_a_fact_has_no_bucket_of_its_scope() {
        let subject = Subject::of("reads").tenant(TENANT);
        assert_eq!(slot(&subject, &[Fact::Tenant, Fact::Key]), None);
        assert_eq!(slot(&subject, &[Fact::Address]), None);
        assert!(Scope::of(&[Fact::Route, Fact::Key]).is_none());
    }

    #[test]
    fn an_account_is_the_same_in_either_case_and_an_address_in_its_network() {
        let of = |account| slot(&Subject::of("login").account(account), &[Fact::Account]).unwrap();
        assert_eq!(of("Me@Example.com"), of("me@example.COM"));
        let from = |address: &str| slot(&Subject::of("r").address(address.parse().unwrap()), &[Fact::Address]).unwrap();
        assert_eq!(from("2001:db8::1"), from("2001:db8::2"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
    }
}
