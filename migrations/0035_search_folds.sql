-- Texts are found whatever their case and accents: yılmaz finds YILMAZ, ışık finds IŞIK, muller finds Müller.
--
-- No extension, because a managed server may not have it, and no rules of the database's locale, which differ from system
-- to system and may change under an index.

-- A text in small letters without marks: I, İ, ı and i are i. Marks are taken off what Unicode takes apart (not vowel signs
-- of India or the voicing of kana, which make other words); the rest is named.
create function fold(text text) returns text
    language plpgsql immutable strict parallel safe as $$
begin
    if octet_length(text) = length(text) then
        return lower(text collate "C");
    end if;
    return translate(
        lower(regexp_replace(normalize(text, NFKD) collate "C",
            '[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]',
            '', 'g')),
        'ıØøŁłĐđÐðĦħŦŧÞÆŒẞŊƏ' || 'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣςΤΥΦΧΨΩ'
            || 'АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ' || 'ЄІЅЈЉЊЋЏЂҐҒҚҢҮҰҺӨӘҖҲҶ',
        'iøøłłđđððħħŧŧþæœßŋə' || 'αβγδεζηθικλμνξοπρσστυφχψω'
            || 'абвгдежзиклмнопрстуфхцчшщъыьэюя' || 'єіѕјљњћџђґғқңүұһөәҗҳҷ');
end
$$;

-- What an index of parts has of a folded text: its triples of letters. A sign of Chinese is a name alone, and two are.
create function pieces(folded text) returns text[]
    language plpgsql immutable strict parallel safe as $$
declare
    last integer := length(folded);
    found text[] := '{}';
begin
    for at in 1 .. last - 2 loop
        found := found || substr(folded, at, 3);
    end loop;
    if octet_length(folded) > last then
        for at in 1 .. last loop
            if ascii(substr(folded, at, 1)) >= 11904 then
                found := found || substr(folded, at, 1) || substr(folded, at, 2);
            end if;
        end loop;
    end if;
    return found;
end
$$;

-- Those of them that tell if a text has the folded `part`: side by side, because by overlapping ones Postgres would expect
-- too few texts.
create function pieces_needed(part text) returns text[]
    language sql immutable parallel safe as $$
    select case
        when length($1) < 3 then array(select piece from unnest(pieces($1)) piece where length(piece) = length($1))
        else array(select substr($1, least(at, length($1) - 2), 3) from generate_series(1, length($1), 3) at)
    end
$$;

-- True if the text has the part, whatever case and accents. Postgres looks into it, and takes an index on the pieces.
create function has_part(text text, part text) returns boolean
    language sql immutable parallel safe as $$
    select pieces(fold($1)) @> pieces_needed(fold($2)) and strpos(fold($1), fold($2)) > 0
$$;

-- Countries are left out: an index finds what few orders have.
create index orders_search_idx on orders using gin (
    pieces(fold(customer_first_name)),
    pieces(fold(customer_last_name)),
    pieces(fold(coalesce(details #>> '{shipping_address,city,name}', details #>> '{shipping_address,city}'))),
    pieces(fold(coalesce(details #>> '{shipping_address,township,name}', details #>> '{shipping_address,township}')))
);
