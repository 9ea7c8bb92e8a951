//! `how_to_fix`: the advice that the records hold, word for word, and where the weakness is
//! described. Nothing is made up: without a record there is no advice.

use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_findings::{Finding, cwe_url, remediation};
use countersign_store::{FindingRow, Query};

use super::answer::{Item, Known, Refused, Room};
use super::findings::named_row;
use super::input::{Args, Input, Kind};
use super::tools::Tools;

const CWE: Input = Input {
    name: "cwe",
    about: "Number of a weakness, such as 89. Either this or `finding`.",
    kind: Kind::Number { least: 1, most: 100_000, usual: None },
    is_needed: false,
};
const FINDING: Input = Input {
    name: "finding",
    about: "Id of a finding, or the first of its digits (at least 4). Either this or `cwe`.",
    kind: Kind::Text { most: 64 },
    is_needed: false,
};

pub(super) const FIX: &[&Input] = &[&CWE, &FINDING];

/// Records that are looked through for a weakness, the most severe first.
const SEARCHED: u32 = 200;
/// Different pieces of advice of one weakness.
const MOST: usize = 5;
const MOST_REFERENCES: usize = 10;

pub(super) async fn fix(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    match (args.number(&CWE), args.text(&FINDING)) {
        (Some(number), None) => of_weakness(tools, number).await,
        (None, Some(id)) => {
            let (row, _) = named_row(tools, id.trim(), None).await?;
            Ok(weakness(&row.finding).list("advice", Room::new().fill([advice(&row)], 1)))
        }
        _ => Err(Refused::new(
            "exactly one of `cwe` and `finding` is needed".to_owned(),
            "give the number of a CWE, or the id of a finding",
        )),
    }
}

async fn of_weakness(tools: &Tools, number: u64) -> Result<Item, Refused> {
    let value = Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let filter = tools.reach.within(Expression::of(Field::Cwe, Operator::Eq, value));
    let query = Query { filter: filter.clone(), limit: SEARCHED, ..Query::default() };
    let rows = tools.store().findings(query).await?;
    let Some(first) = rows.first() else {
        return Err(Refused::new(
            format!("no stored finding has CWE-{number}, so no record has advice on it"),
            "`count_findings` with `by` cwe and `everything` lists the weaknesses that are stored",
        ));
    };
    let total = tools.store().count_findings(filter).await?;
    let mut different: Vec<&FindingRow> = Vec::new();
    for row in &rows {
        let is_new = |known: &&FindingRow| text(known) != text(row);
        if different.len() < MOST && different.iter().all(is_new) {
            different.push(row);
        }
    }
    Ok(weakness(&first.finding)
        .fact("findings", total)
        .fact("records_read", rows.len() as u64)
        .list("advice", Room::new().fill(different.into_iter().map(advice), MOST)))
}

/// What of a record is advice.
fn text(row: &FindingRow) -> (Option<String>, &str) {
    (remediation(&row.raw), &row.finding.description)
}

fn weakness(finding: &Finding) -> Item {
    let cwe = finding.cwe.as_ref();
    Item::default()
        .fact("cwe", cwe.map(|cwe| cwe.id))
        .fact("cwe_url", cwe.map(|cwe| Known::own(&cwe_url(cwe.id))))
        .line("cwe_name", cwe.and_then(|cwe| cwe.name.as_deref()))
        .line("vulnerability", finding.vulnerability.as_ref().map(|known| known.name.as_str()))
}

fn advice(row: &FindingRow) -> Item {
    let (remediation, description) = text(row);
    let references = row.finding.references.iter().map(String::as_str);
    Item::default()
        .fact("finding", &row.finding.id)
        .prose("remediation", remediation.as_deref())
        .prose("description", description)
        .lines("references", references, MOST_REFERENCES)
}
