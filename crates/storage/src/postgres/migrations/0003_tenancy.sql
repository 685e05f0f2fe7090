-- The register of all tenants: which there are, where they are reached, who belongs to them. Empty where only one is served.
-- What finds a tenant, or tells of all, goes by an index that does not begin with the tenant; everything else does.

-- How far the register has counted: one row. Whoever writes to tenants, members or domains takes the next number from it, and holds
-- the row until the end of the transaction, so that numbers are seen in their order.
CREATE TABLE register (
    one      bigint NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT register_key PRIMARY KEY (one),
    CONSTRAINT register_is_one CHECK (one = 1)
);

INSERT INTO register (one, revision) VALUES (1, 0);

-- What each number was given for: a tenant, with the names that led to it, or its members, without. Refers to nothing: it outlives
-- what it tells of.
CREATE TABLE register_changes (
    tenant     uuid   NOT NULL,
    revision   bigint NOT NULL,
    at         bigint NOT NULL,
    subdomains text COLLATE "C",
    domains    text COLLATE "C",
    CONSTRAINT register_changes_key PRIMARY KEY (revision),
    CONSTRAINT register_changes_is_of_one_kind CHECK ((subdomains IS NULL) = (domains IS NULL))
);

-- `version` is the register's revision at the last write. `domains` are the verified ones of `domain_claims`, `member_count` counts
-- the rows of `members`, `status` is what the parts of the standing come to: copies, written in the same transactions.
CREATE TABLE tenants (
    tenant             uuid             NOT NULL,
    name               text COLLATE "C" NOT NULL,
    name_key           text COLLATE "C" NOT NULL,
    subdomain          text COLLATE "C" NOT NULL,
    domains            text COLLATE "C" NOT NULL,
    owner              uuid             NOT NULL,
    status             text COLLATE "C" NOT NULL,
    past_due_since     bigint,
    suspended_at       bigint,
    suspension_reason  text COLLATE "C",
    deleted_at         bigint,
    restorable_until   bigint,
    purged_at          bigint,
    plan               text COLLATE "C" NOT NULL,
    overrides          text COLLATE "C" NOT NULL,
    customer           text COLLATE "C",
    subscription       text COLLATE "C",
    current_period_end bigint,
    member_count       bigint           NOT NULL,
    version            bigint           NOT NULL,
    created_at         bigint           NOT NULL,
    updated_at         bigint           NOT NULL,
    CONSTRAINT tenants_key PRIMARY KEY (tenant),
    CONSTRAINT tenants_members_are_counted CHECK (member_count >= 0)
);

-- A subdomain leads to one tenant. One that is purged has given its own up.
CREATE UNIQUE INDEX tenants_subdomain ON tenants (subdomain) WHERE purged_at IS NULL;
CREATE INDEX tenants_by_subdomain ON tenants (subdomain, tenant);

-- Who gave a subdomain up, and until when nobody else gets it. Of several rows of one subdomain the last, by `revision`, counts.
-- Refers to nothing: it outlives the tenant.
CREATE TABLE given_up_subdomains (
    tenant    uuid             NOT NULL,
    subdomain text COLLATE "C" NOT NULL,
    until     bigint           NOT NULL,
    revision  bigint           NOT NULL,
    CONSTRAINT given_up_subdomains_key PRIMARY KEY (tenant, subdomain)
);

CREATE INDEX given_up_subdomains_by_subdomain ON given_up_subdomains (subdomain, revision);

-- Several tenants may claim a domain, one can have it verified.
CREATE TABLE domain_claims (
    tenant      uuid             NOT NULL,
    domain      text COLLATE "C" NOT NULL,
    token       text COLLATE "C" NOT NULL,
    claimed_at  bigint           NOT NULL,
    verified_at bigint,
    CONSTRAINT domain_claims_key PRIMARY KEY (tenant, domain),
    CONSTRAINT domain_claims_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
);

CREATE UNIQUE INDEX domain_claims_verified ON domain_claims (domain) WHERE verified_at IS NOT NULL;

CREATE TABLE members (
    tenant    uuid             NOT NULL,
    "user"    uuid             NOT NULL,
    email     text COLLATE "C" NOT NULL,
    role      text COLLATE "C" NOT NULL,
    joined_at bigint           NOT NULL,
    version   bigint           NOT NULL,
    CONSTRAINT members_key PRIMARY KEY (tenant, "user"),
    CONSTRAINT members_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
);

CREATE INDEX members_by_age ON members (tenant, joined_at, "user");
CREATE INDEX members_by_user ON members ("user", tenant);

CREATE TABLE invitations (
    tenant     uuid             NOT NULL,
    id         uuid             NOT NULL,
    email      text COLLATE "C" NOT NULL,
    email_key  text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    token_hash bytea            NOT NULL,
    invited_by text COLLATE "C" NOT NULL,
    created_at bigint           NOT NULL,
    sent_at    bigint           NOT NULL,
    expires_at bigint           NOT NULL,
    CONSTRAINT invitations_key PRIMARY KEY (tenant, id),
    CONSTRAINT invitations_email UNIQUE (tenant, email_key),
    CONSTRAINT invitations_token UNIQUE (tenant, token_hash),
    CONSTRAINT invitations_of_tenant FOREIGN KEY (tenant) REFERENCES tenants (tenant)
);

CREATE INDEX invitations_by_age ON invitations (tenant, created_at, id);

-- The second wall, as around all other tables. Some of what the register is for looks beyond one tenant: which one a name leads to, what
-- has changed, which tenants there are. Statements of that kind run under a setting of their own, which lets them look (and prune the
-- sequence of changes), and write nothing of anybody. Invitations are never looked for across tenants.
DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'register_changes', 'tenants', 'given_up_subdomains', 'domain_claims', 'members', 'invitations'
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
    FOREACH guarded IN ARRAY ARRAY['register_changes', 'tenants', 'given_up_subdomains', 'domain_claims', 'members']
    LOOP
        EXECUTE format(
            'CREATE POLICY register_looks ON %I FOR SELECT '
            'USING (current_setting(''togglebox.register'', true) = ''on'')',
            guarded
        );
    END LOOP;
END
$$;

CREATE POLICY register_prunes ON register_changes FOR DELETE USING (current_setting('togglebox.register', true) = 'on');

-- The counter is nobody's: it is seen and raised under that setting only, and is neither added nor removed.
ALTER TABLE register ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY register_looks ON register FOR SELECT USING (current_setting('togglebox.register', true) = 'on');
CREATE POLICY register_counts ON register FOR UPDATE USING (current_setting('togglebox.register', true) = 'on');
