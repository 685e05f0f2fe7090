-- Nodes ask which revisions the tenants are at that they serve: a hundred at once, in one statement. It runs under a setting of its own,
-- and sees what it needs to.
CREATE POLICY watch_looks ON tenant_revisions FOR SELECT USING (current_setting('togglebox.watch', true) = 'on');
CREATE POLICY watch_looks ON environments FOR SELECT USING (current_setting('togglebox.watch', true) = 'on');
