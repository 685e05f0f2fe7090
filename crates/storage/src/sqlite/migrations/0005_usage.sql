-- What is used: counted by nodes, reported by other services, and added up. Empty where nothing is metered.

-- How much one writer has counted of a series in a minute. Only `total` changes, and only upwards.
CREATE TABLE usage_cells (
    tenant BLOB    NOT NULL,
    meter  TEXT    NOT NULL,
    minute INTEGER NOT NULL,
    labels TEXT    NOT NULL,
    writer BLOB    NOT NULL,
    total  INTEGER NOT NULL,
    CONSTRAINT usage_cells_key PRIMARY KEY (tenant, meter, minute, labels, writer),
    CONSTRAINT usage_cells_count CHECK (total >= 0),
    CONSTRAINT usage_cells_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT;

CREATE INDEX usage_cells_by_minute ON usage_cells (minute);

-- An hour in which something was counted: `totals` by labels, as of the last roll-up; `revision` 0 before the first; `stale` (1) when a cell
-- has come in since.
CREATE TABLE usage_hours (
    tenant   BLOB    NOT NULL,
    meter    TEXT    NOT NULL,
    hour     INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    stale    INTEGER NOT NULL,
    totals   TEXT    NOT NULL,
    CONSTRAINT usage_hours_key PRIMARY KEY (tenant, meter, hour),
    CONSTRAINT usage_hours_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT;

CREATE INDEX usage_hours_stale ON usage_hours (hour, tenant, meter) WHERE stale = 1;
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);

-- A day, out of its hours; as good as those, unless one of them is stale.
CREATE TABLE usage_days (
    tenant BLOB    NOT NULL,
    meter  TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    totals TEXT    NOT NULL,
    CONSTRAINT usage_days_key PRIMARY KEY (tenant, meter, day),
    CONSTRAINT usage_days_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT;

-- The events that count.
CREATE TABLE usage_events (
    tenant BLOB    NOT NULL,
    source TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    minute INTEGER NOT NULL,
    CONSTRAINT usage_events_key PRIMARY KEY (tenant, source, id),
    CONSTRAINT usage_events_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT;

CREATE INDEX usage_events_by_minute ON usage_events (minute);

-- How far each writer is. Of no tenant: it counts for all of them.
CREATE TABLE usage_watermarks (
    writer  BLOB    NOT NULL,
    upto    INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended   INTEGER NOT NULL,
    CONSTRAINT usage_watermarks_key PRIMARY KEY (writer)
) STRICT;

CREATE INDEX usage_watermarks_by_age ON usage_watermarks (seen_at);

-- The first minutes of which cells, and hours, are kept: one row.
CREATE TABLE usage_borders (
    one          INTEGER NOT NULL,
    minutes_from INTEGER NOT NULL,
    hours_from   INTEGER NOT NULL,
    CONSTRAINT usage_borders_key PRIMARY KEY (one),
    CONSTRAINT usage_borders_is_one CHECK (one = 1)
) STRICT;

INSERT INTO usage_borders (one, minutes_from, hours_from) VALUES (1, 0, 0);
