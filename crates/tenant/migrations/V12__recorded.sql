-- What was imported, scrubbed, as it was recorded, and as this program would have written
-- it then: what differs from the latter has changed since. Null where the two are the same.
alter table applications add column recorded text;
alter table applications add column recorded_then text;
alter table findings add column recorded text;
alter table findings add column recorded_then text;

-- Policies of before are the organisation's own: the vendor's are beside them.
update policies set is_default = 0,
    definition = json_set(definition, '$.type', 'CUSTOMER') where json_valid(definition);
