-- Times are milliseconds since 1970 UTC, counters are 64-bit. Texts compare by their bytes, so that every server sorts alike.
-- A `document` is JSON of the shape that the number in `schema` stands for. It is text, since it must read back byte for byte.
-- A truth value is 0 or 1, so that statements and partial indexes are those of SQLite, too.

-- What a tenant's directory and accounts have counted up to. Made by the tenant's first write.
CREATE TABLE tenant_revisions (
    tenant    uuid   NOT NULL,
    directory bigint NOT NULL DEFAULT 0,
    accounts  bigint NOT NULL DEFAULT 0,
    CONSTRAINT tenant_revisions_key PRIMARY KEY (tenant)
);

CREATE TABLE platforms (
    tenant      uuid             NOT NULL,
    name        text COLLATE "C" NOT NULL,
    id          uuid             NOT NULL,
    description text COLLATE "C",
    created_by  text COLLATE "C",
    created_at  bigint           NOT NULL,
    revision    bigint           NOT NULL,
    CONSTRAINT platforms_key PRIMARY KEY (tenant, name),
    CONSTRAINT platforms_id UNIQUE (tenant, id),
    CONSTRAINT platforms_of_tenant FOREIGN KEY (tenant) REFERENCES tenant_revisions (tenant) ON DELETE CASCADE
);

-- `revision` is the record's (the directory's at its last change), `contents_revision` counts the writes inside.
CREATE TABLE environments (
    tenant            uuid             NOT NULL,
    id                uuid             NOT NULL,
    platform          text COLLATE "C" NOT NULL,
    name              text COLLATE "C" NOT NULL,
    description       text COLLATE "C",
    created_by        text COLLATE "C",
    created_at        bigint           NOT NULL,
    revision          bigint           NOT NULL,
    contents_revision bigint           NOT NULL,
    changed_at        bigint           NOT NULL,
    CONSTRAINT environments_key PRIMARY KEY (tenant, id),
    CONSTRAINT environments_name UNIQUE (tenant, platform, name),
    CONSTRAINT environments_of_platform FOREIGN KEY (tenant, platform) REFERENCES platforms (tenant, name) ON DELETE CASCADE
);

-- The head of a parameter: which version clients get, and how far its history goes.
CREATE TABLE parameters (
    tenant         uuid             NOT NULL,
    environment    uuid             NOT NULL,
    key            text COLLATE "C" NOT NULL,
    active_version bigint           NOT NULL,
    latest_version bigint           NOT NULL,
    revision       bigint           NOT NULL,
    CONSTRAINT parameters_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT parameters_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE,
    CONSTRAINT parameters_active_is_given CHECK (active_version BETWEEN 1 AND latest_version)
);

CREATE TABLE parameter_versions (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    version     bigint           NOT NULL,
    schema      bigint           NOT NULL,
    document    text COLLATE "C" NOT NULL,
    created_by  text COLLATE "C" NOT NULL,
    created_at  bigint           NOT NULL,
    CONSTRAINT parameter_versions_key PRIMARY KEY (tenant, environment, key, version),
    CONSTRAINT parameter_versions_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
);

-- The head of a flag: `latest_patch` is the highest version ever given.
CREATE TABLE flags (
    tenant       uuid             NOT NULL,
    environment  uuid             NOT NULL,
    key          text COLLATE "C" NOT NULL,
    latest_patch bigint           NOT NULL,
    created_at   bigint           NOT NULL,
    CONSTRAINT flags_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT flags_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE
);

CREATE TABLE flag_versions (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    patch       bigint           NOT NULL,
    active      bigint           NOT NULL,
    schema      bigint           NOT NULL,
    document    text COLLATE "C" NOT NULL,
    created_by  text COLLATE "C" NOT NULL,
    updated_at  bigint           NOT NULL,
    revision    bigint           NOT NULL,
    CONSTRAINT flag_versions_key PRIMARY KEY (tenant, environment, key, patch),
    CONSTRAINT flag_versions_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE,
    CONSTRAINT flag_versions_active_is_bool CHECK (active IN (0, 1))
);

CREATE UNIQUE INDEX flag_versions_one_active ON flag_versions (tenant, environment, key) WHERE active = 1;

CREATE TABLE experiments (
    tenant       uuid             NOT NULL,
    environment  uuid             NOT NULL,
    key          text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,
    schema       bigint           NOT NULL,
    document     text COLLATE "C" NOT NULL,
    started_at   bigint,
    started_by   text COLLATE "C",
    completed_at bigint,
    completed_by text COLLATE "C",
    winner       text COLLATE "C",
    created_by   text COLLATE "C" NOT NULL,
    created_at   bigint           NOT NULL,
    updated_at   bigint           NOT NULL,
    revision     bigint           NOT NULL,
    CONSTRAINT experiments_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT experiments_of_environment
        FOREIGN KEY (tenant, environment) REFERENCES environments (tenant, id) ON DELETE CASCADE
);

