//! Every table that moves.

use togglebox_core::StoreResult;

use super::super::cells::{Cells, DOCUMENT_SCHEMA};
use super::super::engine::Row;
use super::super::statement::Argument;
use super::column::Column;
use super::table::{Table, table};
use crate::transfer::record::{
    ApiKey, Audit, Environment, Experiment, ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics,
    ExperimentSubject, Flag, FlagCountry, FlagDay, FlagStatistics, FlagUsers, FlagVersion, Parameter, ParameterClients,
    ParameterStatistics, ParameterVersion, Platform, Tenant, User,
};

fn schema() -> Argument {
    DOCUMENT_SCHEMA.into()
}

// One row, so that any order is one.
table!(Tenant in "tenant_revisions" by [], order ["directory"], named "directory" { directory, accounts });

table!(Platform in "platforms" by ["name"], named "name" { name, id, description, created_by, created_at, revision });

table!(Environment in "environments" by ["id"], named "id" {
    id, platform, name, description, created_by, created_at, revision, contents_revision, changed_at,
});

table!(Parameter in "parameters" by ["environment", "key"], named "key" {
    environment, key, active as "active_version", latest as "latest_version", revision,
});

table!(ParameterVersion in "parameter_versions" by ["environment", "key", "version"], named "key" {
    environment, key, version, definition as "document", created_by, created_at,
} with { "schema" = |_| schema() });

table!(Flag in "flags" by ["environment", "key"], named "key" { environment, key, latest as "latest_patch", created_at });

table!(FlagVersion in "flag_versions" by ["environment", "key", "patch"], named "key" {
    environment, key, version as "patch", active, definition as "document", created_by, updated_at, revision,
} with { "schema" = |_| schema() });

table!(Experiment in "experiments" by ["environment", "key"], named "key" {
    environment, key, status, definition as "document", started_at, started_by, completed_at, completed_by, winner, created_by,
    created_at, updated_at, revision,
} with { "schema" = |_| schema() });

table!(User in "users" by ["id"], named "id" {
    id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision,
} with { "email_key" = |user| user.email.key().into() });

table!(ApiKey in "api_keys" by ["id"], named "id" {
    id, user, name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at,
});

table!(ParameterStatistics in "parameter_statistics" by ["environment", "key"], named "key" {
    environment, key, fetches, last_at,
});

table!(ParameterClients in "parameter_clients" by ["environment", "key", "hour"], named "key" {
    environment, key, hour, sketch,
});

table!(FlagStatistics in "flag_statistics" by ["environment", "key"], named "key" {
    environment, key, served_a, served_b, last_at,
});

table!(FlagDay in "flag_days" by ["environment", "key", "day"], named "key" { environment, key, day, served_a, served_b });

table!(FlagCountry in "flag_countries" by ["environment", "key", "country"], named "key" {
    environment, key, country, served_a, served_b,
});

table!(FlagUsers in "flag_users" by ["environment", "key", "side", "hour"], named "key" {
    environment, key, side, hour, sketch,
});

table!(ExperimentStatistics in "experiment_statistics" by ["environment", "key"], named "key" { environment, key, last_at });

table!(ExperimentDay in "experiment_days" by ["environment", "key", "variation", "day"], named "key" {
    environment, key, variation, day, exposures, new_users, conversions,
});

table!(ExperimentMetricDay in "experiment_metric_days" by ["environment", "key", "variation", "metric", "day"], named "key" {
    environment, key, variation, metric, day, conversions, total,
});

table!(ExperimentSubject in "experiment_subjects" by ["environment", "key", "variation", "subject"], named "key" {
    environment, key, variation, subject, first_day,
});

table!(ExperimentConversion in "experiment_conversions" by ["environment", "key", "variation", "metric", "subject"], named "key" {
    environment, key, variation, metric, subject, conversions, valued, total,
});

// In the order of its lists, so that records of the same millisecond keep theirs.
table!(Audit in "audit_log" by ["id"], order ["at", "sequence"], named "id" {
    id, at, actor, action, platform, environment, target, before, after, revision,
});

/// Calls a macro with every record that moves, in the order of their kinds.
macro_rules! every_table {
    ($then:ident) => {
        $then!(
            Tenant,
            Platform,
            Environment,
            Parameter,
            ParameterVersion,
            Flag,
            FlagVersion,
            Experiment,
            User,
            ApiKey,
            ParameterStatistics,
            ParameterClients,
            FlagStatistics,
            FlagDay,
            FlagCountry,
            FlagUsers,
            ExperimentStatistics,
            ExperimentDay,
            ExperimentMetricDay,
            ExperimentSubject,
            ExperimentConversion,
            Audit
        )
    };
}

pub(super) use every_table;
