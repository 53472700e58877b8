-- The latest words of the installation are its states, transitions and cargo companies. (Columns that were added since say
-- nothing.)
with words as (
    select * from installation_words order by installation_version desc limit 1
), compared as (
    select 'state ' as kind, w.word ->> 'slug' as slug, w.word,
           (select to_jsonb(s) from states s where s.id = (w.word ->> 'id')::bigint) as row
      from words, jsonb_array_elements(states) as w(word)
    union all
    select 'transition ', w.word ->> 'slug', w.word,
           (select to_jsonb(t) from transitions t where t.id = (w.word ->> 'id')::bigint)
      from words, jsonb_array_elements(transitions) as w(word)
    union all
    select 'cargo company ', w.word ->> 'slug', w.word,
           (select to_jsonb(c) from cargo_companies c where c.id = (w.word ->> 'id')::bigint)
      from words, jsonb_array_elements(cargo_companies) as w(word)
)
select kind || slug, 'it is not as in the latest words of the installation'
  from compared where row is null or not row - 'modified_date' @> word - 'modified_date'
 order by 1
