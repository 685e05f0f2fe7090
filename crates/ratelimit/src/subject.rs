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
    const TENANT: Self = Self(Fact::Tenant.bit());
    const KEY_OF_TENANT: Self = Self(Fact::Tenant.bit() | Fact::Key.bit());
    const ADDRESS: Self = Self(Fact::Address.bit());
    const ACCOUNT: Self = Self(Fact::Account.bit());

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
    #[inline]
    pub fn of(route: &'a str) -> Self {
        Self { route, ..Self::default() }
    }

    /// For this tenant.
    #[must_use]
    #[inline]
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
    #[inline]
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
    #[inline]
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
    #[inline]
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
    #[inline]
    pub const fn route(&self) -> &'a str {
        self.route
    }

    /// What it costs, unless a policy says otherwise.
    #[inline]
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

    /// The values of a scope that many requests in a row may have, if each is of sixteen bytes.
    #[inline]
    fn values(&self, scope: Scope, prefix: Ipv6Prefix) -> Option<recent::Values> {
        let number = u128::from_be_bytes;
        match scope {
            Scope::ADDRESS => Some([number(prefix.octets(self.address?)), 0]),
            Scope::TENANT => Some([self.tenant?.as_uuid().as_u128(), 0]),
            Scope::KEY_OF_TENANT => Some([self.tenant?.as_uuid().as_u128(), number(self.key?.try_into().ok()?)]),
            _ => None,
        }
    }

    fn part(&self, fact: Fact, prefix: Ipv6Prefix) -> Option<Part<'a>> {
        Some(match fact {
            Fact::Tenant => Part::Fixed(*self.tenant?.as_uuid().as_bytes()),
            Fact::Key => Part::Lent(self.key?),
            Fact::User => Part::Lent(self.user?),
            Fact::Route => Part::Lent(self.route.as_bytes()),
            Fact::Address => Part::Fixed(prefix.octets(self.address?)),
            Fact::Account => Part::Owned(self.account?.to_lowercase()),
        })
    }
}

/// Digests that this thread has made lately: most requests come from where others came from.
mod recent {
    use std::cell::Cell;

    use super::Scope;
    use crate::key::Digest;

    /// Of each thread, some 16 KB. A power of two.
    const PLACES: usize = 256;

    /// The values of a scope of up to two facts, each of sixteen bytes.
    pub(super) type Values = [u128; 2];

    /// A line of memory.
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Entry {
        scope: Scope,
        values: Values,
        digest: Digest,
    }

    /// No scope is without facts.
    const NONE: Entry = Entry { scope: Scope(0), values: [0; 2], digest: Digest::from_bytes([0; 16]) };

    thread_local! {
        static SEEN: [Cell<Entry>; PLACES] = const { [const { Cell::new(NONE) }; PLACES] };
    }

    /// The digest that was kept of these values.
    #[inline]
    pub(super) fn find(scope: Scope, values: Values) -> Option<Digest> {
        let entry = SEEN.with(|seen| seen[place(values)].get());
        (entry.scope == scope && entry.values == values).then_some(entry.digest)
    }

    /// Keeps the digest of these values, in the place of others.
    pub(super) fn keep(scope: Scope, values: Values, digest: Digest) {
        SEEN.with(|seen| seen[place(values)].set(Entry { scope, values, digest }));
    }

    /// Whoever makes values meet in one place only has their digests made again.
    #[inline]
    fn place([one, other]: Values) -> usize {
        let mixed = (one ^ other.rotate_left(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        usize::from(mixed.to_be_bytes()[0]) % PLACES
    }
}

/// What stands for whoever is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Digests: names leave the process, and nobody is to be recognised by them.
    Hidden,
    /// Where a single value of sixteen bytes tells who it is, that value: names stay in the process. What nearly every request needs is not
    /// looked up among the digests that were made, one of which would have to be kept for each address.
    Open,
}

/// Buckets of one subject. A digest of what several policies look at is made once.
#[derive(Debug)]
pub(crate) struct Buckets<'s, 'a> {
    subject: &'s Subject<'a>,
    prefix: Ipv6Prefix,
    naming: Naming,
    digests: SmallVec<[(Scope, Digest); 3]>,
}

impl<'s, 'a> Buckets<'s, 'a> {
    pub(crate) fn of(subject: &'s Subject<'a>, prefix: Ipv6Prefix, naming: Naming) -> Self {
        Self { subject, prefix, naming, digests: SmallVec::new() }
    }

