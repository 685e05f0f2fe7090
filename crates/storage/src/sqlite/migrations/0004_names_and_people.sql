-- When a tenant got another subdomain: a JSON list of moments.
ALTER TABLE tenants ADD COLUMN renames TEXT NOT NULL DEFAULT '[]';
