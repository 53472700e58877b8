-- A count may say when it was taken: what was packed and what arrived after it is applied to it, and a count that a newer one
-- has overtaken is no news.

alter table stocks
    -- When the newest count was taken; null: the stock was never counted.
    add column counted_at timestamptz;
update stocks s
   set counted_at = c.counted_at
  from (select sku, stock_location_id, max(created_date) as counted_at
          from stock_ledger where kind = 'count' group by 1, 2) c
 where c.sku = s.sku and c.stock_location_id = s.stock_location_id;
