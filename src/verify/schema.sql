-- What the migrations make: a row a thing, by kind and name, with what it is as text. Left out is what versions of Postgres
-- write differently or name by themselves: not-null constraints (they are told with their columns), the name of the schema,
-- partitions (what they have, they have from their table). So is what belongs to extensions, and storage parameters, which
-- whoever runs the database may tune.
with spaces as (
    select oid, quote_ident(nspname) || '.' as prefix from pg_namespace where nspname = current_schema()
), relations as (
    select c.oid, c.relname::text as name, c.relkind, c.relpersistence
      from pg_class c join spaces n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> '_sqlx_migrations'
), things as (
    select 'table' as kind, name,
           case relpersistence when 'u' then 'unlogged' else 'logged' end
           || case relkind when 'p' then ', partition by ' || pg_get_partkeydef(oid) else '' end as definition
      from relations
    union all
    select 'column', r.name || '.' || a.attname,
           format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
           || case a.attidentity when 'a' then ' identity always' when 'd' then ' identity by default' else '' end
           || coalesce(case a.attgenerated when 's' then ' generated as ' else ' default ' end
                       || pg_get_expr(d.adbin, d.adrelid), '')
      from relations r
      join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
    union all
    select 'constraint', r.name || '.' || k.conname,
           pg_get_constraintdef(k.oid)
           || case when k.contype = 'f' and not coalesce((select bool_and(t.tgenabled = 'O') from pg_trigger t
                                                           where t.tgconstraint = k.oid), false)
                   then ' (not enforced)' else '' end
      from relations r
      join pg_constraint k on k.conrelid = r.oid and k.contype in ('c', 'f', 'p', 'u', 'x')
    union all
    select 'index', c.relname,
           pg_get_indexdef(i.indexrelid) || case when i.indisvalid and i.indisready then '' else ' (invalid)' end
      from relations r
      join pg_index i on i.indrelid = r.oid
      join pg_class c on c.oid = i.indexrelid
    union all
    select 'trigger', r.name || '.' || t.tgname,
           pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' else ' (disabled)' end
      from relations r
      join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
    union all
    select 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
           'returns ' || pg_get_function_result(p.oid) || ' language ' || l.lanname || ' '
           || case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end
           || case when p.prosecdef then ' security definer' else '' end
           || coalesce(' set ' || array_to_string(p.proconfig, ', '), '') || ' md5 ' || md5(p.prosrc)
      from pg_proc p
      join spaces n on n.oid = p.pronamespace
      join pg_language l on l.oid = p.prolang
     where p.prokind = 'f' and l.lanname in ('sql', 'plpgsql')
       and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select 'sequence', c.relname,
           format_type(s.seqtypid, null) || ' from ' || s.seqstart || ' by ' || s.seqincrement || ' to ' || s.seqmax
           || case when s.seqcycle then ' cycle' else '' end
           || coalesce((select ' of ' || r.name || '.' || a.attname
                          from pg_depend d
                          join relations r on r.oid = d.refobjid
                          join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                         where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')), '')
      from pg_class c
      join spaces n on n.oid = c.relnamespace
      join pg_sequence s on s.seqrelid = c.oid
)
select kind, name, replace(definition, (select prefix from spaces), '') from things order by 1, 2
