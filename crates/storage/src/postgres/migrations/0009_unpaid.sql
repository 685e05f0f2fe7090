-- How a tenant is restricted because nobody pays for it, and since when. Those of before are not.
ALTER TABLE tenants ADD COLUMN unpaid text COLLATE "C";
ALTER TABLE tenants ADD COLUMN unpaid_since bigint
    CONSTRAINT tenants_unpaid_has_a_moment CHECK ((unpaid IS NULL) = (unpaid_since IS NULL));
