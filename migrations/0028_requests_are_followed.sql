-- The request that caused a move, an event or a call, by its id: the client's (`X-Request-Id`) or ours. Null: the server
-- did it by itself, the command line, or a version before. There is no index: logs are read by their package or transfer.

alter table transition_logs add column request_id text;
alter table transfer_logs add column request_id text;

-- What happened is told to others, also long after: with the id, and with the place in the client's trace (W3C
-- `traceparent`) that they continue.
alter table events add column request_id text, add column traceparent text;
alter table upstream_calls add column request_id text, add column traceparent text;

-- Triggers write events, too. Whoever changes a location by a request has said which (`audit::name`).
alter table events alter column request_id set default nullif(current_setting('oms.request_id', true), '');
alter table events alter column traceparent set default nullif(current_setting('oms.traceparent', true), '');
