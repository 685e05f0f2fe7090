-- By what the requests of a tenant are counted that has a subscription: a JSON list of the first moment, the one after the last, and the names
-- of the plans that were paid for. Those of before have months of the calendar until their subscription is looked at.
ALTER TABLE tenants ADD COLUMN usage_period TEXT;
