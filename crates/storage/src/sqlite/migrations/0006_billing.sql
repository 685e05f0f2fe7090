-- What billing keeps: documents with a version, written several at a time or not at all. Empty where nothing is billed.

-- `shelf` and `id` say what it is about, `tenant` whose it is, once that is known. It stands in one list of its shelf, by `at`; somebody
-- should look at it from `due` on. What reads it does so for all tenants, so its keys do not begin with one.
CREATE TABLE billing_documents (
    tenant  BLOB,
    shelf   TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    list    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    due     INTEGER,
    body    TEXT    NOT NULL,
    CONSTRAINT billing_documents_key PRIMARY KEY (shelf, id),
    CONSTRAINT billing_documents_tenant_is_uuid CHECK (tenant IS NULL OR length(tenant) = 16),
    CONSTRAINT billing_documents_are_counted CHECK (version > 0)
) STRICT;

CREATE INDEX billing_documents_of_tenant ON billing_documents (tenant, shelf, id) WHERE tenant IS NOT NULL;
CREATE INDEX billing_documents_due ON billing_documents (shelf, due, id) WHERE due IS NOT NULL;
CREATE INDEX billing_documents_by_list ON billing_documents (shelf, list, at, id);
