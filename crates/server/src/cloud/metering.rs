//! Counts the usage of workspaces, brings it to the store, and adds it up there.

mod living;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use togglebox_core::{Clock, Cursor, Entropy, EntropyExt as _, OsEntropy, StoreErrorKind, TenantId};
use togglebox_http::cloud::{CENTRAL, Metering};
use togglebox_metering::queue::{QueueConsumer, QueueSink, UsageQueue};
use togglebox_metering::store::{Prune, StaleHour, UsageLedgerExt as _, UsageSink};
use togglebox_metering::{DirectRecorder, Flusher, FlusherOptions, Minute, Recorder, RecorderOptions, Sealing};
use togglebox_multitenancy::manage::Tenancy;
use togglebox_multitenancy::store::TenantDirectory;
use togglebox_storage::sqlite::Durability;
use tokio::time::timeout;

use self::living::OfTheLiving;
use crate::settings::DatabaseSettings;
use crate::stores::UsageStores;

/// How long minutes are kept, hours, and the ids of events with the marks of writers.
const MINUTES_KEPT: Duration = Duration::from_hours(7 * 24);
const HOURS_KEPT: Duration = Duration::from_hours(400 * 24);
const CLAIMS_KEPT: Duration = Duration::from_hours(35 * 24);

/// What is removed at once, and how often in a round.
const PART: usize = 1000;
const PARTS: usize = 50;

/// Hours that are listed at a time, and how often in a round; what is left of a backlog has its turn the next time.
const HOURS: usize = 500;
const LISTS: usize = 10;

/// Cells that a file of counts has room for: 8 MB of disk. A series that is used takes one each minute.
const SLOTS: u32 = 1 << 17;

/// How long the end of a node may take to bring the rest to the store. What is left then is sent by the next process that counts here.
const GRACE: Duration = Duration::from_secs(5);

/// How counts come to the store.
#[derive(Debug)]
pub(crate) struct Way {
    stores: UsageStores,
    /// Where nodes bring them that keep them in files.
    flushed: Arc<dyn UsageSink>,
    /// Where those bring them that keep them nowhere: at once, so without a look at who has ended. The roll-up looks.
    direct: Arc<dyn UsageSink>,
    /// What takes them out of the queue, if there is one.
    consumer: Option<QueueConsumer>,
}

impl Way {
    pub(crate) fn new(stores: UsageStores, queue: Option<Arc<dyn UsageQueue>>, directory: &Arc<dyn TenantDirectory>) -> Self {
        let store = Arc::clone(&stores.ledger) as Arc<dyn UsageSink>;
        let living: Arc<dyn UsageSink> = Arc::new(OfTheLiving::new(Arc::clone(&store), Arc::clone(directory)));
        match queue {
            None => Self { stores, flushed: living, direct: store, consumer: None },
            Some(queue) => {
                let sink: Arc<dyn UsageSink> = Arc::new(QueueSink::new(Arc::clone(&queue)));
                let consumer = Some(QueueConsumer::new(queue, living));
                Self { stores, flushed: Arc::clone(&sink), direct: sink, consumer }
            }
        }
    }
}

/// How a node keeps what it counts until the store has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping<'s> {
    /// In this folder; `None`: beside the database.
    pub(crate) folder: Option<&'s Path>,
    /// What a count survives.
    pub(crate) durability: Durability,
    /// Whether it counts in memory that is the file.
    pub(crate) mapped: bool,
}

/// The metering of a node.
#[derive(Debug)]
pub(crate) struct Meterage {
    pub(crate) metering: Arc<Metering>,
    /// `None` where nothing is kept in files.
    flusher: Option<Arc<Flusher>>,
    stores: UsageStores,
    consumer: Option<QueueConsumer>,
    tenancy: Arc<Tenancy>,
    /// Workspaces of which something came after their end, and where its removal goes on.
    late: Mutex<BTreeMap<TenantId, Option<Cursor>>>,
    clock: Arc<dyn Clock>,
    /// How often what was counted is brought to the store.
    pub(crate) every: Duration,
    /// A folder that ends with this process, as its database does.
    passing: Option<PathBuf>,
}

