-- A row of the ledger was written with the move of its package, or by a change of the installation.
select 'package ' || coalesce(p.number, q.package_id::text),
       case when l.id is not null then 'a row of its quota ledger is not of the move that it names'
            when q.transition_log_id is not null then 'a row of its quota ledger names a move that is not there'
            else 'a row of its quota ledger names version ' || q.installation_version
                 || ' of the installation, which has not been' end
  from quota_ledger q
  left join transition_logs l on l.id = q.transition_log_id
  left join packages p on p.id = q.package_id
 where case when q.transition_log_id is null then q.installation_version > (select version from installation)
            else l.id is null or l.package_id <> q.package_id or l.created_date <> q.created_date end
    or p.id is null
 order by q.package_id
