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
    fn values(&self, scope: Scope, prefix: Ipv6Prefix) -> Values {
        let address = || self.address.map(|address| u128::from_be_bytes(prefix.octets(address)));
        let tenant = || self.tenant.map(|tenant| tenant.as_uuid().as_u128());
        match scope {
            Scope::ADDRESS => address().map_or(Values::Missing, Values::One),
            Scope::TENANT => tenant().map_or(Values::Missing, Values::One),
            Scope::KEY_OF_TENANT => match (tenant(), self.key) {
                (Some(tenant), Some(key)) => {
                    key.try_into().map_or(Values::Other, |key| Values::Two([tenant, u128::from_be_bytes(key)]))
                }
                _ => Values::Missing,
            },
            _ => Values::Other,
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

/// The values of a scope.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// Sixteen bytes are all of them.
    One(u128),
    /// Twice sixteen are.
    Two([u128; 2]),
    /// Something in the scope is not known.
    Missing,
    /// Anything else.
    Other,
}

/// Digests that this thread has made lately: most requests come from where others came from.
mod recent {
    use std::cell::Cell;

    use super::Scope;
    use crate::key::Digest;

    /// Of each thread, some 16 KB. A power of two.
    const PLACES: usize = 256;

    /// A line of memory.
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Entry {
        scope: Scope,
        values: [u128; 2],
        digest: Digest,
    }

    /// No scope is without facts.
    const NONE: Entry = Entry { scope: Scope(0), values: [0; 2], digest: Digest::from_bytes([0; 16]) };

    thread_local! {
        static SEEN: [Cell<Entry>; PLACES] = const { [const { Cell::new(NONE) }; PLACES] };
    }

    /// The digest that was kept of these values.
    #[inline]
    pub(super) fn find(scope: Scope, values: [u128; 2]) -> Option<Digest> {
        let entry = SEEN.with(|seen| seen[place(values)].get());
        (entry.scope == scope && entry.values == values).then_some(entry.digest)
    }

    /// Keeps the digest of these values, in the place of others.
    pub(super) fn keep(scope: Scope, values: [u128; 2], digest: Digest) {
        SEEN.with(|seen| seen[place(values)].set(Entry { scope, values, digest }));
    }

    /// Whoever makes values meet in one place only has their digests made again.
    #[inline]
    fn place([one, other]: [u128; 2]) -> usize {
        let mixed = (one ^ other.rotate_left(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        usize::from(mixed.to_be_bytes()[0]) % PLACES
    }
}

/// What stands for whoever is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Digests: names leave the process, and nobody is to be recognised by them.
    Hidden,
    /// Where a single value of sixteen bytes tells who it is, that value, [spread](spread): names stay in the process. What nearly every
    /// request needs is not looked up among the digests that were made, one of which would have to be kept for each address.
    Open,
}

/// Another number for each number, in which all bytes differ where any do: addresses and ids have much in common, and tables go by some of the
/// bytes. Two multiplications, each between folds of the upper half onto the lower one, all of which can be undone.
#[inline]
const fn spread(value: u128) -> Digest {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let once = (value ^ (value >> 64)).wrapping_mul(ODD);
    let twice = (once ^ (once >> 64)).wrapping_mul(ODD);
    Digest::from_bytes((twice ^ (twice >> 64)).to_ne_bytes())
}

/// What tells the buckets of a policy from those of others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    /// Of the name, as it always was: nodes of several versions share a store.
    hidden: Digest,
    /// Of the name and the scope.
    open: Digest,
}

impl Seeds {
    pub(crate) fn of(name: &str, scope: Scope) -> Self {
        Self { hidden: Digest::of([name.as_bytes()]), open: Digest::of([name.as_bytes(), &[scope.0]]) }
    }
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

    /// Where the bucket of a policy with this scope and these seeds is and what it is, if everything in the scope is known.
    #[inline]
    pub(crate) fn find(&mut self, seeds: &Seeds, scope: Scope) -> Option<(Tag, Digest)> {
        let digest = self.digest(scope)?;
        let tag = if scope.has(Fact::Tenant) {
            Tag::Tenant(self.subject.tenant?)
        } else {
            let is_account = scope.has(Fact::Account);
            let of = if is_account { Scope::ACCOUNT } else { Scope::ADDRESS };
            let digest = if of == scope { digest } else { self.digest(of)? };
            if is_account { Tag::Account(digest) } else { Tag::Address(digest) }
        };
        // A hidden digest tells scopes and values apart, the seed policies; an open one tells values apart, the seed policies and scopes.
        let seed = match self.naming {
            Naming::Hidden => seeds.hidden,
            Naming::Open => seeds.open,
        };
        Some((tag, digest.combined(seed)))
    }

    #[inline]
    fn digest(&mut self, scope: Scope) -> Option<Digest> {
        let values = match self.subject.values(scope, self.prefix) {
            Values::One(value) if self.naming == Naming::Open => return Some(spread(value)),
            Values::One(value) => [value, 0],
            Values::Two(values) => values,
            Values::Missing => return None,
            Values::Other => return self.other_digest(scope),
        };
        recent::find(scope, values).or_else(|| {
            let digest = self.subject.digest(scope, self.prefix)?;
            recent::keep(scope, values, digest);
            Some(digest)
        })
    }

    fn other_digest(&mut self, scope: Scope) -> Option<Digest> {
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
        let scope = Scope::of(facts).unwrap();
        let seeds = Seeds::of(policy, scope);
        let [hidden, open] = [Naming::Hidden, Naming::Open].map(|naming| {
            let mut buckets = Buckets::of(subject, Ipv6Prefix::default(), naming);
            let found = buckets.find(&seeds, scope);
            assert_eq!(buckets.find(&seeds, scope), found, "again");
            found
        });
        assert!(hidden.is_none() && open.is_none() || hidden.unwrap().1 != open.unwrap().1);
        hidden
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
                // Of no bytes that are not zero, too.
                let key = [other.saturating_sub(16); 16];
                let subject = Subject::of("reads")
                    .tenant(TenantId::from_uuid(Uuid::from_u128(one.into())))
                    .key(if other < 8 { &key[..8] } else { &key })
                    .address(if one < 128 {
                        IpAddr::from([10, 0, one, other % 4])
                    } else {
                        IpAddr::from([0x2001, 0xdb8, 0, one.into(), other.into(), 0, 0, 1])
                    });
                let named = |naming| Buckets::of(&subject, prefix, naming).digest(scope);
                prop_assert_eq!(named(Naming::Hidden), subject.digest(scope, prefix));
                let is_open = [Scope::TENANT, Scope::ADDRESS].contains(&scope);
                prop_assert_eq!(named(Naming::Open) != named(Naming::Hidden), is_open);
            }
        }

        /// No two have one slot, and neighbours have nothing in common.
        #[test]
        fn numbers_are_spread_and_told_apart(value: u128, bit in 0_u32..128) {
            let [one, other] = [value, value ^ (1 << bit)].map(|value| u128::from_ne_bytes(*spread(value).as_bytes()));
            prop_assert_ne!(one, other);
            let undone = |folded: u128| {
                // The inverse of the factor, by Newton's method: each step doubles the bits that are right.
                let odd: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
                let inverse = (0..7).fold(odd, |inverse, _| inverse.wrapping_mul(2_u128.wrapping_sub(odd.wrapping_mul(inverse))));
                let unfolded = (folded ^ (folded >> 64)).wrapping_mul(inverse);
                let unfolded = (unfolded ^ (unfolded >> 64)).wrapping_mul(inverse);
                unfolded ^ (unfolded >> 64)
            };
            prop_assert_eq!(undone(one), value);
        }
    }

    /// Half of the bits differ, more or less, in the bytes by which tables go too.
    #[test]
    fn neighbours_have_slots_far_apart() {
        let slot = |number: u32| spread(u128::from_be_bytes(Ipv6Prefix::default().octets(IpAddr::from(number.to_be_bytes()))));
        for byte in 0..16 {
            let mut seen = [0_u32; 256];
            (0..65_536).for_each(|number| seen[usize::from(slot(0x0a00_0000 + number).as_bytes()[byte])] += 1);
            assert!(seen.iter().all(|times| (128..=512).contains(times)), "byte {byte}: {seen:?}");
        }
    }
}