impl Meterage {
    /// Begins to count where no disk outlasts the process.
    ///
    /// # Errors
    /// None: the meters are fixed.
    pub(crate) fn direct(
        database: &DatabaseSettings,
        Way { stores, direct, .. }: Way,
        tenancy: &Arc<Tenancy>,
        (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    ) -> anyhow::Result<Self> {
        let meters = Metering::meters().context("the meters cannot be")?;
        let recorder = DirectRecorder::new(meters, direct, Arc::clone(clock), &**entropy);
        let metering = Metering::direct(recorder, stores.both()).context("the meters cannot be")?;
        let (metering, tenancy, clock) = (Arc::new(metering), Arc::clone(tenancy), Arc::clone(clock));
        let late = Mutex::default();
        // A process that is stopped at any time would take messages out and keep them from others.
        Ok(Self { metering, flusher: None, stores, consumer: None, tenancy, late, clock, every: every(database), passing: None })
    }

    /// Begins to count in a folder: the one that is named, or one beside the database. It is made if it is not there.
    ///
    /// # Errors
    /// There cannot be such a folder, or no file in it.
    pub(crate) fn begin(
        Keeping { folder, durability, mapped }: Keeping<'_>,
        database: &DatabaseSettings,
        Way { stores, flushed, consumer, .. }: Way,
        tenancy: &Arc<Tenancy>,
        (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    ) -> anyhow::Result<Self> {
        // In memory, the store ends with the process, and so does what was counted for it.
        let of_this_process = || std::env::temp_dir().join(format!("togglebox-usage-{}", entropy.hex::<8>()));
        let lasting = match folder {
            Some(folder) => Some(folder.to_owned()),
            None => beside(database)?,
        };
        let passing = if lasting.is_none() { Some(of_this_process()) } else { None };
        let folder = lasting.or_else(|| passing.clone()).unwrap_or_default();
        let unusable = || format!("USAGE_DIR: usage cannot be counted in {}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(unusable)?;
        let meters = Metering::meters().context("the meters cannot be")?;
        let options = RecorderOptions::in_directory(&folder).with_slots(SLOTS);
        let options = if mapped { options.mapped() } else { options };
        let recorder = Recorder::open(meters, options, Arc::clone(clock), Arc::clone(entropy)).with_context(unusable)?;
        tracing::debug!(folder = %folder.display(), mapped = recorder.is_mapped(), "Usage is counted in files");
        let recorder = Arc::new(recorder);
        let flusher = Flusher::new(Arc::clone(&recorder), flushed, FlusherOptions::default());
        let flusher = Arc::new(flusher);
        let metering = Metering::new((recorder, Arc::clone(&flusher)), stores.both()).context("the meters cannot be")?;
        let metering = if durability == Durability::ProcessEnd { metering } else { metering.on_disk() };
        Ok(Self {
            metering: Arc::new(metering),
            flusher: Some(flusher),
            stores,
            consumer,
            tenancy: Arc::clone(tenancy),
            late: Mutex::default(),
            clock: Arc::clone(clock),
            every: every(database),
            passing,
        })
    }

    /// Brings what was counted to the store, and learns what others have counted.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.metering.flush().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Usage was not sent; it is kept for the next time");
        } else if let Err(error) = self.metering.learn(self.clock.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "It could not be read how many requests workspaces have made"
            );
        }
        self.metering.share(self.clock.now()).await;
    }

    /// Begins a new file of counts before the current one is full.
    pub(crate) async fn make_room(&self) {
        if let Some(flusher) = &self.flusher {
            flusher.make_room().await;
        }
    }

    /// Takes out of the queue what nodes have put in, until `stop`; ends at once where there is none.
    pub(crate) async fn consume(&self, stop: impl Future<Output = ()>) {
        if let Some(consumer) = &self.consumer {
            consumer.run(stop).await;
        }
    }

