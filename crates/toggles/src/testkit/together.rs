use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{StoreResult, TenantId};
use tokio::task::JoinSet;

use super::ToggleStores;
use super::fixtures::{A, B, at, audit, batch, race, scope};
use super::statistics::{conversion, exposure, fetches, fetches_at, flag_users, served};
use crate::store::{
    CountryCount, DayCount, Delta, ExperimentStatistics, FlagStatistics, ParameterStatistics, StatisticsBatch, StatisticsStore,
};
use crate::{Scope, Side};

const DAY: &str = "2026-01-01";
const NEXT_DAY: &str = "2026-01-02";

/// All figures of `p`, `f` and `x`.
#[derive(Debug, PartialEq)]
struct Figures {
    parameter: Option<ParameterStatistics>,
    flag: Option<FlagStatistics>,
    countries: Vec<CountryCount>,
    days: Vec<DayCount>,
    experiment: Option<ExperimentStatistics>,
}

impl Figures {
    async fn of(stores: &ToggleStores, tenant: TenantId, place: &Scope) -> Self {
        let (store, now) = (&stores.statistics, at(1000));
        let flag = "f".parse().unwrap();
        Self {
            parameter: store.parameter(tenant, place, &"p".parse().unwrap(), now).await.unwrap(),
            flag: store.flag(tenant, place, &flag, now).await.unwrap(),
            countries: store.flag_by_country(tenant, place, &flag).await.unwrap(),
            days: store.flag_by_day(tenant, place, &flag, "0000-01-01", "9999-12-31").await.unwrap(),
            experiment: store.experiment(tenant, place, &"x".parse().unwrap()).await.unwrap(),
        }
    }

    fn served(&self) -> (u64, u64) {
        self.flag.as_ref().map_or((0, 0), |flag| (flag.served_a, flag.served_b))
    }
}

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(uuid::Uuid::from_u128(0x70_6e7e + n))
}

/// Tenants, each with one of everything in a place of the same name.
async fn tenants(stores: &ToggleStores, count: u128) -> (Vec<TenantId>, Scope) {
    let tenants: Vec<TenantId> = (0..count).map(tenant).collect();
    for tenant in &tenants {
        let place = stores.with_environment(*tenant, "web", "production").await;
        stores.with_one_of_each(*tenant, &place).await;
    }
    (tenants, scope("web", "production"))
}

/// Something of every kind, other figures for each `n`, and the same rows several times. Sums are such as come out the same in any order.
fn everything(n: u16) -> Vec<Delta> {
    let times = u64::from(n) + 1;
    vec![
        fetches("p", times, &[n, 1]),
        fetches_at(at(100).minus(Duration::from_hours(1)), "p", 1, &[n + 2]),
        served("f", DAY, Some("DE"), times, 2),
        served("f", DAY, Some("\0\u{1}é"), 1, times),
        served("f", NEXT_DAY, Some("DE"), 3, 0),
        served("f", NEXT_DAY, None, 0, times),
        flag_users("f", Side::A, &[n, 1, 2]),
        flag_users("f", Side::B, &[n, 3]),
        exposure("x", "short", DAY, &[n, 1]),
        exposure("x", "short", NEXT_DAY, &[n, n + 1, 2]),
        exposure("x", "control", DAY, &[n]),
        conversion("x", "short", "buy", DAY, &[(n, times, 2.5), (1, 1, 0.125)]),
        conversion("x", "short", "visit", NEXT_DAY, &[(n, 1, 0.25)]),
    ]
}

/// Sends batches as a node does: as many at once as the store takes.
async fn send(store: &dyn StatisticsStore, batches: &[(TenantId, StatisticsBatch)]) -> StoreResult<()> {
    let mut left = batches;
    while !left.is_empty() {
        let taken = store.record_together(left).await?;
        assert!((1..=left.len()).contains(&taken), "{taken} of {}", left.len());
        left = &left[taken..];
    }
    Ok(())
}

async fn together(stores: &ToggleStores, batches: &[(TenantId, StatisticsBatch)]) {
    send(&*stores.statistics, batches).await.unwrap();
}

/// Nothing sent is nothing taken.
pub async fn no_batches_are_none_taken(stores: &ToggleStores) {
    assert_eq!(stores.statistics.record_together(&[]).await.unwrap(), 0);
}

