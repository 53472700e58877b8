-- Stocks that were counted, or adjusted, below what is reserved there: packages wait for units that are not there. An index of
-- them on `stocks` would be written by every packing; this is written by counts alone.
create table short_stocks (
    sku text not null,
    stock_location_id bigint not null,
    -- When it was counted so.
    since timestamptz not null default now(),
    primary key (sku, stock_location_id)
);
insert into short_stocks (sku, stock_location_id)
select s.sku, s.stock_location_id from stocks s where s.quantity - s.missing < s.reserved;
