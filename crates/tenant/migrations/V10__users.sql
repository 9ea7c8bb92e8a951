-- Deleting a user forgets how it signed in (`signin::forget`): one rule, in one place.
drop trigger users_leave_nothing;
