-- The operator sees who has used the most: out of the days of all tenants, a list of them at a time, as the ledger.
CREATE POLICY ledger_looks ON usage_days FOR SELECT USING (current_setting('togglebox.ledger', true) = 'on');
