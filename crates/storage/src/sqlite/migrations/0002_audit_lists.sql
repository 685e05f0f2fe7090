-- The other ways to restrict the audit log. With these, each has an index that ends in time: a page costs what is on it,
-- however many newer records fit only some of what is asked for.
CREATE INDEX audit_log_by_environment_name ON audit_log (tenant, environment, at);
CREATE INDEX audit_log_by_target_in_platform ON audit_log (tenant, target, platform, at);
CREATE INDEX audit_log_by_target_in_environment ON audit_log (tenant, target, platform, environment, at);
CREATE INDEX audit_log_by_target_in_environment_name ON audit_log (tenant, target, environment, at);
