-- Times are milliseconds since 1970 UTC, ids and hashes are blobs, counters are 64-bit.
-- A `document` is JSON of the shape that the number in `schema` stands for.

-- What a tenant's directory and accounts have counted up to. Made by the tenant's first write.
CREATE TABLE tenant_revisions (
    tenant    BLOB    NOT NULL,
    directory INTEGER NOT NULL DEFAULT 0,
    accounts  INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT tenant_revisions_key PRIMARY KEY (tenant),
    CONSTRAINT tenant_revisions_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT, WITHOUT ROWID;

CREATE TABLE platforms (
    tenant      BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    id          BLOB    NOT NULL,
    description TEXT,
    created_by  TEXT,
    created_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    CONSTRAINT platforms_key PRIMARY KEY (tenant, name),
    CONSTRAINT platforms_id UNIQUE (tenant, id),
    CONSTRAINT platforms_of_tenant FOREIGN KEY (tenant) REFERENCES tenant_revisions (tenant) ON DELETE CASCADE
) STRICT;

-- `revision` is the record's (the directory's at its last change), `contents_revision` counts the writes inside.
CREATE TABLE environments (
    tenant            BLOB    NOT NULL,
    id                BLOB    NOT NULL,
    platform          TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    description       TEXT,
    created_by        TEXT,
    created_at        INTEGER NOT NULL,
    revision          INTEGER NOT NULL,
    contents_revision INTEGER NOT NULL,
    changed_at        INTEGER NOT NULL,
    CONSTRAINT environments_key PRIMARY KEY (tenant, id),
    CONSTRAINT environments_name UNIQUE (tenant, platform, name),
    CONSTRAINT environments_of_platform FOREIGN KEY (tenant, platform) REFERENCES platforms (tenant, name) ON DELETE CASCADE
) STRICT;

-- The head of a parameter: which version clients get, and how far its history goes.
CREATE TABLE parameters (
    tenant         BLOB    NOT NULL,
    environment    BLOB    NOT NULL,
    key            TEXT    NOT NULL,
    active_version INTEGER NOT NULL,
    latest_version INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    CONSTRAINT parameters_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT parameters_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE,
    CONSTRAINT parameters_active_is_given CHECK (active_version BETWEEN 1 AND latest_version)
) STRICT, WITHOUT ROWID;

CREATE TABLE parameter_versions (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    schema      INTEGER NOT NULL,
    document    TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    CONSTRAINT parameter_versions_key PRIMARY KEY (tenant, environment, key, version),
    CONSTRAINT parameter_versions_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
) STRICT;

