//! A dump: a task that reads ahead, and the end of a channel.

use async_trait::async_trait;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::DynamoDb;
use super::super::statistics;
use super::{DUMP, accounts, audit, contents, places, versions};
use crate::transfer::record::{
    ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics, ExperimentSubject, FlagCountry, FlagDay,
    FlagStatistics, FlagUsers, ParameterClients, ParameterStatistics,
};
use crate::transfer::{Dump, Kind, Record};

/// Pages that may wait to be listened to: those and the ones that are being read are all that is held.
const AHEAD: usize = 4;

/// A dump under way.
pub(super) struct Telling {
    from: mpsc::Receiver<Vec<Record>>,
    /// Ends with this.
    task: JoinSet<StoreResult<()>>,
    page: std::vec::IntoIter<Record>,
}

impl Telling {
    pub(super) fn begin(store: DynamoDb, tenant: TenantId) -> Self {
        let (to, from) = mpsc::channel(AHEAD);
        let mut task = JoinSet::new();
        task.spawn(Teller { store, tenant, to }.all());
        Self { from, task, page: Vec::new().into_iter() }
    }

    /// Why nothing more is told: because that was all, or because of what this gives.
    async fn end(&mut self) -> StoreResult<()> {
        match self.task.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(error)) => Err(StoreError::new(StoreErrorKind::Unavailable, DUMP).caused_by(error)),
        }
    }
}

#[async_trait]
impl Dump for Telling {
    fn is_of_one_moment(&self) -> bool {
        false
    }

    async fn next(&mut self, limit: usize) -> StoreResult<Vec<Record>> {
        while self.page.as_slice().is_empty() {
            match self.from.recv().await {
                Some(page) => self.page = page.into_iter(),
                None => return self.end().await.map(|()| Vec::new()),
            }
        }
        Ok(self.page.by_ref().take(limit.max(1)).collect())
    }
}

/// Who reads.
pub(in super::super) struct Teller {
    pub(in super::super) store: DynamoDb,
    pub(in super::super) tenant: TenantId,
    to: mpsc::Sender<Vec<Record>>,
}

impl Teller {
    /// Tells these records; waits while nobody listens. An error when nobody ever will.
    pub(in super::super) async fn tell(&self, records: Vec<Record>) -> StoreResult<()> {
        self.to.send(records).await.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, DUMP).caused_by(error))
    }

    async fn all(self) -> StoreResult<()> {
        // What is written down and not counted yet would stay behind.
        self.store.finish_batches(DUMP, self.tenant).await?;
        let directory = places::read(&self.store, DUMP, self.tenant).await?;
        let within = directory.insides();
        for kind in Kind::ALL {
            match kind {
                Kind::Tenant => places::tenant(&self, &directory).await?,
                Kind::Platform => places::platforms(&self, &directory).await?,
                Kind::Environment => places::environments(&self, &directory).await?,
                Kind::Parameter => contents::parameters(&self, &within).await?,
                Kind::ParameterVersion => versions::parameters(&self, &within).await?,
                Kind::Flag => contents::flags(&self, &within).await?,
                Kind::FlagVersion => versions::flags(&self, &within).await?,
                Kind::Experiment => contents::experiments(&self, &within).await?,
                Kind::User => accounts::tell_users(&self).await?,
                Kind::ApiKey => accounts::tell_keys(&self).await?,
                Kind::ParameterStatistics => statistics::tell::<ParameterStatistics>(&self, &within).await?,
                Kind::ParameterClients => statistics::tell::<ParameterClients>(&self, &within).await?,
                Kind::FlagStatistics => statistics::tell::<FlagStatistics>(&self, &within).await?,
                Kind::FlagDay => statistics::tell::<FlagDay>(&self, &within).await?,
                Kind::FlagCountry => statistics::tell::<FlagCountry>(&self, &within).await?,
                Kind::FlagUsers => statistics::tell::<FlagUsers>(&self, &within).await?,
                Kind::ExperimentStatistics => statistics::tell::<ExperimentStatistics>(&self, &within).await?,
                Kind::ExperimentDay => statistics::tell::<ExperimentDay>(&self, &within).await?,
                Kind::ExperimentMetricDay => statistics::tell::<ExperimentMetricDay>(&self, &within).await?,
                Kind::ExperimentSubject => statistics::tell::<ExperimentSubject>(&self, &within).await?,
                Kind::ExperimentConversion => statistics::tell::<ExperimentConversion>(&self, &within).await?,
                Kind::Audit => audit::tell(&self).await?,
            }
        }
        Ok(())
    }
}
