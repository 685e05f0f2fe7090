-- Nodes add what they have counted of many tenants in one transaction. It runs under a setting that lists these tenants, and reaches of
-- them what is counted; of what that is about it sees whether it is there. A statement reads the list once.
DO $$
DECLARE
    guarded text;
    listed  text := '(tenant = ANY ((SELECT nullif(current_setting(''togglebox.counting'', true), '''')::uuid[])::uuid[]))';
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'statistics_batches', 'parameter_statistics', 'parameter_clients', 'flag_statistics', 'flag_days', 'flag_countries',
        'flag_users', 'experiment_statistics', 'experiment_days', 'experiment_metric_days', 'experiment_subjects',
        'experiment_conversions'
    ]
    LOOP
        EXECUTE format('CREATE POLICY counting_adds ON %I USING %s WITH CHECK %s', guarded, listed, listed);
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['environments', 'parameters', 'flags', 'experiments']
    LOOP
        EXECUTE format('CREATE POLICY counting_looks ON %I FOR SELECT USING %s', guarded, listed);
    END LOOP;
END
$$;
