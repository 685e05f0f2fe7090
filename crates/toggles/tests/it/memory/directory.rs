//! Platforms and environments in memory.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::{DirectoryStore, Revisions};
use togglebox_toggles::{Directory, Environment, Platform, PlatformName, Scope};

use super::{Memory, State, error, expect_room};

#[async_trait]
impl DirectoryStore for Memory {
    async fn directory(&self, _: TenantId) -> StoreResult<Directory> {
        Ok(self.state().directory.clone())
    }

    async fn revisions(&self, _: TenantId) -> StoreResult<Revisions> {
        Ok(Revisions { directory: self.state().directory.revision, ..Revisions::default() })
    }

    async fn create_platform(
        &self,
        _: TenantId,
        platform: &Platform,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let act = |state: &mut State| {
            if state.directory.platforms.contains_key(&platform.name) {
                return Err(error(StoreErrorKind::AlreadyExists));
            }
            expect_room(quota, state.directory.platforms.len())?;
            put_platform(state, platform);
            Ok(())
        };
        self.create(audit, act, |state| platform_of(state, &platform.name))
    }

    async fn replace_platform(
        &self,
        _: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let act = |state: &mut State| {
            put_platform(state, platform);
            Ok(())
        };
        let current = |state: &State| platform_of(state, &platform.name).map(|platform| platform.revision);
        self.write(audit, expected, current, act, |state| platform_of(state, &platform.name))
    }

    async fn delete_platform(
        &self,
        _: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let act = |state: &mut State| {
            state.directory.platforms.remove(name);
            state.directory.environments.retain(|scope, _| scope.platform != *name);
            next_revision(state);
            Ok(())
        };
        let current = |state: &State| platform_of(state, name).map(|platform| platform.revision);
        self.write(audit, expected, current, act, |state| Some(Written { value: (), revision: state.directory.revision }))
    }

    async fn create_environment(
        &self,
        _: TenantId,
        environment: &Environment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let scope = environment.scope();
        let act = |state: &mut State| {
            if !state.directory.platforms.contains_key(&scope.platform) {
                return Err(error(StoreErrorKind::NotFound));
            }
            if state.directory.environments.contains_key(&scope) {
                return Err(error(StoreErrorKind::AlreadyExists));
            }
            expect_room(quota, state.directory.environments.len())?;
            put_environment(state, environment);
            Ok(())
        };
        self.create(audit, act, |state| environment_of(state, &scope))
    }

    async fn replace_environment(
        &self,
        _: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let scope = environment.scope();
        let act = |state: &mut State| {
            put_environment(state, environment);
            Ok(())
        };
        let current = |state: &State| environment_of(state, &scope).map(|environment| environment.revision);
        self.write(audit, expected, current, act, |state| environment_of(state, &scope))
    }

    async fn delete_environment(
        &self,
        _: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let act = |state: &mut State| {
            state.directory.environments.remove(scope);
            next_revision(state);
            Ok(())
        };
        let current = |state: &State| environment_of(state, scope).map(|environment| environment.revision);
        self.write(audit, expected, current, act, |state| Some(Written { value: (), revision: state.directory.revision }))
    }
}

fn next_revision(state: &mut State) -> Revision {
    state.directory.revision = state.directory.revision.next();
    state.directory.revision
}

fn put_platform(state: &mut State, platform: &Platform) {
    let revision = next_revision(state);
    state.directory.platforms.insert(platform.name.clone(), Platform { revision, ..platform.clone() });
}

fn put_environment(state: &mut State, environment: &Environment) {
    let revision = next_revision(state);
    state.directory.environments.insert(environment.scope(), Environment { revision, ..environment.clone() });
}

fn platform_of(state: &State, name: &PlatformName) -> Option<Written<Platform>> {
    state.directory.platforms.get(name).map(|platform| Written { value: platform.clone(), revision: platform.revision })
}

fn environment_of(state: &State, scope: &Scope) -> Option<Written<Environment>> {
    let found = state.directory.environments.get(scope);
    found.map(|environment| Written { value: environment.clone(), revision: environment.revision })
}
