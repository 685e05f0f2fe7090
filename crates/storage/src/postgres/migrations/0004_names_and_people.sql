-- When a tenant got another subdomain: a JSON list of moments.
ALTER TABLE tenants ADD COLUMN renames text COLLATE "C" NOT NULL DEFAULT '[]';