    /// Whose they are.
    #[inline]
    pub(crate) const fn subject(&self) -> &'s Subject<'a> {
        self.subject
    }

    /// Where the bucket of a policy with this scope and this seed is and what it is, if everything in the scope is known.
    #[inline]
    pub(crate) fn find(&mut self, seed: Digest, scope: Scope) -> Option<(Tag, Digest)> {
        let digest = self.digest(scope)?;
        let tag = if scope.has(Fact::Tenant) {
            Tag::Tenant(self.subject.tenant?)
        } else {
            let is_account = scope.has(Fact::Account);
            let of = if is_account { Scope::ACCOUNT } else { Scope::ADDRESS };
            let digest = if of == scope { digest } else { self.digest(of)? };
            if is_account { Tag::Account(digest) } else { Tag::Address(digest) }
        };
        // The digest tells scopes and values apart, the seed policies.
        Some((tag, digest.combined(seed)))
    }

    #[inline]
    fn digest(&mut self, scope: Scope) -> Option<Digest> {
        let values = self.subject.values(scope, self.prefix);
        if let (Naming::Open, Some([value, 0])) = (self.naming, values) {
            // One value tells all: a policy has one scope.
            return Some(Digest::from_bytes(value.to_be_bytes()));
        }
        values.and_then(|values| recent::find(scope, values)).or_else(|| self.made(scope, values))
    }

    /// `values`: those of the scope, where its digest is kept for others.
    #[cold]
    fn made(&mut self, scope: Scope, values: Option<recent::Values>) -> Option<Digest> {
        if let Some(values) = values {
            let digest = self.subject.digest(scope, self.prefix)?;
            recent::keep(scope, values, digest);
            return Some(digest);
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
    use proptest::collection::vec;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(5));

    fn slot(subject: &Subject<'_>, facts: &[Fact]) -> Option<(Tag, Digest)> {
        slot_of("p", subject, facts)
    }

    fn slot_of(policy: &str, subject: &Subject<'_>, facts: &[Fact]) -> Option<(Tag, Digest)> {
        let mut buckets = Buckets::of(subject, Ipv6Prefix::default(), Naming::Hidden);
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

    proptest! {
        /// Whatever this thread has met before, and in whichever order: few values, so that many meet in one place.
        #[test]
        fn a_digest_that_was_kept_is_the_one_that_would_be_made(asked in vec((0_usize..4, any::<u8>(), any::<u8>()), 1..200)) {
            let prefix = Ipv6Prefix::default();
            for (scope, one, other) in asked {
                let scope = [Scope::TENANT, Scope::KEY_OF_TENANT, Scope::ADDRESS, Scope(Fact::Tenant.bit() | Fact::Address.bit())][scope];
                let key = [other; 16];
                let subject = Subject::of("reads")
                    .tenant(TenantId::from_uuid(Uuid::from_u128(one.into())))
                    .key(if other < 8 { &key[..8] } else { &key })
                    .address(IpAddr::from([10, 0, one, other % 4]));
                let named = |naming| Buckets::of(&subject, prefix, naming).digest(scope);
                prop_assert_eq!(named(Naming::Hidden), subject.digest(scope, prefix));
                let is_open = [Scope::TENANT, Scope::ADDRESS].contains(&scope);
                prop_assert_eq!(named(Naming::Open) != named(Naming::Hidden), is_open);
            }
        }
    }
}