/// Batches of many tenants that are sent together leave what they leave one by one, whatever is there already.
pub async fn batches_of_many_tenants_together_count_as_one_by_one(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 6).await;
    let (these, others) = tenants.split_at(3);
    for round in [0, 4, 1] {
        let of = |tenants: &[TenantId]| -> Vec<(TenantId, StatisticsBatch)> {
            let numbered = (round..).zip(tenants);
            numbered.map(|(n, tenant)| (*tenant, batch(&place, everything(n)))).collect()
        };
        together(stores, &of(these)).await;
        for (tenant, batch) in of(others) {
            stores.statistics.record(tenant, &batch).await.unwrap();
        }
        for (this, other) in these.iter().zip(others) {
            let figures = Figures::of(stores, *this, &place).await;
            assert!(figures.parameter.is_some() && figures.countries.len() == 2 && figures.days.len() == 2);
            assert_eq!(figures, Figures::of(stores, *other, &place).await);
        }
    }
    // Where nobody has anything of the name, nothing came of it.
    stores.with_environment(A, "web", "production").await;
    let nothing = Figures { parameter: None, flag: None, countries: Vec::new(), days: Vec::new(), experiment: None };
    assert_eq!(Figures::of(stores, A, &place).await, nothing);
}

/// Several batches of one tenant in a call add up, the same rows and the same users in them.
pub async fn batches_of_one_tenant_together_add_up(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 2).await;
    let [this, other] = tenants[..] else { panic!() };
    let batches = [7, 3, 8].map(|n| batch(&place, everything(n)));
    together(stores, &batches.clone().map(|batch| (this, batch))).await;
    for batch in &batches {
        stores.statistics.record(other, batch).await.unwrap();
    }
    let figures = Figures::of(stores, this, &place).await;
    assert_eq!(figures, Figures::of(stores, other, &place).await);
    assert_eq!(figures.flag.unwrap().users_a_24h, 5);
}

/// Of a call in which batches are known and others new, the new ones count; one that is given twice counts once, and so does one that comes
/// again later, alone or among others. The same id is another batch in another tenant.
pub async fn of_batches_together_those_that_are_known_count_no_more(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 3).await;
    let [one, two, three] = tenants[..] else { panic!() };
    let sent =
        |tenant: TenantId, a: u64| (tenant, batch(&place, vec![served("f", DAY, Some("DE"), a, 0), fetches("p", a, &[1])]));
    let (first, second, third) = (sent(one, 1), sent(two, 10), sent(three, 100));
    let mut namesake = sent(two, 1000);
    namesake.1.id = first.1.id;
    stores.statistics.record(one, &first.1).await.unwrap();
    let counted = async || {
        let mut counted = Vec::new();
        for tenant in &tenants {
            let figures = Figures::of(stores, *tenant, &place).await;
            assert_eq!(figures.days.iter().map(|day| day.served_a).sum::<u64>(), figures.served().0);
            assert_eq!(figures.parameter.as_ref().map_or(0, |parameter| parameter.fetches), figures.served().0);
            counted.push(figures.served().0);
        }
        counted
    };
    together(stores, &[first.clone(), second.clone(), second.clone()]).await;
    assert_eq!(counted().await, [1, 10, 0]);
    together(stores, &[second.clone(), third.clone(), first.clone(), namesake.clone()]).await;
    assert_eq!(counted().await, [1, 1010, 100]);
    together(stores, &[namesake.clone(), third.clone()]).await;
    together(stores, &[first, second.clone(), third, namesake]).await;
    stores.statistics.record(two, &second.1).await.unwrap();
    assert_eq!(counted().await, [1, 1010, 100]);
    // Almost a day later, though others came in between.
    let later = at(1000).plus(Duration::from_hours(24)).minus(Duration::from_millis(1));
    let late = [sent(one, 1), sent(two, 1)].map(|(tenant, mut batch)| {
        batch.at = later;
        (tenant, batch)
    });
    together(stores, &late).await;
    together(stores, &[second, late[0].clone()]).await;
    assert_eq!(counted().await, [2, 1011, 100]);
}

