//! The requests of the last minute, counted for all machines that share a database.

use crate::error::Error;
use crate::sql::{Connection, Optional, engine, params};
use crate::store::Store;

impl Store {
    /// Changes the minute of a host by what `act` makes of it: of what is stored, none at first,
    /// and the time of the database. Nobody else does meanwhile.
    pub async fn change_minute<T: Send + 'static>(
        &self,
        egress: &str,
        host: &str,
        act: impl FnOnce(Option<&str>, i64) -> (String, T) + Send + 'static,
    ) -> Result<T, Error> {
        let (egress, host) = (egress.to_owned(), host.to_owned());
        self.database
            .beside(move |connection| {
                let transaction = connection.brief()?;
                let mut minute = locked(&transaction, &egress, &host)?;
                if minute.is_none() {
                    let add = "insert into budgets (egress, host, minute) values (?, ?, '')
                        on conflict do nothing";
                    transaction.prepare(add)?.execute(params![egress, host])?;
                    minute = locked(&transaction, &egress, &host)?;
                }
                let before = minute.as_deref().filter(|minute| !minute.is_empty());
                let (after, answer) = act(before, engine::now_ms(&transaction)?);
                transaction
                    .prepare("update budgets set minute = ? where egress = ? and host = ?")?
                    .execute(params![after, egress, host])?;
                transaction.commit()?;
                Ok(answer)
            })
            .await
    }

    /// The minutes of all hosts that requests go to from there, and the time of the database.
    pub async fn minutes(&self, egress: &str) -> Result<(Vec<(String, String)>, i64), Error> {
        let egress = egress.to_owned();
        self.database
            .read(move |connection| {
                let mut statement = connection
                    .prepare("select host, minute from budgets where egress = ? order by host")?;
                let rows = statement.query_map([egress], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let minutes = rows.collect::<crate::sql::Result<_>>()?;
                Ok((minutes, engine::now_ms(connection)?))
            })
            .await
    }
}

fn locked(connection: &Connection, egress: &str, host: &str) -> crate::sql::Result<Option<String>> {
    let sql = format!(
        "select minute from budgets where egress = ? and host = ? {}",
        engine::for_update(connection)
    );
    connection.prepare(&sql)?.query_row(params![egress, host], |row| row.get(0)).optional()
}
