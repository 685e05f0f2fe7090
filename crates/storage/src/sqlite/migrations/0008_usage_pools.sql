-- Units of a quota of a tenant in a period: how many are `granted`, and to whom, as text (`holders`).
CREATE TABLE usage_pools (
    tenant  BLOB    NOT NULL,
    meter   TEXT    NOT NULL,
    period  INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    holders TEXT    NOT NULL,
    CONSTRAINT usage_pools_key PRIMARY KEY (tenant, meter, period),
    CONSTRAINT usage_pools_count CHECK (granted >= 0),
    CONSTRAINT usage_pools_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT;
