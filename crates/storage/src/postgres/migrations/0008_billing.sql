-- What billing keeps: documents with a version, written several at a time or not at all. Empty where nothing is billed.

-- `shelf` and `id` say what it is about, `tenant` whose it is, once that is known. It stands in one list of its shelf, by `at`; somebody
-- should look at it from `due` on. What reads it does so for all tenants, so its keys do not begin with one.
CREATE TABLE billing_documents (
    tenant  uuid,
    shelf   text COLLATE "C" NOT NULL,
    id      text COLLATE "C" NOT NULL,
    version bigint           NOT NULL,
    list    text COLLATE "C" NOT NULL,
    at      bigint           NOT NULL,
    due     bigint,
    body    text COLLATE "C" NOT NULL,
    CONSTRAINT billing_documents_key PRIMARY KEY (shelf, id),
    CONSTRAINT billing_documents_are_counted CHECK (version > 0)
);

CREATE INDEX billing_documents_of_tenant ON billing_documents (tenant, shelf, id) WHERE tenant IS NOT NULL;
CREATE INDEX billing_documents_due ON billing_documents (shelf, due, id) WHERE due IS NOT NULL;
CREATE INDEX billing_documents_by_list ON billing_documents (shelf, list, at, id);

-- The second wall, as around all other tables. Nodes bill all tenants, and keep what is of none yet: statements of that kind run under a
-- setting of their own.
ALTER TABLE billing_documents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON billing_documents
    USING (tenant = nullif(current_setting('togglebox.tenant', true), '')::uuid)
    WITH CHECK (tenant = nullif(current_setting('togglebox.tenant', true), '')::uuid);
CREATE POLICY billing_keeps ON billing_documents
    USING (current_setting('togglebox.billing', true) = 'on')
    WITH CHECK (current_setting('togglebox.billing', true) = 'on');
