-- When a tenant got another subdomain: a JSON list of moments.
ALTER TABLE tenants ADD COLUMN renames TEXT NOT NULL DEFAULT '[]';

-- Who invites. Those that wait since before this are nobody's, and good once they are sent again.
ALTER TABLE invitations ADD COLUMN inviter BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';

-- When the record of a verified domain was last looked for again, and how often in a row it was not there.
ALTER TABLE domain_claims ADD COLUMN checked_at INTEGER;
ALTER TABLE domain_claims ADD COLUMN misses INTEGER NOT NULL DEFAULT 0;