-- The head of a flag: `latest_patch` is the highest version ever given.
CREATE TABLE flags (
    tenant       BLOB    NOT NULL,
    environment  BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    latest_patch INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    CONSTRAINT flags_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT flags_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_versions (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    patch       INTEGER NOT NULL,
    active      INTEGER NOT NULL,
    schema      INTEGER NOT NULL,
    document    TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    updated_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    CONSTRAINT flag_versions_key PRIMARY KEY (tenant, environment, key, patch),
    CONSTRAINT flag_versions_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE,
    CONSTRAINT flag_versions_active_is_bool CHECK (active IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX flag_versions_one_active ON flag_versions (tenant, environment, key) WHERE active = 1;

CREATE TABLE experiments (
    tenant       BLOB    NOT NULL,
    environment  BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    schema       INTEGER NOT NULL,
    document     TEXT    NOT NULL,
    started_at   INTEGER,
    started_by   TEXT,
    completed_at INTEGER,
    completed_by TEXT,
    winner       TEXT,
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    CONSTRAINT experiments_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT experiments_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE
) STRICT;

-- Refers to nothing: it outlives what it describes. `sequence` orders records of the same millisecond.
-- `revision` is what the write gave to its container, so that a repeated write can answer as it answered then.
CREATE TABLE audit_log (
    sequence    INTEGER PRIMARY KEY,
    tenant      BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    platform    TEXT,
    environment TEXT,
    target      TEXT    NOT NULL,
    before      TEXT,
    after       TEXT,
    revision    INTEGER NOT NULL,
    CONSTRAINT audit_log_id UNIQUE (tenant, id)
) STRICT;

CREATE INDEX audit_log_by_time ON audit_log (tenant, at);
CREATE INDEX audit_log_by_platform ON audit_log (tenant, platform, at);
CREATE INDEX audit_log_by_environment ON audit_log (tenant, platform, environment, at);
CREATE INDEX audit_log_by_target ON audit_log (tenant, target, at);

CREATE TABLE users (
    tenant            BLOB    NOT NULL,
    id                BLOB    NOT NULL,
    name              TEXT,
    email             TEXT    NOT NULL,
    email_key         TEXT    NOT NULL,
    password          TEXT    NOT NULL,
    role              TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    tokens_valid_from INTEGER NOT NULL,
    revision          INTEGER NOT NULL,
    CONSTRAINT users_key PRIMARY KEY (tenant, id),
    CONSTRAINT users_email UNIQUE (tenant, email_key),
    CONSTRAINT users_of_tenant FOREIGN KEY (tenant) REFERENCES tenant_revisions (tenant) ON DELETE CASCADE
) STRICT;

CREATE INDEX users_by_age ON users (tenant, created_at DESC, id);
CREATE INDEX users_by_role ON users (tenant, role, created_at DESC, id);

CREATE TABLE api_keys (
    tenant       BLOB    NOT NULL,
    id           BLOB    NOT NULL,
    user         BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    prefix       TEXT    NOT NULL,
    last4        TEXT    NOT NULL,
    permissions  TEXT    NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    created_at   INTEGER NOT NULL,
    CONSTRAINT api_keys_key PRIMARY KEY (tenant, id),
    CONSTRAINT api_keys_hash UNIQUE (tenant, hash),
    CONSTRAINT api_keys_of_user FOREIGN KEY (tenant, user) REFERENCES users (tenant, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX api_keys_by_user ON api_keys (tenant, user, created_at DESC, id);

CREATE TABLE sessions (
    tenant         BLOB    NOT NULL,
    id             BLOB    NOT NULL,
    user           BLOB    NOT NULL,
    current_token  BLOB    NOT NULL,
    previous_token BLOB,
    rotated_at     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    CONSTRAINT sessions_key PRIMARY KEY (tenant, id),
    CONSTRAINT sessions_of_user FOREIGN KEY (tenant, user) REFERENCES users (tenant, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX sessions_by_user ON sessions (tenant, user, expires_at);

CREATE TABLE password_resets (
    tenant     BLOB    NOT NULL,
    token_hash BLOB    NOT NULL,
    user       BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT password_resets_key PRIMARY KEY (tenant, token_hash),
    CONSTRAINT password_resets_of_user FOREIGN KEY (tenant, user) REFERENCES users (tenant, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX password_resets_by_user ON password_resets (tenant, user);
CREATE INDEX password_resets_by_expiry ON password_resets (tenant, expires_at);

-- Also counts addresses without an account. `over_at` is when neither failures nor lock matter any more.
CREATE TABLE attempts (
    tenant       BLOB    NOT NULL,
    subject      TEXT    NOT NULL,
    failures     INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    locked_until INTEGER,
    over_at      INTEGER NOT NULL,
    CONSTRAINT attempts_key PRIMARY KEY (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_by_end ON attempts (tenant, over_at);

-- Which batches of statistics are counted already. Kept for a day and an hour.
CREATE TABLE statistics_batches (
    tenant BLOB    NOT NULL,
    id     BLOB    NOT NULL,
    at     INTEGER NOT NULL,
    CONSTRAINT statistics_batches_key PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX statistics_batches_by_time ON statistics_batches (tenant, at);

CREATE TABLE parameter_statistics (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    fetches     INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    CONSTRAINT parameter_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT parameter_statistics_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Distinct-count sketches: one row per whole hour since 1970.
CREATE TABLE parameter_clients (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    hour        INTEGER NOT NULL,
    sketch      BLOB    NOT NULL,
    CONSTRAINT parameter_clients_key PRIMARY KEY (tenant, environment, key, hour),
    CONSTRAINT parameter_clients_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
) STRICT;

CREATE TABLE flag_statistics (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    served_a    INTEGER NOT NULL,
    served_b    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    CONSTRAINT flag_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT flag_statistics_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_days (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    served_a    INTEGER NOT NULL,
    served_b    INTEGER NOT NULL,
    CONSTRAINT flag_days_key PRIMARY KEY (tenant, environment, key, day),
    CONSTRAINT flag_days_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_countries (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    country     TEXT    NOT NULL,
    served_a    INTEGER NOT NULL,
    served_b    INTEGER NOT NULL,
    CONSTRAINT flag_countries_key PRIMARY KEY (tenant, environment, key, country),
    CONSTRAINT flag_countries_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_users (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    side        TEXT    NOT NULL,
    hour        INTEGER NOT NULL,
    sketch      BLOB    NOT NULL,
    CONSTRAINT flag_users_key PRIMARY KEY (tenant, environment, key, side, hour),
    CONSTRAINT flag_users_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
) STRICT;

CREATE TABLE experiment_statistics (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    last_at     INTEGER NOT NULL,
    CONSTRAINT experiment_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT experiment_statistics_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE experiment_days (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    variation   TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    exposures   INTEGER NOT NULL,
    new_users   INTEGER NOT NULL,
    conversions INTEGER NOT NULL,
    CONSTRAINT experiment_days_key PRIMARY KEY (tenant, environment, key, variation, day),
    CONSTRAINT experiment_days_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE experiment_metric_days (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    variation   TEXT    NOT NULL,
    metric      TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    conversions INTEGER NOT NULL,
    total       REAL    NOT NULL,
    CONSTRAINT experiment_metric_days_key PRIMARY KEY (tenant, environment, key, variation, metric, day),
    CONSTRAINT experiment_metric_days_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Who saw a variation, and on which day first.
CREATE TABLE experiment_subjects (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    variation   TEXT    NOT NULL,
    subject     BLOB    NOT NULL,
    first_day   TEXT    NOT NULL,
    CONSTRAINT experiment_subjects_key PRIMARY KEY (tenant, environment, key, variation, subject),
    CONSTRAINT experiment_subjects_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What each subject added to a metric, exposed or not: an exposure may arrive after the conversion.
CREATE TABLE experiment_conversions (
    tenant      BLOB    NOT NULL,
    environment BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    variation   TEXT    NOT NULL,
    metric      TEXT    NOT NULL,
    subject     BLOB    NOT NULL,
    conversions INTEGER NOT NULL,
    valued      INTEGER NOT NULL,
    total       REAL    NOT NULL,
    CONSTRAINT experiment_conversions_key PRIMARY KEY (tenant, environment, key, variation, metric, subject),
    CONSTRAINT experiment_conversions_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
