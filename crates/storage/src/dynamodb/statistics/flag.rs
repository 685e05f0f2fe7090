//! Evaluations of flags.

use std::collections::BTreeMap;

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{CountryCount, DayCount, FlagStatistics};
use togglebox_toggles::{FlagKey, Scope, Side};

use super::super::DynamoDb;
use super::super::item::{Attributes, Item};
use super::super::key::Kind;
use super::change::Counter;
use super::key::{COUNTRIES, DAYS};
use super::read::{add, count, last_at, total};

/// How often A and B were served, by day or country.
type Served = BTreeMap<String, [u64; 2]>;

impl DynamoDb {
    pub(super) async fn flag_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        now: Timestamp,
    ) -> StoreResult<Option<FlagStatistics>> {
        const OPERATION: &str = "statistics.flag";
        let Some(of) = self.counted_record(OPERATION, tenant, scope, Kind::Flag, key.as_str()).await? else { return Ok(None) };
        let totals = self.totals(of).await?;
        let Some(last_at) = last_at(&totals, OPERATION)? else { return Ok(None) };
        Ok(Some(FlagStatistics {
            served_a: total(&totals, OPERATION, Counter::ServedA)?,
            served_b: total(&totals, OPERATION, Counter::ServedB)?,
            last_at,
            users_a_24h: self.distinct(of, Some(Side::A), now).await?,
            users_b_24h: self.distinct(of, Some(Side::B), now).await?,
        }))
    }

    pub(super) async fn flag_countries(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Vec<CountryCount>> {
        const OPERATION: &str = "statistics.flag_by_country";
        let Some(of) = self.counted_record(OPERATION, tenant, scope, Kind::Flag, key.as_str()).await? else {
            return Ok(Vec::new());
        };
        let items = self.shards(of, COUNTRIES, None).await?;
        let countries = served(&items, OPERATION, "country")?.into_iter();
        Ok(countries.map(|(country, [served_a, served_b])| CountryCount { country, served_a, served_b }).collect())
    }

    pub(super) async fn flag_days(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        first: &str,
        last: &str,
    ) -> StoreResult<Vec<DayCount>> {
        const OPERATION: &str = "statistics.flag_by_day";
        let Some(of) = self.counted_record(OPERATION, tenant, scope, Kind::Flag, key.as_str()).await? else {
            return Ok(Vec::new());
        };
        let items = self.shards(of, DAYS, before(first).as_deref()).await?;
        let days = served(&items, OPERATION, "day")?.into_iter().filter(|(day, _)| (first..=last).contains(&day.as_str()));
        Ok(days.map(|(day, [served_a, served_b])| DayCount { day, served_a, served_b }).collect())
    }
}

/// A sort key that comes before `day` and not before any earlier day: the last character is one less.
fn before(day: &str) -> Option<String> {
    let mut text = day.to_owned();
    let last = text.pop().filter(char::is_ascii_digit)?;
    Some(format!("{DAYS}{text}{}", char::from(u8::try_from(last).ok()? - 1)))
}

fn served(items: &[Item], operation: &'static str, of: &'static str) -> StoreResult<Served> {
    let mut all = Served::new();
    for item in items {
        let [a, b] = all.entry(Attributes::new(item, operation).get(of)?).or_default();
        *a = add(*a, count(item, operation, Counter::ServedA)?);
        *b = add(*b, count(item, operation, Counter::ServedB)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_begins_with_the_first_day() {
        for (earlier, first) in [("2026-01-09", "2026-01-10"), ("2025-12-31", "2026-01-01"), ("2026-01-30", "2026-01-31")] {
            let start = before(first).unwrap();
            assert!(start >= format!("{DAYS}{earlier}") && start < format!("{DAYS}{first}"), "{start}");
        }
        assert_eq!(before(""), None);
    }
}