-- Refers to nothing: it outlives what it describes. `sequence` orders records of the same millisecond.
-- `revision` is what the write gave to its container, so that a repeated write can answer as it answered then.
CREATE TABLE audit_log (
    sequence    bigint           GENERATED ALWAYS AS IDENTITY,
    tenant      uuid             NOT NULL,
    id          uuid             NOT NULL,
    at          bigint           NOT NULL,
    actor       text COLLATE "C" NOT NULL,
    action      text COLLATE "C" NOT NULL,
    platform    text COLLATE "C",
    environment text COLLATE "C",
    target      text COLLATE "C" NOT NULL,
    before      text COLLATE "C",
    after       text COLLATE "C",
    revision    bigint           NOT NULL,
    CONSTRAINT audit_log_id PRIMARY KEY (tenant, id)
);

CREATE INDEX audit_log_by_time ON audit_log (tenant, at, sequence);
CREATE INDEX audit_log_by_platform ON audit_log (tenant, platform, at, sequence);
CREATE INDEX audit_log_by_environment ON audit_log (tenant, platform, environment, at, sequence);
CREATE INDEX audit_log_by_target ON audit_log (tenant, target, at, sequence);

CREATE TABLE users (
    tenant            uuid             NOT NULL,
    id                uuid             NOT NULL,
    name              text COLLATE "C",
    email             text COLLATE "C" NOT NULL,
    email_key         text COLLATE "C" NOT NULL,
    password          text COLLATE "C" NOT NULL,
    role              text COLLATE "C" NOT NULL,
    created_at        bigint           NOT NULL,
    updated_at        bigint           NOT NULL,
    tokens_valid_from bigint           NOT NULL,
    revision          bigint           NOT NULL,
    CONSTRAINT users_key PRIMARY KEY (tenant, id),
    CONSTRAINT users_email UNIQUE (tenant, email_key),
    CONSTRAINT users_of_tenant FOREIGN KEY (tenant) REFERENCES tenant_revisions (tenant) ON DELETE CASCADE
);

CREATE INDEX users_by_age ON users (tenant, created_at DESC, id);
CREATE INDEX users_by_role ON users (tenant, role, created_at DESC, id);

CREATE TABLE api_keys (
    tenant       uuid             NOT NULL,
    id           uuid             NOT NULL,
    "user"       uuid             NOT NULL,
    name         text COLLATE "C" NOT NULL,
    hash         bytea            NOT NULL,
    prefix       text COLLATE "C" NOT NULL,
    last4        text COLLATE "C" NOT NULL,
    permissions  text COLLATE "C" NOT NULL,
    expires_at   bigint,
    last_used_at bigint,
    created_at   bigint           NOT NULL,
    CONSTRAINT api_keys_key PRIMARY KEY (tenant, id),
    CONSTRAINT api_keys_hash UNIQUE (tenant, hash),
    CONSTRAINT api_keys_of_user FOREIGN KEY (tenant, "user") REFERENCES users (tenant, id) ON DELETE CASCADE
);

CREATE INDEX api_keys_by_user ON api_keys (tenant, "user", created_at DESC, id);

CREATE TABLE sessions (
    tenant         uuid   NOT NULL,
    id             uuid   NOT NULL,
    "user"         uuid   NOT NULL,
    current_token  uuid   NOT NULL,
    previous_token uuid,
    rotated_at     bigint NOT NULL,
    created_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    revoked_at     bigint,
    CONSTRAINT sessions_key PRIMARY KEY (tenant, id),
    CONSTRAINT sessions_of_user FOREIGN KEY (tenant, "user") REFERENCES users (tenant, id) ON DELETE CASCADE
);

CREATE INDEX sessions_by_user ON sessions (tenant, "user", expires_at);

CREATE TABLE password_resets (
    tenant     uuid   NOT NULL,
    token_hash bytea  NOT NULL,
    "user"     uuid   NOT NULL,
    expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT password_resets_key PRIMARY KEY (tenant, token_hash),
    CONSTRAINT password_resets_of_user FOREIGN KEY (tenant, "user") REFERENCES users (tenant, id) ON DELETE CASCADE
);

CREATE INDEX password_resets_by_user ON password_resets (tenant, "user");
CREATE INDEX password_resets_by_expiry ON password_resets (tenant, expires_at);

-- Also counts addresses without an account. `over_at` is when neither failures nor lock matter any more.
CREATE TABLE attempts (
    tenant       uuid             NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    failures     bigint           NOT NULL,
    opened_at    bigint           NOT NULL,
    locked_until bigint,
    over_at      bigint           NOT NULL,
    CONSTRAINT attempts_key PRIMARY KEY (tenant, subject)
);

CREATE INDEX attempts_by_end ON attempts (tenant, over_at);

-- Which batches of statistics are counted already. Kept for a day and an hour.
CREATE TABLE statistics_batches (
    tenant uuid   NOT NULL,
    id     uuid   NOT NULL,
    at     bigint NOT NULL,
    CONSTRAINT statistics_batches_key PRIMARY KEY (tenant, id)
);

CREATE INDEX statistics_batches_by_time ON statistics_batches (tenant, at);

