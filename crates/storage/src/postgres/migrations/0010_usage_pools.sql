-- Units of a quota of a tenant in a period: how many are `granted`, and to whom, as text (`holders`). Written at each change, and not often
-- read: a page has room for what changes.
CREATE TABLE usage_pools (
    tenant  uuid             NOT NULL,
    meter   text COLLATE "C" NOT NULL,
    period  bigint           NOT NULL,
    granted bigint           NOT NULL,
    holders text COLLATE "C" NOT NULL,
    CONSTRAINT usage_pools_key PRIMARY KEY (tenant, meter, period),
    CONSTRAINT usage_pools_count CHECK (granted >= 0)
) WITH (fillfactor = 50);

ALTER TABLE usage_pools ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON usage_pools
    USING (tenant = nullif(current_setting('togglebox.tenant', true), '')::uuid)
    WITH CHECK (tenant = nullif(current_setting('togglebox.tenant', true), '')::uuid);
