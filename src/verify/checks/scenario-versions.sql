-- Every version of a scenario is kept, without a gap, and the latest is the scenario.
with kept as (
    select scenario_id, min(version) as first, max(version) as last, count(*) as count,
           (array_agg(change order by version desc))[1] as change,
           (array_agg(definition order by version desc))[1] as definition
      from scenario_versions group by 1
)
select 'scenario ' || coalesce(s.name, k.definition ->> 'name', k.scenario_id::text), case
           when k.scenario_id is null then 'it has no versions'
           when k.first <> 1 or k.last <> k.count then 'it has ' || k.count || ' versions, and the latest is ' || k.last
           when s.id is null then 'it is gone, and its latest version does not say so'
           when k.change = 'deleted' then 'its latest version says that it is gone'
           when k.last <> s.version then 'its version is ' || s.version || ', and the latest kept is ' || k.last
           else 'it is not as its latest version' end
  from kept k
  full join scenarios s on s.id = k.scenario_id
  left join stock_locations l on l.id = s.default_location_id
  left join states st on st.id = s.initial_state_when_split_id
 where k.scenario_id is null or k.first <> 1 or k.last <> k.count
    or (s.id is null) <> (k.change = 'deleted')
    or (s.id is not null
        and (k.last <> s.version
             or k.definition ->> 'name' is distinct from s.name
             or k.definition ->> 'description' is distinct from s.description
             or (k.definition ->> 'priority')::integer is distinct from s.priority
             or (k.definition ->> 'is_active')::boolean is distinct from s.is_active
             or k.definition ->> 'default_location' is distinct from l.erp_code
             or k.definition ->> 'initial_state_when_split' is distinct from st.slug
             or (k.definition ? 'kind' and k.definition ->> 'kind' <> s.kind)
             or coalesce(k.definition ->> 'waiting', 'first_come') <> s.waiting
             or k.definition -> 'channels' is distinct from to_jsonb(s.channels)
             or k.definition -> 'shipping' is distinct from to_jsonb(s.shipping)
             or k.definition -> 'payments' is distinct from to_jsonb(s.payments)
             or jsonb_strip_nulls(k.definition -> 'splitting') is distinct from jsonb_strip_nulls(s.splitting)
             or k.definition -> 'rules' is distinct from s.rules))
 order by 1