    /// Brings to the store what processes that are gone have counted here.
    pub(crate) async fn recover(&self) {
        if let Some(flusher) = &self.flusher
            && let Err(error) = flusher.recover().await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "What processes that are gone have counted was not sent; it is kept for the next time"
            );
        }
    }

    /// Adds up hours that are over and have something that is not added up yet.
    pub(crate) async fn roll_up(&self) {
        if let Err(error) = self.roll_up_some().await {
            tracing::warn!(error = &*error as &dyn std::error::Error, "Usage could not be added up; the next round goes on");
        }
    }

    async fn roll_up_some(&self) -> anyhow::Result<()> {
        let sealing = self.stores.ledger.sealed_upto(self.clock.now(), Sealing::LOST_AFTER).await?;
        for _ in 0..LISTS {
            let mut stale = self.stores.ledger.stale_hours(sealing.upto.hour(), HOURS).await?;
            let is_last = stale.len() < HOURS;
            let tenants: BTreeSet<TenantId> =
                stale.iter().map(|stale| stale.tenant).filter(|tenant| *tenant != CENTRAL).collect();
            // Something was on its way to them while they were purged.
            let ended = self.tenancy.ended(&tenants.into_iter().collect::<Vec<_>>()).await?;
            stale.retain(|stale| !ended.contains(&stale.tenant));
            for tenant in ended {
                // One whose removal is under way goes on where it was.
                self.late().entry(tenant).or_default();
            }
            // Nodes have the same list: each begins elsewhere.
            let begin = usize::from(u16::from_le_bytes(OsEntropy.bytes())) % stale.len().max(1);
            stale.rotate_left(begin);
            let mut done = 0;
            for StaleHour { tenant, meter, hour } in stale {
                match self.stores.usage.rollup(tenant, meter, hour).await {
                    Ok(_) => done += 1,
                    Err(error) if *error.kind() == StoreErrorKind::Unavailable => return Err(error.into()),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(tenant.id = %tenant, %meter, hour = %hour.start(), error, "An hour of usage cannot be added up");
                    }
                }
            }
            if is_last || done == 0 {
                break;
            }
        }
        self.clear_late().await
    }

    /// Removes what came of workspaces after their end, a bounded part of it: over DynamoDB that is a look at the whole table.
    async fn clear_late(&self) -> anyhow::Result<()> {
        for _ in 0..PARTS {
            let Some((tenant, after)) = self.late().pop_first() else { break };
            match self.tenancy.clear_late(tenant, after.as_ref(), PART).await {
                Ok(None) => tracing::info!(%tenant, "Removed usage that came after its workspace was purged"),
                Ok(next) => drop(self.late().insert(tenant, next)),
                Err(error) => {
                    self.late().insert(tenant, after);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn late(&self) -> MutexGuard<'_, BTreeMap<TenantId, Option<Cursor>>> {
        // A map is whole at any time.
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what is old enough, a bounded part of it.
    pub(crate) async fn prune(&self) {
        let now = self.clock.now();
        let kept = [
            (Prune::Minutes, MINUTES_KEPT),
            (Prune::Hours, HOURS_KEPT),
            (Prune::Claims, CLAIMS_KEPT),
            (Prune::Watermarks, CLAIMS_KEPT),
        ];
        for (what, kept) in kept {
            let before = Minute::of(now.minus(kept)).unwrap_or(Minute::EPOCH);
            for _ in 0..PARTS {
                match self.stores.ledger.prune(what, before, PART).await {
                    Ok(PART) => {}
                    Ok(_) => break,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, ?what, "Old usage could not be removed; the next round goes on");
                        break;
                    }
                }
            }
        }
    }

    /// Ends counting, and brings everything to the store.
    pub(crate) async fn finish(&self) {
        let send = async {
            match &self.flusher {
                Some(flusher) => flusher.finish().await.map(drop),
                None => self.metering.flush().await,
            }
        };
        // Counts that are in files are sent by the next process that counts in the same folder. What others may serve is kept nowhere: it goes
        // back at the same time, however long the counts take.
        let kept = self.flusher.is_some();
        let leave = timeout(GRACE, self.metering.leave(self.clock.now()));
        let (sent, left) = tokio::join!(timeout(GRACE, send), leave);
        if left.is_err() {
            tracing::warn!("Some of what other nodes may serve of hard quotas was not given back in time");
        }
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, kept, "The last usage was not sent"),
            Err(_) => tracing::warn!(kept, "The last usage was not sent in time"),
        }
        if let Some(folder) = &self.passing
            && let Err(error) = fs::remove_dir_all(folder)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "A folder of usage could not be removed");
        }
    }
}

/// Nothing is lost meanwhile: how often is a matter of what it costs, and of how soon usage is seen.
const fn every(database: &DatabaseSettings) -> Duration {
    match database {
        // Each count that has changed is a write that is paid for.
        DatabaseSettings::DynamoDb(_) => Duration::from_secs(10),
        DatabaseSettings::Sqlite(_) | DatabaseSettings::Postgres(_) => Duration::from_secs(1),
    }
}

