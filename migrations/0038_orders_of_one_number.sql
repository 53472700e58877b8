-- An order is known by its number and its channel, and by the upstream's key where both have one. So there may be several
-- orders of one number: they are counted, in the order in which they came. The count is what keeps two from being taken at
-- once: of those who count the same, one is taken, and the others look again.
alter table orders
    add column occurrence integer not null default 1 constraint orders_occurrence_check check (occurrence > 0),
    drop constraint orders_number_key,
    add constraint orders_number_key unique (number, occurrence);
-- Their seals are made anew by the next migration.
