alter table outbox add column html text not null default '';

-- Numbers of deleted users are given again: nothing of theirs may be left.
create trigger users_leave_nothing after delete on users begin
    delete from signin_people where person = old.id;
    delete from signin_tickets where person = old.id;
    delete from signin_sessions where person = old.id;
    delete from signin_failures where person = old.id;
end;
