-- Units that a location looked for and did not find cannot be promised there again until the SKU is counted anew. Before,
-- the next order was promised them.
alter table stocks
    -- Units that were not found since the last count that was another, less those that were taken away since.
    add column missing bigint not null default 0 constraint stocks_missing_check check (missing >= 0);

-- What a ledger says is missing: a count begins anew, what is not found adds, what is taken away by hand takes off.
create function missing_by_ledger() returns table (sku text, stock_location_id bigint, missing bigint)
language sql stable as $$
with rows as (
    select l.sku, l.stock_location_id, l.id,
           count(*) filter (where l.kind in ('opening', 'count')) over w as stretch,
           case when l.kind = 'not_found' then l.missing
                when l.kind = 'adjustment' then least(l.quantity_after - l.quantity_before, 0) else 0 end as delta
      from stock_ledger l
    window w as (partition by l.sku, l.stock_location_id order by l.id)
), running as (
    select r.*, sum(r.delta) over w as so_far, max(r.stretch) over (partition by r.sku, r.stock_location_id) as last
      from rows r
    window w as (partition by r.sku, r.stock_location_id, r.stretch order by r.id)
)
-- It never falls below 0: so it is the sum less the lowest that the sum has been.
select r.sku, r.stock_location_id,
       ((array_agg(r.so_far order by r.id desc))[1] - least(min(r.so_far), 0))::bigint
  from running r
 where r.stretch = r.last
 group by 1, 2
$$;

update stocks s
   set missing = m.missing
  from missing_by_ledger() m
 where m.sku = s.sku and m.stock_location_id = s.stock_location_id and m.missing > 0;
