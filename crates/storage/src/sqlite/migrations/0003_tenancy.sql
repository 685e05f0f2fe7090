-- The register of all tenants: which there are, where they are reached, who belongs to them. Empty where only one is served.
-- What finds a tenant, or tells of all, goes by an index that does not begin with the tenant; everything else does.

-- How far the register has counted: one row. Whoever writes to tenants, members or domains takes the next number from it, and holds
-- the row until the end of the transaction, so that numbers are seen in their order.
CREATE TABLE register (
    one      INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    CONSTRAINT register_key PRIMARY KEY (one),
    CONSTRAINT register_is_one CHECK (one = 1)
) STRICT;

INSERT INTO register (one, revision) VALUES (1, 0);

-- What each number was given for: a tenant, with the names that led to it, or its members, without. Refers to nothing: it outlives
-- what it tells of.
CREATE TABLE register_changes (
    tenant     BLOB    NOT NULL,
    revision   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    subdomains TEXT,
    domains    TEXT,
    CONSTRAINT register_changes_key PRIMARY KEY (revision),
    CONSTRAINT register_changes_tenant_is_uuid CHECK (length(tenant) = 16),
    CONSTRAINT register_changes_is_of_one_kind CHECK ((subdomains IS NULL) = (domains IS NULL))
) STRICT;

-- `version` is the register's revision at the last write. `domains` are the verified ones of `domain_claims`, `member_count` counts
-- the rows of `members`, `status` is what the parts of the standing come to: copies, written in the same transactions.
CREATE TABLE tenants (
    tenant             BLOB    NOT NULL,
    name               TEXT    NOT NULL,
    name_key           TEXT    NOT NULL,
    subdomain          TEXT    NOT NULL,
    domains            TEXT    NOT NULL,
    owner              BLOB    NOT NULL,
    status             TEXT    NOT NULL,
    past_due_since     INTEGER,
    suspended_at       INTEGER,
    suspension_reason  TEXT,
    deleted_at         INTEGER,
    restorable_until   INTEGER,
    purged_at          INTEGER,
    plan               TEXT    NOT NULL,
    overrides          TEXT    NOT NULL,
    customer           TEXT,
    subscription       TEXT,
    current_period_end INTEGER,
    member_count       INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    CONSTRAINT tenants_key PRIMARY KEY (tenant),
    CONSTRAINT tenants_tenant_is_uuid CHECK (length(tenant) = 16),
    CONSTRAINT tenants_members_are_counted CHECK (member_count >= 0)
) STRICT;

-- A subdomain leads to one tenant. One that is purged has given its own up.
CREATE UNIQUE INDEX tenants_subdomain ON tenants (subdomain) WHERE purged_at IS NULL;
CREATE INDEX tenants_by_subdomain ON tenants (subdomain, tenant);

-- Who gave a subdomain up, and until when nobody else gets it. Of several rows of one subdomain the last, by `revision`, counts.
-- Refers to nothing: it outlives the tenant.
CREATE TABLE given_up_subdomains (
    tenant    BLOB    NOT NULL,
    subdomain TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    revision  INTEGER NOT NULL,
    CONSTRAINT given_up_subdomains_key PRIMARY KEY (tenant, subdomain),
    CONSTRAINT given_up_subdomains_tenant_is_uuid CHECK (length(tenant) = 16)
) STRICT, WITHOUT ROWID;

CREATE INDEX given_up_subdomains_by_subdomain ON given_up_subdomains (subdomain, revision);

-- Several tenants may claim a domain, one can have it verified.
CREATE TABLE domain_claims (
    tenant      BLOB    NOT NULL,
    domain      TEXT    NOT NULL,
    token       TEXT    NOT NULL,
    claimed_at  INTEGER NOT NULL,
    verified_at INTEGER,
    CONSTRAINT domain_claims_key PRIMARY KEY (tenant, domain),
    CONSTRAINT domain_claims_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX domain_claims_verified ON domain_claims (domain) WHERE verified_at IS NOT NULL;

CREATE TABLE members (
    tenant    BLOB    NOT NULL,
    user      BLOB    NOT NULL,
    email     TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    CONSTRAINT members_key PRIMARY KEY (tenant, user),
    CONSTRAINT members_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_age ON members (tenant, joined_at, user);
CREATE INDEX members_by_user ON members (user, tenant);

CREATE TABLE invitations (
    tenant     BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    email      TEXT    NOT NULL,
    email_key  TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    token_hash BLOB    NOT NULL,
    invited_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT invitations_key PRIMARY KEY (tenant, id),
    CONSTRAINT invitations_email UNIQUE (tenant, email_key),
    CONSTRAINT invitations_token UNIQUE (tenant, token_hash),
    CONSTRAINT invitations_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
) STRICT;

CREATE INDEX invitations_by_age ON invitations (tenant, created_at, id);
