-- Makes the role `oms` the owner of all that is in this database, but for what belongs to extensions and to Postgres
-- itself. A superuser runs it; where all is as it should be, it changes nothing.
do $$
declare
    statement text;
begin
    for statement in
        -- Indexes and the sequences of columns go with their tables.
        select format('alter table %s owner to oms', c.oid::regclass)
          from pg_class c
         where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
           and c.relnamespace in (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
           and pg_get_userbyid(c.relowner) <> 'oms'
           and not exists (select from pg_depend d
                            where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and (d.deptype = 'e' or c.relkind = 'S' and d.deptype in ('a', 'i')))
        union all
        select format('alter routine %s owner to oms', p.oid::regprocedure)
          from pg_proc p
         where p.pronamespace in (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
           and pg_get_userbyid(p.proowner) <> 'oms'
           and not exists (select from pg_depend d
                            where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
        union all
        -- Since 15 it is so from the beginning: who owns the database owns this schema.
        select format('alter schema %I owner to pg_database_owner', n.nspname)
          from pg_namespace n
         where n.nspname = 'public' and pg_get_userbyid(n.nspowner) not in ('pg_database_owner', 'oms')
    loop
        execute statement;
    end loop;
end $$;
