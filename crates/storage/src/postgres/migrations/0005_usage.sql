-- What is used: counted by nodes, reported by other services, and added up. Empty where nothing is metered.

-- How much one writer has counted of a series in a minute. Only `total` changes, and only upwards: no index holds it, and a page has room
-- for what changes.
CREATE TABLE usage_cells (
    tenant uuid             NOT NULL,
    meter  text COLLATE "C" NOT NULL,
    minute bigint           NOT NULL,
    labels text COLLATE "C" NOT NULL,
    writer uuid             NOT NULL,
    total  bigint           NOT NULL,
    CONSTRAINT usage_cells_key PRIMARY KEY (tenant, meter, minute, labels, writer),
    CONSTRAINT usage_cells_count CHECK (total >= 0)
) WITH (fillfactor = 80);

CREATE INDEX usage_cells_by_minute ON usage_cells (minute);

-- An hour in which something was counted: `totals` by labels, as of the last roll-up; `revision` 0 before the first; `stale` (1) when a cell
-- has come in since.
CREATE TABLE usage_hours (
    tenant   uuid             NOT NULL,
    meter    text COLLATE "C" NOT NULL,
    hour     bigint           NOT NULL,
    revision bigint           NOT NULL,
    stale    bigint           NOT NULL,
    totals   text COLLATE "C" NOT NULL,
    CONSTRAINT usage_hours_key PRIMARY KEY (tenant, meter, hour)
);

CREATE INDEX usage_hours_stale ON usage_hours (hour, tenant, meter) WHERE stale = 1;
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);

-- A day, out of its hours; as good as those, unless one of them is stale.
CREATE TABLE usage_days (
    tenant uuid             NOT NULL,
    meter  text COLLATE "C" NOT NULL,
    day    bigint           NOT NULL,
    totals text COLLATE "C" NOT NULL,
    CONSTRAINT usage_days_key PRIMARY KEY (tenant, meter, day)
);

-- The events that count.
CREATE TABLE usage_events (
    tenant uuid             NOT NULL,
    source text COLLATE "C" NOT NULL,
    id     text COLLATE "C" NOT NULL,
    minute bigint           NOT NULL,
    CONSTRAINT usage_events_key PRIMARY KEY (tenant, source, id)
);

CREATE INDEX usage_events_by_minute ON usage_events (minute);

-- How far each writer is. Of no tenant: it counts for all of them.
CREATE TABLE usage_watermarks (
    writer  uuid   NOT NULL,
    upto    bigint NOT NULL,
    seen_at bigint NOT NULL,
    ended   bigint NOT NULL,
    CONSTRAINT usage_watermarks_key PRIMARY KEY (writer)
);

CREATE INDEX usage_watermarks_by_age ON usage_watermarks (seen_at);

-- The first minutes of which cells, and hours, are kept: one row.
CREATE TABLE usage_borders (
    one          bigint NOT NULL,
    minutes_from bigint NOT NULL,
    hours_from   bigint NOT NULL,
    CONSTRAINT usage_borders_key PRIMARY KEY (one),
    CONSTRAINT usage_borders_is_one CHECK (one = 1)
);

INSERT INTO usage_borders (one, minutes_from, hours_from) VALUES (1, 0, 0);

-- The second wall, as around all other tables. Nodes bring what they have counted for all tenants at once, roll up and prune: statements of
-- that kind run under a setting of their own. Under a tenant's, the borders are seen.
DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['usage_cells', 'usage_hours', 'usage_days', 'usage_events']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', guarded);
        EXECUTE format(
            'CREATE POLICY tenant_only ON %I '
            'USING (tenant = nullif(current_setting(''togglebox.tenant'', true), '''')::uuid) '
            'WITH CHECK (tenant = nullif(current_setting(''togglebox.tenant'', true), '''')::uuid)',
            guarded
        );
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['usage_watermarks', 'usage_borders']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', guarded);
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['usage_cells', 'usage_hours', 'usage_watermarks']
    LOOP
        EXECUTE format(
            'CREATE POLICY ledger_keeps ON %I '
            'USING (current_setting(''togglebox.ledger'', true) = ''on'') '
            'WITH CHECK (current_setting(''togglebox.ledger'', true) = ''on'')',
            guarded
        );
    END LOOP;
END
$$;

CREATE POLICY ledger_looks ON usage_events FOR SELECT USING (current_setting('togglebox.ledger', true) = 'on');
CREATE POLICY ledger_prunes ON usage_events FOR DELETE USING (current_setting('togglebox.ledger', true) = 'on');
CREATE POLICY all_look ON usage_borders FOR SELECT USING (true);
CREATE POLICY ledger_closes ON usage_borders FOR UPDATE USING (current_setting('togglebox.ledger', true) = 'on');
