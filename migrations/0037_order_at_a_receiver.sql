-- Events of one object reach a receiver in their order, whichever of its owner's subscriptions each is of.

-- The receiver of a subscription: its address without what does not reach it (the fragment), and written in one way.
alter table webhooks add column target text not null generated always as (coalesce(
    regexp_replace(lower(substring(target_url, '^[^:/?#]+://[^/?#]*')), '^(http://.*):80$|^(https://.*):443$', '\1\2')
    || regexp_replace(substring(target_url, '^[^:/?#]+://[^/?#]*([^#]*)'), '^(?!/)', '/'), target_url)) stored;
create index webhooks_target on webhooks (user_id, target);

-- It follows from the address, which the audit has.
drop trigger audited on webhooks;
create trigger audited
    after insert or delete or update of user_id, target_url, is_active, secret_key, event_type, callback,
                                        retry_countdown_config, additional_headers, config
    on webhooks for each row
    execute function audit_row('webhook', 'target_url', '{secret_key,additional_headers,config}',
                               '{pause_reason,failing_since,last_delivered_date,last_delivered_event_date,event_sequence,target}');

-- What is held back is not claimed: it is made due by the delivery before it, and looked at now and then.
drop index hook_events_due;
create index hook_events_due on hook_events (webhook_id, next_attempt_date, id) where not delivered and not held_back;
create index hook_events_held_back on hook_events (webhook_id, next_attempt_date) where not delivered and held_back;
-- Only what waits has an order.
drop index hook_events_line;
create index hook_events_line on hook_events (webhook_id, object_id, entity, sequence) where not delivered;