/// Where usage is counted unless it is said: beside a database that is a file; otherwise in the working folder, apart from that of any other
/// database, since what is found there is brought to this one. `None` for a database in memory.
///
/// # Errors
/// `DATABASE_URL` does not tell for sure which database it is.
fn beside(database: &DatabaseSettings) -> anyhow::Result<Option<PathBuf>> {
    let place = match database {
        DatabaseSettings::Sqlite(_) => {
            return Ok(database.file().map(|file| {
                let mut name = file.as_os_str().to_owned();
                name.push(".usage");
                name.into()
            }));
        }
        // Without who goes there: a new password leads to the same folder.
        DatabaseSettings::Postgres(postgres) => postgres
            .url
            .place()
            .context("USAGE_DIR has to name the folder where usage is counted: DATABASE_URL has no host to call it after")?,
        DatabaseSettings::DynamoDb(_) => database.to_string(),
    };
    Ok(Some(PathBuf::from(format!("togglebox-usage-{:016x}", fnv(&place)))))
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo): the same in every version of the program.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use togglebox_core::ManualClock;
    use togglebox_metering::store::UsageStore as _;
    use togglebox_metering::{Cell, Hour, Series, WriterId};
    use togglebox_multitenancy::manage::Ending;
    use togglebox_storage::Sqlite;

    use super::super::testing::{GRACE, Place};
    use super::*;
    use crate::settings::Settings;

    fn folder(pairs: &[(&str, &str)]) -> anyhow::Result<Option<PathBuf>> {
        beside(&Settings::read(&pairs.iter().copied().collect()).unwrap().database)
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_was_counted_for_one_database_is_never_found_by_another() {
        let postgres = |url| folder(&[("JWT_SECRET", "0f9c2b7a5d8e4613a7b9c0d1e2f345a6"), ("DATABASE_URL", url)]);
        let place = |url| postgres(url).unwrap().unwrap();
        let one = place("postgres://ann:one@db/boxes");
        assert_eq!(one, place("postgres://ann:two@db/boxes?sslmode=require"));
        assert_ne!(one, place("postgres://ann:one@db/others"));
        assert_ne!(one, place("postgres://ann:one@elsewhere/boxes"));
        let unclear = postgres("postgres:///boxes?host=/run").unwrap_err().to_string();
        assert!(unclear.starts_with("USAGE_DIR "), "{unclear}");
    }

    /// What was written while the workspace was purged, behind everybody's back.
    #[tokio::test]
    async fn late_usage_of_a_purged_workspace_goes_when_it_would_be_added_up() {
        let place = Place::new().await;
        let (acme, living) = (place.workspace("acme").await, place.workspace("living").await);
        let (database, entropy) = (
            Settings::read(&std::iter::empty::<(&str, &str)>().collect()).unwrap().database,
            Arc::new(OsEntropy) as Arc<dyn Entropy>,
        );
        let directory: Arc<dyn TenantDirectory> = Arc::<Sqlite>::clone(&place.store);
        let way = Way::new(UsageStores::over(&place.store), None, &directory);
        let made_of = (&(Arc::<ManualClock>::clone(&place.clock) as Arc<dyn Clock>), &entropy);
        let meterage = Meterage::direct(&database, way, &place.tenancy, made_of).unwrap();
        place.delete(&acme).await;
        place.clock.advance(GRACE);
        while place.tenancy.end(acme.id, CENTRAL, None, 1000).await.unwrap() != Ending::Over {}
        let cell = |tenant| Cell {
            tenant,
            series: Series::plain("api.requests".parse().unwrap()),
            minute: Minute::of(place.clock.now()).unwrap(),
            writer: WriterId::random(&*entropy),
            total: 1,
        };
        place.store.merge_cells(&[cell(acme.id), cell(living.id)]).await.unwrap();
        assert_eq!(place.tenancy.left(acme.id).await.unwrap().total(), 2, "a count and its hour");
        place.clock.advance(Duration::from_hours(2));
        meterage.roll_up().await;
        assert!(place.tenancy.left(acme.id).await.unwrap().is_nothing());
        let hour = cell(living.id).minute.hour().number() - 2;
        let rolled = place.store.rolled_up(living.id, "api.requests".parse().unwrap(), Hour::from_number(hour).unwrap()).await;
        assert_eq!(rolled.unwrap().unwrap().total, 1);
    }

    #[test]
    fn usage_is_counted_beside_a_file_and_with_the_process_in_memory() {
        let file = std::env::temp_dir().join("box.db");
        let beside = folder(&[("DATABASE_URL", &format!("sqlite:{}", file.display()))]).unwrap();
        assert_eq!(beside, Some(file.with_extension("db.usage")));
        assert_eq!(folder(&[("DATABASE_URL", "sqlite::memory:")]).unwrap(), None);
    }
}
