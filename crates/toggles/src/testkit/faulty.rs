//! The ports of [`store`](crate::store) where calls go wrong as planned.

use std::sync::Arc;

use togglebox_core::faulty_port;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, TenantId, Timestamp, Written};

use super::ToggleStores;
use crate::store::{
    CountryCount, DayCount, DirectoryStore, EnvironmentState, EnvironmentStore, ExperimentStatistics, ExperimentStore,
    FlagStatistics, FlagStore, ParameterStatistics, ParameterStore, Revisions, StatisticsBatch, StatisticsStore,
};
use crate::{
    Directory, Environment, Experiment, ExperimentKey, Flag, FlagKey, FlagVersion, Parameter, ParameterKey, ParameterVersion,
    Platform, PlatformName, Scope,
};

faulty_port! {
    DirectoryStore as "directory", DIRECTORY {
        read directory() -> Directory;
        read revisions() -> Revisions;
        write create_platform(platform: &Platform, quota: Limit, audit: &AuditRecord) -> Written<Platform>;
        write replace_platform(platform: &Platform, expected: Revision, audit: &AuditRecord) -> Written<Platform>;
        write delete_platform(name: &PlatformName, expected: Revision, audit: &AuditRecord) -> Written<()>;
        write create_environment(environment: &Environment, quota: Limit, audit: &AuditRecord) -> Written<Environment>;
        write replace_environment(environment: &Environment, expected: Revision, audit: &AuditRecord) -> Written<Environment>;
        write delete_environment(scope: &Scope, expected: Revision, audit: &AuditRecord) -> Written<()>;
    } across {
        read revisions_of(tenants: &[TenantId]) -> Vec<Revisions>;
    }
}

faulty_port! {
    EnvironmentStore as "environments", ENVIRONMENTS {
        read load(scope: &Scope) -> Option<EnvironmentState>;
    }
}

faulty_port! {
    ParameterStore as "parameters", PARAMETERS {
        read find(scope: &Scope, key: &ParameterKey) -> Option<Parameter>;
        write create(
            scope: &Scope, version: &ParameterVersion, limit: usize, quota: Limit, audit: &AuditRecord
        ) -> Written<Parameter>;
        write append(scope: &Scope, version: &ParameterVersion, expected: Revision, audit: &AuditRecord) -> Written<Parameter>;
        write activate(
            scope: &Scope, key: &ParameterKey, version: u64, expected: Revision, audit: &AuditRecord
        ) -> Written<Parameter>;
        write delete(scope: &Scope, key: &ParameterKey, expected: Revision, audit: &AuditRecord) -> Written<()>;
        read version(scope: &Scope, key: &ParameterKey, version: u64) -> Option<ParameterVersion>;
        read versions(scope: &Scope, key: &ParameterKey, page: &PageRequest) -> Page<ParameterVersion>;
    }
}

faulty_port! {
    FlagStore as "flags", FLAGS {
        read find(scope: &Scope, key: &FlagKey) -> Option<Flag>;
        write create(scope: &Scope, flag: &Flag, quota: Limit, audit: &AuditRecord) -> Written<Flag>;
        write append(scope: &Scope, flag: &Flag, expected: Revision, audit: &AuditRecord) -> Written<Flag>;
        write amend(scope: &Scope, flag: &Flag, expected: Revision, audit: &AuditRecord) -> Written<Flag>;
        write delete(scope: &Scope, key: &FlagKey, expected: Revision, audit: &AuditRecord) -> Written<()>;
        read version(scope: &Scope, key: &FlagKey, version: FlagVersion) -> Option<Flag>;
        read versions(scope: &Scope, key: &FlagKey, page: &PageRequest) -> Page<Flag>;
    }
}

faulty_port! {
    ExperimentStore as "experiments", EXPERIMENTS {
        read find(scope: &Scope, key: &ExperimentKey) -> Option<Experiment>;
        write create(
            scope: &Scope, experiment: &Experiment, quota: Limit, audit: &AuditRecord
        ) -> Written<Experiment>;
        write replace(
            scope: &Scope, experiment: &Experiment, expected: Revision, audit: &AuditRecord
        ) -> Written<Experiment>;
        write delete(scope: &Scope, key: &ExperimentKey, expected: Revision, audit: &AuditRecord) -> Written<()>;
    }
}

faulty_port! {
    StatisticsStore as "statistics", STATISTICS {
        write record(batch: &StatisticsBatch) -> ();
        read parameter(scope: &Scope, key: &ParameterKey, now: Timestamp) -> Option<ParameterStatistics>;
        read flag(scope: &Scope, key: &FlagKey, now: Timestamp) -> Option<FlagStatistics>;
        read flag_by_country(scope: &Scope, key: &FlagKey) -> Vec<CountryCount>;
        read flag_by_day(scope: &Scope, key: &FlagKey, first: &str, last: &str) -> Vec<DayCount>;
        read experiment(scope: &Scope, key: &ExperimentKey) -> Option<ExperimentStatistics>;
    } across {
        write record_together(batches: &[(TenantId, StatisticsBatch)]) -> usize;
    }
}

impl ToggleStores {
    /// The same store, to which things happen as `faults` say.
    #[must_use]
    pub fn with_faults(&self, faults: &Arc<Faults>) -> Self {
        Self {
            directory: Arc::new(Faulty::new(Arc::clone(&self.directory), Arc::clone(faults))),
            environments: Arc::new(Faulty::new(Arc::clone(&self.environments), Arc::clone(faults))),
            parameters: Arc::new(Faulty::new(Arc::clone(&self.parameters), Arc::clone(faults))),
            flags: Arc::new(Faulty::new(Arc::clone(&self.flags), Arc::clone(faults))),
            experiments: Arc::new(Faulty::new(Arc::clone(&self.experiments), Arc::clone(faults))),
            statistics: Arc::new(Faulty::new(Arc::clone(&self.statistics), Arc::clone(faults))),
            audit: Arc::new(Faulty::new(Arc::clone(&self.audit), Arc::clone(faults))),
        }
    }
}
