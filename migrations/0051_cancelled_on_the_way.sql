-- A transfer that was cancelled while it was on its way: its goods are on no shelf until somebody books them in.

create or replace function takes_goods(entity text, slug text, enum_value text) returns boolean language sql immutable as $$
    select case when entity = 'transfer' then enum_value in ('in_transit', 'transferred', 'cancelled_in_transit')
                when entity <> 'package' or slug in ('oms-not-found', 'waiting-for-transfer') then false
                when enum_value !~ '^[0-9]{1,9}$' then false
                else enum_value::bigint >= 450 and enum_value::bigint not between 900 and 999
                     and enum_value::bigint <> 1100 end
$$;
