-- The latest version of a location is the location, and its last event tells it.
select 'location ' || l.erp_code,
       case when v.location is null then 'it has no version'
            else 'it is not as its latest version: ' || (
                select string_agg(key, ', ' order by key) from jsonb_object_keys(v.location || now.record) as key
                 where nullif(v.location -> key, 'null') is distinct from nullif(now.record -> key, 'null')) end
  from stock_locations l
 cross join lateral (select location_record(l) - array['quota', 'modified_date'] as record) as now
  left join lateral (select location - array['quota', 'modified_date'] as location from stock_location_versions v
                      where v.stock_location_id = l.id order by installation_version desc limit 1) v on true
 where v.location is null or jsonb_strip_nulls(v.location) <> jsonb_strip_nulls(now.record)
 order by l.id
