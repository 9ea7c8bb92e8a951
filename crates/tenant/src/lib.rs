//! The rules and the database of the platform: users, credentials, roles, teams,
//! units, applications, findings, policies, annotations, letters. Every change goes
//! through one act, which writes the audit entry in the same transaction. Nothing
//! here knows of HTTP.
