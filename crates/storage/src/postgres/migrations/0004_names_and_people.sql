-- When a tenant got another subdomain: a JSON list of moments.
ALTER TABLE tenants ADD COLUMN renames text COLLATE "C" NOT NULL DEFAULT '[]';

-- Who invites. Those that wait since before this are nobody's, and good once they are sent again.
ALTER TABLE invitations ADD COLUMN inviter uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';

-- When the record of a verified domain was last looked for again, and how often in a row it was not there.
ALTER TABLE domain_claims ADD COLUMN checked_at bigint;
ALTER TABLE domain_claims ADD COLUMN misses bigint NOT NULL DEFAULT 0;