/// What a tenant does not have, or has no more, is left out; what it made anew begins anew. The others' batches count.
pub async fn what_is_deleted_is_left_out_of_batches_together(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 4).await;
    let all = |n| -> Vec<_> { tenants.iter().map(|tenant| (*tenant, batch(&place, everything(n)))).collect() };
    together(stores, &all(3)).await;
    let before = Figures::of(stores, tenants[3], &place).await;
    let (p, f, x) = ("p".parse().unwrap(), "f".parse().unwrap(), "x".parse().unwrap());
    let record = || audit("any", "any");
    // The first has no flag and no experiment, the second made its parameter anew, the third has no environment.
    let [first, second, third, fourth] = tenants[..] else { panic!() };
    let flag = stores.flags.find(first, &place, &f).await.unwrap().unwrap();
    stores.flags.delete(first, &place, &f, flag.revision, &record()).await.unwrap();
    let experiment = stores.experiments.find(first, &place, &x).await.unwrap().unwrap();
    stores.experiments.delete(first, &place, &x, experiment.revision, &record()).await.unwrap();
    let parameter = stores.parameters.find(second, &place, &p).await.unwrap().unwrap();
    stores.parameters.delete(second, &place, &p, parameter.revision, &record()).await.unwrap();
    stores.with_parameter(second, &place, "p").await;
    let environment = stores.directory.directory(third).await.unwrap().environments[&place].clone();
    stores.directory.delete_environment(third, &place, environment.revision, &record()).await.unwrap();
    let mut sent = all(3);
    sent.push((A, batch(&scope("ios", "nowhere"), everything(3))));
    together(stores, &sent).await;

    let figures = Figures::of(stores, first, &place).await;
    assert_eq!((figures.flag, figures.countries.len(), figures.experiment), (None, 0, None));
    assert_eq!(figures.parameter.unwrap().fetches, 10);
    let figures = Figures::of(stores, second, &place).await;
    assert_eq!((figures.parameter.unwrap().fetches, figures.flag.unwrap().served_a), (5, 16));
    stores.with_environment(third, "web", "production").await;
    stores.with_one_of_each(third, &place).await;
    let nothing = Figures { parameter: None, flag: None, countries: Vec::new(), days: Vec::new(), experiment: None };
    assert_eq!(Figures::of(stores, third, &place).await, nothing);
    let after = Figures::of(stores, fourth, &place).await;
    assert_eq!((before.served(), after.served()), ((8, 6 + 4), (16, 12 + 8)));
}

/// Nodes that send at the same time, for the same tenants in one order and the other, all count, beside a node that sends one by one.
pub async fn batches_together_of_many_nodes_at_once_all_count(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 5).await;
    let mut alone = JoinSet::new();
    for tenant in &tenants {
        let (store, tenant) = (Arc::clone(&stores.statistics), *tenant);
        let sent = batch(&place, vec![served("f", DAY, Some("DE"), 1, 0), flag_users("f", Side::A, &[1000])]);
        alone.spawn(async move { store.record(tenant, &sent).await });
    }
    let outcomes = race(|n| {
        let mut order = tenants.clone();
        order.rotate_left(n as usize % tenants.len());
        if n % 2 == 0 {
            order.reverse();
        }
        let n = u16::try_from(n).unwrap();
        let deltas = [
            served("f", DAY, Some("DE"), 1, 0),
            flag_users("f", Side::A, &[n, 1000]),
            fetches("p", 1, &[n, 1000]),
            exposure("x", "short", DAY, &[n, 1000]),
        ];
        let sent: Vec<_> = order.into_iter().map(|tenant| (tenant, batch(&place, deltas.to_vec()))).collect();
        let store = Arc::clone(&stores.statistics);
        async move { send(&*store, &sent).await }
    });
    let outcomes = outcomes.await;
    let (crowd, outcomes) = (outcomes.len() as u64, outcomes.into_iter().chain(alone.join_all().await));
    outcomes.for_each(|outcome| outcome.unwrap());
    for tenant in tenants {
        let figures = Figures::of(stores, tenant, &place).await;
        assert_eq!(figures.served(), (crowd + 1, 0));
        assert_eq!(figures.countries[0].served_a, crowd + 1);
        assert_eq!(figures.flag.unwrap().users_a_24h, crowd + 1);
        let parameter = figures.parameter.unwrap();
        assert_eq!((parameter.fetches, parameter.clients_24h), (crowd, crowd + 1));
        let variations = figures.experiment.unwrap().variations;
        assert_eq!((variations[0].exposures, variations[0].users), (2 * crowd, crowd + 1));
    }
}

