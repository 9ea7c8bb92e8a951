-- The id that a rotation replaced and that is to be revoked once nobody runs it.
alter table rotations add column to_revoke text;
