//! A list as a stream of pages that has to add up.

use std::collections::VecDeque;
use std::ops::Range;

use countersign_text::line;
use countersign_wire::hal::Page;
use countersign_wire::raw::RawPage;
use tokio::task::JoinHandle;

use crate::client::{Client, Response};
use crate::error::{Error, Kind};

/// One page, cut into its elements.
#[derive(Debug)]
pub struct PageBody {
    text: String,
    asked: String,
    page: Page,
    /// Where each element is in the text.
    elements: Vec<Range<usize>>,
}

impl PageBody {
    /// The elements, each exactly as sent.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = &str> {
        self.elements.iter().map(|range| &self.text[range.clone()])
    }

    /// Where it stands in the list.
    pub fn page(&self) -> Page {
        self.page
    }
}

/// Elements that a list may have: what claims more is not read.
const MAX_ELEMENTS: u64 = 10_000_000;

/// Yields pages in order, fetching some ahead. When they do not add up, or claim more than
/// ten million elements, what came is yielded all the same, and then it ends with an error
/// that [`Error::is_incomplete`].
pub struct Pages {
    client: Client,
    target: String,
    list: &'static str,
    size: u32,
    ahead: usize,
    fetching: VecDeque<Fetch>,
    next: u64,
    first: Option<Page>,
    yielded: u64,
    elements: u64,
    /// The first thing that did not add up.
    complaint: Option<Error>,
    has_ended: bool,
}

/// Aborted on drop: a reader that stops early stops the fetching too.
struct Fetch(JoinHandle<Result<PageBody, Error>>);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pages {
    pub(crate) fn new(client: Client, target: String, list: &'static str, size: u32) -> Self {
        Self {
            client,
            target,
            list,
            size: size.clamp(1, 500),
            ahead: 2,
            fetching: VecDeque::new(),
            next: 0,
            first: None,
            yielded: 0,
            elements: 0,
            complaint: None,
            has_ended: false,
        }
    }

    /// Begins to fetch, for a list that is going to be read soon.
    pub fn start(&mut self) {
        self.fetch_ahead();
    }

    /// The next page; none after the last, once everything adds up.
    pub async fn next(&mut self) -> Result<Option<PageBody>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        self.fetch_ahead();
        let Some(mut fetch) = self.fetching.pop_front() else {
            self.has_ended = true;
            return self.reconcile().map(|()| None);
        };
        let outcome = (&mut fetch.0).await;
        let body = match outcome {
            Ok(body) => body,
            Err(_) => Err(Error::new(Kind::Broken("the fetch was stopped".into()), &*self.target)),
        };
        match body {
            Ok(body) => {
                if let Err(what) = self.check(&body) {
                    let error = Error::new(Kind::Incomplete(what), &*body.asked);
                    self.complaint.get_or_insert(error);
                    // What claims pages and has nothing on them may do so for ever.
                    if body.elements.is_empty() {
                        self.fetching.clear();
                        self.next = u64::MAX;
                    }
                }
                self.yielded += 1;
                self.elements += body.elements.len() as u64;
                Ok(Some(body))
            }
            Err(error) => {
                self.has_ended = true;
                self.fetching.clear();
                Err(error)
            }
        }
    }

    fn fetch_ahead(&mut self) {
        if self.has_ended {
            return;
        }
        let total = self.first.map_or(1, |first| self.believed(first));
        let ahead = if self.first.is_some() { self.ahead } else { 1 };
        while self.next < total && self.fetching.len() < ahead {
            let joint = if self.target.contains('?') { '&' } else { '?' };
            let target = format!("{}{joint}page={}&size={}", self.target, self.next, self.size);
            let (client, list) = (self.client.clone(), self.list);
            self.fetching.push_back(Fetch(tokio::spawn(fetch(client, target, list))));
            self.next += 1;
        }
    }

    /// How many pages there are, by what the first one claimed.
    fn believed(&self, first: Page) -> u64 {
        if first.size == 0 || first.total_elements > MAX_ELEMENTS {
            return 1;
        }
        first.total_pages.min(first.total_elements.div_ceil(first.size))
    }

    fn check(&mut self, body: &PageBody) -> Result<(), String> {
        let page = body.page;
        let number = self.yielded;
        let first = *self.first.get_or_insert(page);
        if page.number != number {
            return Err(format!("asked for page {number}, got page {}", page.number));
        }
        if page.size == 0 || page.size > u64::from(self.size) || page.size != first.size {
            return Err(format!(
                "asked for {} elements a page, got pages of {} and of {}",
                self.size, first.size, page.size
            ));
        }
        if page.total_elements > MAX_ELEMENTS {
            return Err(format!(
                "the list claims {} elements; more than {MAX_ELEMENTS} are not believed",
                page.total_elements
            ));
        }
        if page.total_elements != first.total_elements {
            return Err(format!(
                "the total moved from {} to {} while paging",
                first.total_elements, page.total_elements
            ));
        }
        if page.total_pages != page.total_elements.div_ceil(page.size) {
            return Err(format!(
                "{} elements cannot fill {} pages of {}",
                page.total_elements, page.total_pages, page.size
            ));
        }
        let expected = page.total_elements.saturating_sub(number * page.size).min(page.size);
        let elements = body.elements.len() as u64;
        if elements != expected {
            return Err(format!(
                "page {number} of {} holds {elements} elements instead of {expected}",
                page.total_pages
            ));
        }
        Ok(())
    }

    fn reconcile(&mut self) -> Result<(), Error> {
        if let Some(complaint) = self.complaint.take() {
            return Err(complaint);
        }
        let total = self.first.map_or(0, |first| first.total_elements);
        if self.elements == total {
            return Ok(());
        }
        let what = format!("{} elements came of {total}", self.elements);
        Err(Error::new(Kind::Incomplete(what), &*self.target))
    }
}

async fn fetch(client: Client, target: String, list: &'static str) -> Result<PageBody, Error> {
    let Response { body, asked, .. } = client.get(&target).await?;
    let text = String::from_utf8(body.into()).map_err(|error| Error::not_json(&error, &*asked))?;
    let raw = RawPage::parse(&text, list).map_err(|error| Error::not_json(&error, &*asked))?;
    let missing = || Error::not_json(&"it has no `page` member", &*asked);
    let page = raw.page.ok_or_else(missing)?;
    if let Some(next) = raw.links.next.as_ref().filter(|next| !client.is_own(&next.href)) {
        let to = line(&next.href).at_most(200).to_string();
        return Err(Error::new(Kind::Redirect(to), &*asked));
    }
    let elements = raw.elements.iter().map(|element| range(&text, element.get())).collect();
    Ok(PageBody { text, asked, page, elements })
}

/// Where a part of a text is in it.
fn range(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}