/// Batches that are sent together while what they are about comes and goes do not fail, and leave nothing of what was deleted.
pub async fn batches_together_and_deletions_at_once_leave_no_orphans(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 3).await;
    let mut tasks = JoinSet::new();
    for sender in 0..3 {
        let (stores, place, mut order) = (stores.clone(), place.clone(), tenants.clone());
        tasks.spawn(async move {
            for n in 0..8 {
                order.rotate_left(1);
                if sender == 0 {
                    order.reverse();
                }
                let sent: Vec<_> = order.iter().map(|tenant| (*tenant, batch(&place, everything(n)))).collect();
                together(&stores, &sent).await;
            }
        });
    }
    for tenant in tenants.clone() {
        let (stores, place) = (stores.clone(), place.clone());
        tasks.spawn(async move {
            for _ in 0..3 {
                stores.renew_flag(tenant, &place, "f").await;
            }
        });
    }
    tasks.join_all().await;
    for tenant in tenants {
        stores.renew_flag(tenant, &place, "f").await;
        let figures = Figures::of(stores, tenant, &place).await;
        assert_eq!((figures.flag, figures.countries.len(), figures.days.len()), (None, 0, 0));
        assert_eq!(figures.parameter.unwrap().fetches, (0..8).map(|n| 3 * (n + 2)).sum::<u64>());
    }
}

/// More batches than any store takes at once, and more rows and subjects in one of them than fit a statement.
pub async fn any_number_of_batches_and_rows_is_counted(stores: &ToggleStores) {
    let place = stores.with_environment(A, "web", "production").await;
    stores.with_one_of_each(A, &place).await;
    stores.with_environment(B, "web", "production").await;
    stores.with_one_of_each(B, &place).await;
    let mut many: Vec<Delta> = (0..600).map(|n| served("f", DAY, Some(&format!("c{n:03}")), 1, 0)).collect();
    let bought: Vec<_> = (0..130).map(|n| (n, 2, f64::from(n) + 0.1)).collect();
    many.extend([exposure("x", "short", DAY, &(0..600).collect::<Vec<_>>()), conversion("x", "short", "buy", DAY, &bought)]);
    let mut sent = vec![(B, batch(&place, many))];
    let few = |n: u64| vec![served("f", DAY, Some("DE"), n, 1)];
    sent.extend((0..130).map(|n| (if n % 3 == 0 { A } else { B }, batch(&place, few(n)))));
    together(stores, &sent).await;
    let (a, b) = (Figures::of(stores, A, &place).await, Figures::of(stores, B, &place).await);
    let of_a: u64 = (0..130).filter(|n| n % 3 == 0).sum();
    assert_eq!((a.served(), a.countries.len()), ((of_a, 44), 1));
    assert_eq!((b.served(), b.countries.len()), (((0..130).sum::<u64>() - of_a + 600, 86), 601));
    let figures = b.experiment.unwrap();
    assert_eq!(figures.variations[0].users, 600);
    let bought = &figures.samples[0];
    assert_eq!((bought.converted_users, bought.values), (130, 260));
    assert!((bought.sum - (129.0 * 65.0 + 13.0)).abs() < 1e-6, "{bought:?}");
}

/// Batches that are together too much for one step are taken in several, and one that is too much by itself is taken all the same.
pub async fn large_batches_are_taken_one_after_the_other(stores: &ToggleStores) {
    let (tenants, place) = tenants(stores, 2).await;
    let large = |first: u16| {
        let subjects: Vec<u16> = (first..first + 2_100).collect();
        batch(&place, vec![exposure("x", "short", DAY, &subjects)])
    };
    let sent: Vec<_> = tenants.iter().flat_map(|tenant| [0, 1_000].map(|first| (*tenant, large(first)))).collect();
    let taken = stores.statistics.record_together(&sent).await.unwrap();
    assert!(taken < sent.len(), "{taken}");
    together(stores, &sent).await;
    for tenant in tenants {
        let figures = Figures::of(stores, tenant, &place).await.experiment.unwrap();
        assert_eq!((figures.variations[0].exposures, figures.variations[0].users), (4_200, 3_100));
    }
}
