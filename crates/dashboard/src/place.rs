//! Where one is in a list: which rows a page shows, of how many, and the pages around it;
//! and the same for one finding of a list.

use countersign_findings::Population;
use countersign_findings::filter::Expression;
use countersign_store::{FindingRow, Query as Wanted, Store};

use super::filters::{Asked, findings_page, written};
use super::look::grouped;
use super::query::{Query, link};
use super::text::Shown;
use super::web::Stop;

/// Of a condition in a title or a breadcrumb.
const MAX_FILTER_CHARS: usize = 80;

/// One page of a list.
pub(super) struct Pages {
    /// From 1.
    number: u64,
    size: u64,
    total: u64,
}

impl Pages {
    /// The page that is asked for; the last one, where there are not so many.
    pub(super) fn read(query: &Query, size: u32, total: u64) -> Self {
        let size = u64::from(size.max(1));
        let asked = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let number = asked.clamp(1, total.div_ceil(size).max(1));
        Self { number, size, total }
    }

    /// Rows before it.
    pub(super) fn skipped(&self) -> u64 {
        (self.number - 1).saturating_mul(self.size)
    }

    /// `51–100 of 4,240`.
    pub(super) fn words(&self) -> String {
        let total = grouped(self.total);
        match self.total {
            0 => total,
            _ => {
                let last = self.skipped().saturating_add(self.size).min(self.total);
                format!("{}–{} of {total}", grouped(self.skipped() + 1), grouped(last))
            }
        }
    }

    /// The pages before and after, and the first one, where they are others.
    pub(super) fn around(&self, at: impl Fn(&str) -> String) -> Around {
        let numbered = |number: u64| match number {
            1 => at(""),
            number => at(&number.to_string()),
        };
        Around {
            first: (self.number > 2).then(|| numbered(1)),
            before: (self.number > 1).then(|| numbered(self.number - 1)),
            after: (self.skipped() + self.size < self.total).then(|| numbered(self.number + 1)),
        }
    }
}

/// Addresses of other pages of a list.
pub(super) struct Around {
    pub(super) first: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A filter in a few words.
pub(super) fn in_short(filter: &str) -> Shown {
    Shown::cut(filter, MAX_FILTER_CHARS)
}

/// The findings with a filter, as a breadcrumb.
pub(super) fn crumb(expression: &Expression, page: u64) -> (Shown, String) {
    let page = if page > 1 { page.to_string() } else { String::new() };
    let name = match *expression == Population::OPEN.filter() {
        true => Shown::new("Findings"),
        false if expression.is_everything() => Shown::new("All findings"),
        false => in_short(&format!("Findings: {expression}")),
    };
    (name, findings_page(expression, &page))
}

/// One finding of a list.
pub(super) fn in_list(row: &FindingRow, filter: &str, at: u64) -> String {
    let at = at.to_string();
    let list = [("integration", row.integration.as_str()), ("filter", filter), ("at", &at)];
    link(&format!("/findings/{}", row.finding.id), &list)
}

/// A finding among those of the list that its address names.
pub(super) struct Among {
    pub(super) list: Expression,
    pub(super) words: String,
    pub(super) page: u64,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Among {
    /// None where the address names no list, or the list has moved on since.
    pub(super) async fn read(
        store: &Store,
        query: &Query,
        row: &FindingRow,
        page: u32,
        now_ms: i64,
    ) -> Result<Option<Self>, Stop> {
        let Some(at) = query.get("at").and_then(|at| at.parse::<u32>().ok()) else {
            return Ok(None);
        };
        let asked = Asked::read(query, now_ms);
        if at == 0 || asked.complaint.is_some() {
            return Ok(None);
        }
        let (expression, first) = (asked.expression, at.saturating_sub(1).max(1));
        let rows = around(store, expression.clone(), first).await?;
        let own = usize::from(at > 1);
        let is_it = |one: &FindingRow| {
            one.finding.id == row.finding.id && one.integration == row.integration
        };
        if !rows.get(own).is_some_and(is_it) {
            return Ok(None);
        }
        let total = store.count_findings(expression.clone()).await?;
        let (filter, at) = (written(&expression), u64::from(at));
        let before = (own > 0).then(|| in_list(&rows[0], &filter, at - 1));
        let after = rows.get(own + 1).map(|row| in_list(row, &filter, at + 1));
        let words = format!("{} of {}", grouped(at), grouped(total));
        let page = (at - 1) / u64::from(page.max(1)) + 1;
        Ok(Some(Self { list: expression, words, page, before, after }))
    }
}

/// Three findings at most, from this place on.
async fn around(
    store: &Store,
    filter: Expression,
    first: u32,
) -> Result<Vec<FindingRow>, countersign_store::Error> {
    let after = store.seek_past(filter.clone(), first - 1).await?;
    store.findings(Wanted { filter, limit: 3, after, ..Wanted::default() }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(number: &str, total: u64) -> Pages {
        Pages::read(&Query::parse(format!("page={number}"), 8), 50, total)
    }

    #[test]
    fn a_page_says_where_it_is() {
        for (number, total, words) in [
            ("", 0, "0"),
            ("1", 7, "1–7 of 7"),
            ("2", 4_240, "51–100 of 4,240"),
            ("85", 4_240, "4,201–4,240 of 4,240"),
            ("86", 4_240, "4,201–4,240 of 4,240"),
            ("0", 4_240, "1–50 of 4,240"),
            ("-1", 4_240, "1–50 of 4,240"),
            ("99999999999999999999999", 4_240, "1–50 of 4,240"),
            ("18446744073709551615", 50, "1–50 of 50"),
        ] {
            assert_eq!(pages(number, total).words(), words, "{number} of {total}");
        }
    }

    #[test]
    fn the_pages_around_are_others() {
        let around = |number: &str, total| {
            let around = pages(number, total).around(|page| format!("p{page}"));
            [around.first, around.before, around.after].map(Option::unwrap_or_default)
        };
        assert_eq!(around("1", 50), ["", "", ""]);
        assert_eq!(around("1", 51), ["", "", "p2"]);
        assert_eq!(around("2", 51), ["", "p", ""]);
        assert_eq!(around("3", 4_240), ["p", "p2", "p4"]);
    }
}
