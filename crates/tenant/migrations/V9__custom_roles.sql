create table custom_roles (
    id integer primary key,
    guid text not null unique,
    name text not null unique collate nocase,
    description text not null,
    is_api integer not null,
    jit_assignable integer not null,
    jit_assignable_default integer not null,
    -- Names, as JSON.
    permissions text not null,
    child_roles text not null
) strict;

create trigger custom_roles_leave_nobody after delete on custom_roles begin
    delete from user_roles where role = old.name;
end;
