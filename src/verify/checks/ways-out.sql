-- A package or a transfer that is not at its end can go on: some transition of the installation leads out of its state. What a
-- state or a transition that is not installed any more has left behind would stay for ever, with its stock and its quota.
with stuck as (
    select s.id, s.entity, s.slug from states s
     where not s.final and s.entity in ('package', 'transfer')
       and not exists (select from transitions t where t.source_state_id = s.id and t.retired_date is null)
)
select 'package ' || p.number, 'no transition leads out of its state ' || s.slug
  from packages p join stuck s on s.id = p.state_id and s.entity = 'package'
union all
select 'transfer ' || t.number, 'no transition leads out of its state ' || s.slug
  from transfers t join stuck s on s.id = t.state_id and s.entity = 'transfer'
 order by 1, 2
