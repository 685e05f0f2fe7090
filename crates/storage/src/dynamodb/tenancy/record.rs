//! A tenant's item: the tenant, and how much there is of what a limit counts.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use togglebox_core::{StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::{
    Billing, Deletion, DomainName, Limit, LimitOverrides, Limited, PlanName, Reason, Standing, Subdomain, Suspension, Tenant,
    TenantName, Unpaid, UsagePeriod,
};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, Value, json, optional_json};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::write::Write;
use super::key;

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) members: u64,
    /// Expired ones too.
    pub(super) invitations: u64,
    /// Claims to domains, verified or not.
    pub(super) claims: u64,
}

/// A tenant that is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) tenant: Tenant,
    pub(super) counts: Counts,
}

impl Record {
    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let tenant = Tenant {
            id: TenantId::from_uuid(attributes.get("id")?),
            name: parsed(&attributes, "name", TenantName::new)?,
            subdomain: parsed(&attributes, "subdomain", Subdomain::new)?,
            renames: attributes.optional_json("renames")?.unwrap_or_default(),
            domains: parsed_list(&attributes, "domains", DomainName::new)?,
            owner: attributes.get("owner")?,
            standing: standing(&attributes)?,
            plan: parsed(&attributes, "plan", PlanName::new)?,
            overrides: overrides(&attributes)?,
            billing: Billing {
                customer: attributes.maybe("customer")?,
                subscription: attributes.maybe("subscription")?,
                current_period_end: attributes.maybe("period_end")?,
                usage: usage(&attributes)?,
            },
            version: attributes.get("rev")?,
            created_at: attributes.get("created_at")?,
            updated_at: attributes.get("updated_at")?,
        };
        let counts = Counts {
            members: attributes.get("members")?,
            invitations: attributes.get("invitations")?,
            claims: attributes.get("claims")?,
        };
        Ok(Self { tenant, counts })
    }

    /// The tenant among what was read, if it is there.
    pub(super) fn of(items: &HashMap<Key, Item>, tenant: TenantId, operation: &'static str) -> StoreResult<Option<Self>> {
        items.get(&key::tenant(tenant)).map(|item| Self::read(item, operation)).transpose()
    }

    /// Whether the tenant takes something new in.
    pub(super) const fn is_living(&self) -> bool {
        self.tenant.standing.takes_in()
    }

    /// The condition that everything is as it was read, the counts too.
    pub(super) fn stands(&self) -> Condition {
        let Counts { members, invitations, claims } = self.counts;
        let stands = Condition::is("rev", self.tenant.version).and("members", members);
        stands.and("invitations", invitations).and("claims", claims)
    }

    /// What makes the tenant.
    pub(super) fn create(&self, operation: &'static str) -> StoreResult<Action> {
        let mut draft = Draft::new(&key::tenant(self.tenant.id))
            .with("id", *self.tenant.id.as_uuid())
            .with("created_at", self.tenant.created_at);
        for (name, value) in self.changeable(operation)? {
            draft = draft.maybe(name, value);
        }
        for (name, count) in self.counts.named() {
            draft = draft.with(name, count);
        }
        Ok(Action::Put { item: draft.finish(operation)?, when: Condition::absent() })
    }

    /// What puts `next` in the place of this one, as long as this stands.
    pub(super) fn replace(&self, next: &Self, operation: &'static str) -> StoreResult<Action> {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for (name, value) in next.changeable(operation)? {
            match value {
                Some(value) => set.push((name, value)),
                None => remove.push(name),
            }
        }
        set.extend(next.counts.named().map(|(name, count)| (name, count.into())));
        Ok(Action::Update { key: key::tenant(self.tenant.id), set, remove, when: self.stands() })
    }

    /// What changes the counts alone, as long as this stands.
    pub(super) fn count(&self, counts: Counts) -> Action {
        let set = counts.named().map(|(name, count)| (name, count.into())).into();
        Action::Update { key: key::tenant(self.tenant.id), set, remove: Vec::new(), when: self.stands() }
    }

    /// What changes nothing, as long as this stands.
    pub(super) fn check(&self) -> Action {
        Action::Check { key: key::tenant(self.tenant.id), when: self.stands() }
    }

    fn changeable(&self, operation: &'static str) -> StoreResult<Vec<(&'static str, Option<Value>)>> {
        let Tenant { standing, billing, .. } = &self.tenant;
        let (suspension, deletion) = (standing.suspension.as_ref(), standing.deletion.as_ref());
        let domains: Vec<_> = self.tenant.domains.iter().map(ToString::to_string).collect();
        let renames = Some(&self.tenant.renames).filter(|renames| !renames.is_empty());
        let renames = optional_json(operation, renames)?;
        let overrides: BTreeMap<_, _> = self.tenant.overrides.iter().map(|(what, limit)| (what.as_str(), limit.get())).collect();
        Ok(vec![
            ("name", Some(self.tenant.name.as_str().into())),
            ("subdomain", Some(self.tenant.subdomain.as_str().into())),
            ("renames", renames.map(Value::from)),
            ("domains", Some(json(operation, &domains)?.into())),
            ("owner", Some(self.tenant.owner.into())),
            ("past_due_since", standing.past_due_since.map(Value::from)),
            ("unpaid", standing.unpaid.map(|unpaid| unpaid.as_str().into())),
            ("unpaid_since", standing.unpaid_since().map(Value::from)),
            ("suspended_at", suspension.map(|suspension| suspension.at.into())),
            ("suspended_for", suspension.map(|suspension| suspension.reason.as_str().into())),
            ("deleted_at", deletion.map(|deletion| deletion.at.into())),
            ("restorable_until", deletion.map(|deletion| deletion.restorable_until.into())),
            ("purged_at", deletion.and_then(|deletion| deletion.purged_at).map(Value::from)),
            ("plan", Some(self.tenant.plan.as_str().into())),
            ("overrides", Some(json(operation, &overrides)?.into())),
            ("customer", billing.customer.as_deref().map(Value::from)),
            ("subscription", billing.subscription.as_deref().map(Value::from)),
            ("period_end", billing.current_period_end.map(Value::from)),
            ("usage_period", optional_json(operation, billing.usage.as_ref().map(usage_shape).as_ref())?.map(Value::from)),
            ("updated_at", Some(self.tenant.updated_at.into())),
            ("rev", Some(self.tenant.version.into())),
        ])
    }
}

