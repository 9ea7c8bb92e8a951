//! Findings as a file: streamed a batch at a time, so that neither the file nor a
//! connection of the database is held while a slow reader takes it.

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_findings::filter::Expression;
use countersign_formats::Export;
use countersign_formats::csv::{Csv, Style};
use countersign_formats::ndjson::Ndjson;
use countersign_store::{Order, Query as Wanted, Seek, Store};
use futures::stream;

use super::filters::Asked;
use super::inner::Inner;
use super::query::Query;
use super::web::{Reader, Stop};
use countersign_connector::export::{Applications, CompleteExport, item};

/// Rows that are read at once.
const BATCH: u32 = 200;

#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    Ndjson,
}

pub(super) async fn csv(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    export(&inner, &reader, &query, Format::Csv).await
}

pub(super) async fn ndjson(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    export(&inner, &reader, &query, Format::Ndjson).await
}

async fn export(
    inner: &Inner,
    reader: &Reader,
    query: &Query,
    format: Format,
) -> Result<Response, Stop> {
    let asked = Asked::read(query, reader.visitor.now_ms).known(&inner.store).await?;
    if let Some(complaint) = asked.complaint {
        return Err(Stop::Input(complaint));
    }
    let filter = asked.text.as_str();
    inner.people.note(&reader.person, "findings.export", filter, &reader.visitor.visit).await?;
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"findings.csv\""),
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"findings.ndjson\""),
    };
    let rows = inner.store.applications().await?;
    let mut whole = CompleteExport::new(&inner.store, asked.expression, &rows).await?;
    let under_way = UnderWay {
        store: inner.store.clone(),
        asked: whole.ask(&inner.store, Expression::default()).await?,
        whole,
        after: None,
        sink: Sink::new(format).map_err(|error| Stop::Failed(error.to_string()))?,
        applications: Applications::new(rows),
    };
    let body = stream::try_unfold(Some(under_way), |under_way| async move {
        match under_way {
            Some(under_way) => under_way.next().await,
            None => Ok(None),
        }
    });
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], Body::from_stream(body))
        .into_response())
}

struct UnderWay {
    store: Store,
    whole: CompleteExport,
    asked: Expression,
    after: Option<Seek>,
    sink: Sink,
    applications: Applications,
}

impl UnderWay {
    /// The next piece, and what comes after it. A file that ends in the middle is seen as a
    /// transfer that broke.
    async fn next(mut self) -> io::Result<Option<(Bytes, Option<Self>)>> {
        loop {
            let is_last = self.batch().await.map_err(|error| {
                tracing::error!(%error, "an export failed");
                io::Error::other("the store failed")
            })?;
            if is_last {
                self.sink.export.end()?;
                return Ok(Some((self.sink.buffer.take(), None)));
            }
            let piece = self.sink.buffer.take();
            if !piece.is_empty() {
                return Ok(Some((piece, Some(self))));
            }
        }
    }

    /// Renders what comes next; whether it was the last.
    async fn batch(&mut self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let wanted = Wanted {
            filter: self.asked.clone(),
            limit: BATCH,
            after: self.after,
            order: Order::Arrival,
        };
        let rows = self.store.findings(wanted).await?;
        for row in rows.iter().filter(|row| self.whole.keeps(row)) {
            let application = self.applications.of(row)?;
            self.sink.export.finding(&item(row, &application))?;
        }
        self.after = rows.last().map(|row| row.seek);
        let is_last = rows.len() < BATCH as usize;
        if is_last && let Some(missing) = self.whole.missing(&self.store).await? {
            return Err(format!("the store is damaged: {missing:?}").into());
        }
        Ok(is_last)
    }
}

struct Sink {
    export: Box<dyn Export + Send>,
    buffer: Buffer,
}

impl Sink {
    fn new(format: Format) -> io::Result<Self> {
        let buffer = Buffer::default();
        let export: Box<dyn Export + Send> = match format {
            Format::Csv => {
                // What a person downloads is opened in a spreadsheet.
                let style = Style { has_mark: true, ..Style::default() };
                Box::new(Csv::new(buffer.clone(), style)?)
            }
            Format::Ndjson => Box::new(Ndjson::new(buffer.clone())),
        };
        Ok(Self { export, buffer })
    }
}

/// What was rendered and not yet sent.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