CREATE TABLE parameter_statistics (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fetches     bigint           NOT NULL,
    last_at     bigint           NOT NULL,
    CONSTRAINT parameter_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT parameter_statistics_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
);

-- Distinct-count sketches: one row per whole hour since 1970.
CREATE TABLE parameter_clients (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    hour        bigint           NOT NULL,
    sketch      bytea            NOT NULL,
    CONSTRAINT parameter_clients_key PRIMARY KEY (tenant, environment, key, hour),
    CONSTRAINT parameter_clients_of_parameter
        FOREIGN KEY (tenant, environment, key) REFERENCES parameters (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE flag_statistics (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    served_a    bigint           NOT NULL,
    served_b    bigint           NOT NULL,
    last_at     bigint           NOT NULL,
    CONSTRAINT flag_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT flag_statistics_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE flag_days (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    day         text COLLATE "C" NOT NULL,
    served_a    bigint           NOT NULL,
    served_b    bigint           NOT NULL,
    CONSTRAINT flag_days_key PRIMARY KEY (tenant, environment, key, day),
    CONSTRAINT flag_days_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE flag_countries (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    country     text COLLATE "C" NOT NULL,
    served_a    bigint           NOT NULL,
    served_b    bigint           NOT NULL,
    CONSTRAINT flag_countries_key PRIMARY KEY (tenant, environment, key, country),
    CONSTRAINT flag_countries_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE flag_users (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    side        text COLLATE "C" NOT NULL,
    hour        bigint           NOT NULL,
    sketch      bytea            NOT NULL,
    CONSTRAINT flag_users_key PRIMARY KEY (tenant, environment, key, side, hour),
    CONSTRAINT flag_users_of_flag
        FOREIGN KEY (tenant, environment, key) REFERENCES flags (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE experiment_statistics (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    last_at     bigint           NOT NULL,
    CONSTRAINT experiment_statistics_key PRIMARY KEY (tenant, environment, key),
    CONSTRAINT experiment_statistics_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE experiment_days (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    variation   text COLLATE "C" NOT NULL,
    day         text COLLATE "C" NOT NULL,
    exposures   bigint           NOT NULL,
    new_users   bigint           NOT NULL,
    conversions bigint           NOT NULL,
    CONSTRAINT experiment_days_key PRIMARY KEY (tenant, environment, key, variation, day),
    CONSTRAINT experiment_days_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
);

CREATE TABLE experiment_metric_days (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    variation   text COLLATE "C" NOT NULL,
    metric      text COLLATE "C" NOT NULL,
    day         text COLLATE "C" NOT NULL,
    conversions bigint           NOT NULL,
    total       double precision NOT NULL,
    CONSTRAINT experiment_metric_days_key PRIMARY KEY (tenant, environment, key, variation, metric, day),
    CONSTRAINT experiment_metric_days_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
);

-- Who saw a variation, and on which day first.
CREATE TABLE experiment_subjects (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    variation   text COLLATE "C" NOT NULL,
    subject     bytea            NOT NULL,
    first_day   text COLLATE "C" NOT NULL,
    CONSTRAINT experiment_subjects_key PRIMARY KEY (tenant, environment, key, variation, subject),
    CONSTRAINT experiment_subjects_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
);

-- What each subject added to a metric, exposed or not: an exposure may arrive after the conversion.
CREATE TABLE experiment_conversions (
    tenant      uuid             NOT NULL,
    environment uuid             NOT NULL,
    key         text COLLATE "C" NOT NULL,
    variation   text COLLATE "C" NOT NULL,
    metric      text COLLATE "C" NOT NULL,
    subject     bytea            NOT NULL,
    conversions bigint           NOT NULL,
    valued      bigint           NOT NULL,
    total       double precision NOT NULL,
    CONSTRAINT experiment_conversions_key PRIMARY KEY (tenant, environment, key, variation, metric, subject),
    CONSTRAINT experiment_conversions_of_experiment
        FOREIGN KEY (tenant, environment, key) REFERENCES experiments (tenant, environment, key) ON DELETE CASCADE
);

-- A second wall between tenants, should a statement forget its tenant: without the setting nothing is there, and nothing can be added.
-- FORCE holds for the owner of the tables, too. (The rows behind foreign keys are looked up without it.)
DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'tenant_revisions', 'platforms', 'environments', 'parameters', 'parameter_versions', 'flags', 'flag_versions',
        'experiments', 'audit_log', 'users', 'api_keys', 'sessions', 'password_resets', 'attempts',
        'statistics_batches', 'parameter_statistics', 'parameter_clients', 'flag_statistics', 'flag_days',
        'flag_countries', 'flag_users', 'experiment_statistics', 'experiment_days', 'experiment_metric_days',
        'experiment_subjects', 'experiment_conversions'
    ]
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format(
            'CREATE POLICY tenant_only ON %I '
            'USING (tenant = nullif(current_setting(''togglebox.tenant'', true), '''')::uuid) '
            'WITH CHECK (tenant = nullif(current_setting(''togglebox.tenant'', true), '''')::uuid)',
            guarded
        );
    END LOOP;
END
$$;