impl Counts {
    const fn named(self) -> [(&'static str, u64); 3] {
        [("members", self.members), ("invitations", self.invitations), ("claims", self.claims)]
    }
}

fn standing(attributes: &Attributes<'_>) -> StoreResult<Standing> {
    let suspension = match attributes.maybe("suspended_at")? {
        Some(at) => Some(Suspension { reason: parsed(attributes, "suspended_for", Reason::new)?, at }),
        None => None,
    };
    let deletion = match attributes.maybe("deleted_at")? {
        Some(at) => {
            let (restorable_until, purged_at) = (attributes.get("restorable_until")?, attributes.maybe("purged_at")?);
            Some(Deletion { at, restorable_until, purged_at })
        }
        None => None,
    };
    let unpaid = match attributes.maybe("unpaid_since")? {
        Some(since) => Some(parsed(attributes, "unpaid", |word| {
            Unpaid::parse(word, since).ok_or_else(|| format!("the word {word:?} is not known"))
        })?),
        None => None,
    };
    Ok(Standing { past_due_since: attributes.maybe("past_due_since")?, unpaid, suspension, deletion })
}

/// An absent number is no limit at all.
fn overrides(attributes: &Attributes<'_>) -> StoreResult<LimitOverrides> {
    let limits: BTreeMap<String, Option<u64>> = attributes.json("overrides")?;
    let read = |(word, most): (String, Option<u64>)| {
        let limit = most.map_or(Some(Limit::Unlimited), Limit::of);
        let wrong = || attributes.unreadable("overrides", format!("{word:?} of {most:?} is not known"));
        Limited::parse(&word).zip(limit).ok_or_else(wrong)
    };
    limits.into_iter().map(read).collect()
}

/// A JSON list: the first moment, the one after the last, and the names of plans.
fn usage(attributes: &Attributes<'_>) -> StoreResult<Option<UsagePeriod>> {
    const NAME: &str = "usage_period";
    let Some((from, until, plans)) = attributes.optional_json::<(Timestamp, Timestamp, Vec<String>)>(NAME)? else {
        return Ok(None);
    };
    let plans = plans.iter().map(|plan| PlanName::new(plan)).collect::<Result<_, _>>();
    Ok(Some(UsagePeriod { from, until, plans: plans.map_err(|source| attributes.unreadable(NAME, source))? }))
}

fn usage_shape(usage: &UsagePeriod) -> (Timestamp, Timestamp, Vec<&str>) {
    (usage.from, usage.until, usage.plans.iter().map(PlanName::as_str).collect())
}

/// An attribute of text as the value that it stands for.
pub(super) fn parsed<T, E: Into<Box<dyn Error + Send + Sync>>>(
    attributes: &Attributes<'_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> StoreResult<T> {
    parse(&attributes.get::<String>(name)?).map_err(|source| attributes.unreadable(name, source))
}

/// An attribute of a JSON list of texts as the values that they stand for.
pub(super) fn parsed_list<T, E: Into<Box<dyn Error + Send + Sync>>>(
    attributes: &Attributes<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> StoreResult<Vec<T>> {
    let texts: Vec<String> = attributes.json(name)?;
    texts.iter().map(|text| parse(text).map_err(|source| attributes.unreadable(name, source))).collect()
}

impl DynamoDb {
    /// The tenant with this id, if it is there.
    pub(super) async fn tenant_record(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
    ) -> StoreResult<Option<Record>> {
        let item = self.get(operation, patience, &key::tenant(tenant)).await?;
        item.map(|item| Record::read(&item, operation)).transpose()
    }
}

/// A tenant that takes something new in, or that there is none.
pub(super) fn living(write: &Write<'_>, record: Option<Record>) -> StoreResult<Record> {
    record.filter(Record::is_living).ok_or_else(|| write.error(StoreErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::Revision;
    use uuid::Uuid;

    use super::*;

    fn moment() -> impl Strategy<Value = Option<Timestamp>> {
        prop::option::of(any::<i64>().prop_map(Timestamp::from_ms))
    }

    fn standings() -> impl Strategy<Value = Standing> {
        let suspension = prop::option::of((any::<i64>(), "[a-zé\"]{1,40}")).prop_map(|suspended| {
            suspended.map(|(at, reason)| Suspension { reason: Reason::new(&reason).unwrap(), at: Timestamp::from_ms(at) })
        });
        let deletion = prop::option::of((any::<i64>(), any::<i64>(), moment())).prop_map(|deleted| {
            deleted.map(|(at, until, purged_at)| Deletion {
                at: Timestamp::from_ms(at),
                restorable_until: Timestamp::from_ms(until),
                purged_at,
            })
        });
        let unpaid = prop::option::of((0..Unpaid::WORDS.len(), any::<i64>()))
            .prop_map(|unpaid| unpaid.map(|(word, at)| Unpaid::WORDS[word].1(Timestamp::from_ms(at))));
        (moment(), unpaid, suspension, deletion).prop_map(|(past_due_since, unpaid, suspension, deletion)| Standing {
            past_due_since,
            unpaid,
            suspension,
            deletion,
        })
    }

    fn limits() -> impl Strategy<Value = LimitOverrides> {
        let one = prop::option::of(prop_oneof![Just(Limit::Unlimited), (1..=u64::MAX).prop_map(|most| Limit::of(most).unwrap())]);
        prop::collection::vec(one, Limited::ALL.len()).prop_map(|limits| {
            Limited::ALL.into_iter().zip(limits).fold(LimitOverrides::NONE, |all, (limited, limit)| all.with(limited, limit))
        })
    }

    prop_compose! {
        fn records()(
            ids: (u128, u128), name in "[a-z\u{1f6a6}%'\"]{1,20}", standing in standings(), overrides in limits(),
            customer in prop::option::of(".*"), subscription in prop::option::of(".*"), current_period_end in moment(),
            numbers: [u64; 4], times: (i64, i64), renames in prop::collection::vec(any::<i64>(), 0..3),
            domains in prop::collection::vec("[a-z]{1,9}\\.test", 0..3),
            usage in prop::option::of((any::<i64>(), any::<i64>(), prop::collection::vec("[a-z]{1,9}", 0..3))),
        ) -> Record {
            let tenant = Tenant {
                id: TenantId::from_uuid(Uuid::from_u128(ids.0)),
                name: TenantName::new(&name).unwrap(),
                subdomain: "acme-1".parse().unwrap(),
                renames: renames.into_iter().map(Timestamp::from_ms).collect(),
                domains: domains.iter().map(|text| text.parse().unwrap()).collect(),
                owner: Uuid::from_u128(ids.1),
                standing,
                plan: "free".parse().unwrap(),
                overrides,
                billing: Billing {
                    customer,
                    subscription,
                    current_period_end,
                    usage: usage.map(|(from, until, plans)| UsagePeriod {
                        from: Timestamp::from_ms(from),
                        until: Timestamp::from_ms(until),
                        plans: plans.iter().map(|plan| plan.parse().unwrap()).collect(),
                    }),
                },
                version: Revision::new(numbers[0]),
                created_at: Timestamp::from_ms(times.0),
                updated_at: Timestamp::from_ms(times.1),
            };
            Record { tenant, counts: Counts { members: numbers[1], invitations: numbers[2], claims: numbers[3] } }
        }
    }

    /// What an action leaves of an item.
    fn left(mut item: Item, action: Action) -> Item {
        match action {
            Action::Put { item, .. } => item,
            Action::Update { set, remove, .. } => {
                item.extend(set.into_iter().map(|(name, value)| (name.to_owned(), value.0)));
                item.retain(|name, _| !remove.contains(&name.as_str()));
                item
            }
            other => panic!("{other:?} writes no tenant"),
        }
    }

    proptest! {
        #[test]
        fn records_read_back_also_over_one_another(first in records(), next in records()) {
            let item = left(Item::new(), first.create("test").unwrap());
            prop_assert_eq!(Record::read(&item, "test").unwrap(), first.clone());
            let next = Record {
                tenant: Tenant { id: first.tenant.id, created_at: first.tenant.created_at, ..next.tenant },
                ..next
            };
            let item = left(item, first.replace(&next, "test").unwrap());
            prop_assert_eq!(Record::read(&item, "test").unwrap(), next);
        }
    }
}
