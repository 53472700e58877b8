-- The parameters that a command records stand together in one column, each under its name: a new one needs no column.
update transition_records
   set parameters = coalesce(parameters, '{}')
                    || jsonb_strip_nulls(jsonb_build_object('cancellation_reason', cancellation_reason,
                                                            'denial_reason', denial_reason_id))
 where cancellation_reason is not null or denial_reason_id is not null;

alter table transition_records
      drop column cancellation_reason,
      drop column denial_reason_id;
