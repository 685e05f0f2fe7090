-- When a tenant got another subdomain: a JSON list of moments.
ALTER TABLE tenants ADD COLUMN renames TEXT NOT NULL DEFAULT '[]';

-- Who invites. Those that wait since before this are nobody's, and good once they are sent again.
ALTER TABLE invitations ADD COLUMN inviter BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
