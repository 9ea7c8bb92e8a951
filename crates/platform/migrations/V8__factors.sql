drop trigger users_leave_nothing;

-- Numbers of deleted users are given again: nothing of theirs may be left.
create trigger users_leave_nothing after delete on users begin
    delete from signin_people where person = old.id;
    delete from signin_tickets where person = old.id;
    delete from signin_sessions where person = old.id;
    delete from signin_failures where person = old.id;
    delete from signin_passkeys where person = old.id;
    delete from signin_addresses where person = old.id;
end;

-- What users of an organisation make of the roles and permissions that there are.
create table custom_roles (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    description text not null,
    is_api integer not null,
    jit_assignable integer not null default 0,
    jit_assignable_default integer not null default 0,
    -- Names, as JSON.
    permissions text not null,
    child_roles text not null
) strict;
