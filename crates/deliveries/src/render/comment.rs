//! What is said beside a ticket, once.

use countersign_findings::{Annotation, State};
use countersign_store::FindingRow;

use crate::doc::{Block, Doc, Span};
use crate::render::{short, title_of};
use crate::ticket::Why;

/// Findings or sentences that a list shows.
const ITEMS: usize = 20;
/// Characters of a sentence, which may hold foreign words.
const SENTENCE_CHARS: usize = 300;
/// Steps of the history of a mitigation, for each finding.
const STEPS: usize = 5;
/// Characters of what somebody wrote there.
const WORDS_CHARS: usize = 1_000;
/// Characters of all that is told of the histories of mitigations.
const HISTORY_CHARS: usize = 12_000;

/// What became of a finding of a ticket.
#[derive(Debug, Clone)]
pub struct Changed<'a> {
    /// The finding; none where the ticket is about this one alone.
    pub finding: Option<&'a FindingRow>,
    /// As `ChangeRow::sentences` has them.
    pub sentences: Vec<String>,
}

/// Something is different.
pub fn changed(changes: &[Changed<'_>]) -> Doc {
    let each = changes.iter().flat_map(|one| {
        let name = one.finding.map(|row| format!("{}: ", named(row))).unwrap_or_default();
        let sentences = one.sentences.iter();
        sentences.map(move |sentence| format!("{name}{}", short(sentence, SENTENCE_CHARS)))
    });
    let sentence = match changes {
        [_] => "This finding changed:",
        _ => "Findings of this ticket changed:",
    };
    said(sentence, each.collect())
}

/// A scan shows it again.
pub fn reopened(members: &[&FindingRow]) -> Doc {
    about(members, |what, is| format!("Scans show {what} again, which {is} open."))
}

/// The ticket is closed.
pub fn closed(why: Why, members: &[&FindingRow]) -> Doc {
    let doc = about(members, |what, _| {
        let reason = match why {
            Why::Fixed => format!("Scans no longer show {what}."),
            Why::Mitigated => format!("A mitigation of {what} was approved."),
            Why::FalsePositive => format!("A false positive was approved for {what}."),
            Why::Vanished => {
                format!("A complete sync no longer had {what}. Nobody said that it was fixed.")
            }
            Why::LeftOut => format!("The filter of this destination leaves {what} out now."),
        };
        format!("{reason} This ticket is closed.")
    });
    match why {
        Why::Mitigated | Why::FalsePositive => justified(doc, members),
        Why::Fixed | Why::Vanished | Why::LeftOut => doc,
    }
}

/// A complete reading no longer had it, and the ticket stays open.
pub fn vanished(members: &[&FindingRow]) -> Doc {
    about(members, |what, _| {
        format!("A complete sync no longer had {what}. ")
            + "Nobody said that it was fixed, so this ticket stays open."
    })
}

/// Somebody closed the ticket, and scans still show the findings.
pub fn still_shown(members: &[&FindingRow]) -> Doc {
    about(members, |what, is| {
        format!("This ticket was closed, but scans still show {what}, which {is} open. ")
            + "The ticket stays closed, and this is not said again."
    })
}

/// It was fixed and is back, on a ticket that somebody closed as not to be done.
pub fn found_again(members: &[&FindingRow]) -> Doc {
    about(members, |what, is| {
        format!("Scans show {what} again, which {is} open. This ticket was closed as not to be ")
            + "done, so it stays closed, and this is not said again."
    })
}

/// A sentence about one finding, or about several with a list of them.
fn about(members: &[&FindingRow], sentence: impl Fn(&str, &str) -> String) -> Doc {
    match members {
        [_] | [] => said(&sentence("this finding", "is"), Vec::new()),
        several => {
            let what = format!("these {} findings", several.len());
            let items = several.iter().map(|row| named(row)).collect();
            said(&sentence(&what, "are"), items)
        }
    }
}

fn said(sentence: &str, items: Vec<String>) -> Doc {
    let paragraph = |text: String| Block::Paragraph { spans: vec![Span::text(text)] };
    let rest = items.len().saturating_sub(ITEMS);
    let items: Vec<_> = items.into_iter().take(ITEMS).map(|item| vec![Span::text(item)]).collect();
    let mut blocks = vec![paragraph(sentence.to_owned())];
    if !items.is_empty() {
        blocks.push(Block::List { items });
    }
    if rest > 0 {
        blocks.push(paragraph(format!("And {rest} more.")));
    }
    Doc { blocks }
}

/// `High: SQL Injection at src/Login.java:42 (3f…)`.
fn named(row: &FindingRow) -> String {
    let finding = &row.finding;
    let place = match short(&finding.place(), 100) {
        place if place.is_empty() => place,
        place => format!(" at {place}"),
    };
    let title = title_of(finding, 100);
    format!("{}: {title}{place} ({})", finding.severity.name(), finding.id)
}

/// With what people wrote on the mitigation, as far as a comment has room for it. All of it
/// is foreign.
fn justified(mut doc: Doc, members: &[&FindingRow]) -> Doc {
    let mut room = HISTORY_CHARS;
    for row in members.iter().filter(|row| is_mitigated(row)).take(ITEMS) {
        let head = match members {
            [_] => "The history of the mitigation, the newest first:".to_owned(),
            _ => format!("The history of the mitigation of {}, the newest first:", named(row)),
        };
        let all: Vec<_> = row.finding.annotations.iter().filter_map(step).take(STEPS).collect();
        let fits = |text: &String| {
            let rest = room.checked_sub(text.chars().count());
            room = rest.unwrap_or_default();
            rest.is_some()
        };
        let shown: Vec<_> = all.iter().cloned().take_while(fits).collect();
        let is_whole = shown.len() == all.len();
        if !shown.is_empty() {
            doc = doc.paragraph(vec![Span::text(head)]);
            let items = shown.into_iter().map(|text| vec![Span::text(text)]).collect();
            doc.blocks.push(Block::List { items });
        }
        if !is_whole {
            let more = "There is more than a comment has room for: see the findings.";
            return doc.paragraph(vec![Span::text(more)]);
        }
    }
    doc
}

fn is_mitigated(row: &FindingRow) -> bool {
    matches!(row.finding.state, State::Mitigated | State::FalsePositive)
}

/// A step of it in words; none where nobody wrote a word.
fn step(annotation: &Annotation) -> Option<String> {
    let words: Vec<_> = annotation.comment.iter().chain(&annotation.mitigation).collect();
    let words: Vec<_> = words.into_iter().map(|words| short(words, WORDS_CHARS)).collect();
    let words = short(&words.join(" "), WORDS_CHARS);
    let who = short(annotation.user.as_deref().unwrap_or("somebody"), 80);
    let did = short(annotation.action.as_deref().unwrap_or("COMMENT"), 40);
    let day = annotation.created.as_deref().map(|at| format!(", {}", short(at, 40)));
    let day = day.unwrap_or_default();
    (!words.is_empty()).then(|| format!("{who} ({did}{day}): {words}"))
}
