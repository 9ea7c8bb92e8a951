//! Orders and texts that the tests of ticket systems share.

use countersign_deliveries::doc::{Block, Doc, Span};
use countersign_deliveries::receiver::{Order, Tickets, Verdict};
use countersign_deliveries::ticket::{Ticket, Why};
use countersign_store::{Action, LinkRow, LinkStanding};
use proptest::prelude::*;

pub(crate) const GROUP: &str = "0123456789abcdef0123";
pub(crate) const OTHER: &str = "ffffffffffffffff0123";
pub(crate) const UID: &str = "5f0c7a7e9b1d4d0a";

pub(crate) fn said(text: &str) -> Doc {
    Doc::default().paragraph(vec![Span::text(text)])
}

pub(crate) fn order(action: Action) -> Order {
    let ticket = Ticket {
        title: "SQL injection in login.java".to_owned(),
        body: said("An attacker may read the database."),
        severity: 5,
        labels: vec!["very high".to_owned()],
        due: None,
        assignee: None,
        digest: "d1".to_owned(),
        comment: None,
        why: None,
    };
    Order {
        uid: UID.to_owned(),
        group: GROUP.to_owned(),
        action,
        ticket,
        attempts: 0,
        started_ms: None,
        now_ms: 1_796_000_000_000,
    }
}

pub(crate) fn saying(action: Action, uid: &str, text: &str, why: Option<Why>) -> Order {
    let mut order = order(action);
    order.uid = uid.to_owned();
    order.ticket.comment = Some(said(text));
    order.ticket.why = why;
    order
}

pub(crate) fn link(group: &str, reference: &str, standing: LinkStanding) -> LinkRow {
    LinkRow {
        group: group.to_owned(),
        subject: "{}".to_owned(),
        reference: reference.to_owned(),
        url: None,
        digest: "d1".to_owned(),
        standing,
        is_remarked: false,
        created_ms: 0,
        changed_ms: 0,
    }
}

/// Brings a ticket to where it should be.
pub(crate) async fn done(tickets: &impl Tickets, order: &Order, link: &LinkRow) {
    let verdict = tickets.change(order, link).await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{:?}: {verdict:?}", order.action);
}

/// What looks like markup somewhere.
pub(crate) const HOSTILE: [&str; 40] = [
    "{code}",
    "{noformat}",
    "</pre><script>alert(1)</script>",
    "{{toc}}",
    "{{macro_list}}",
    "[~admin]",
    "@robot",
    "user:robot",
    "#1",
    "##1",
    "r1",
    "commit:abc",
    "version:1.0",
    "source:x",
    "document#1",
    "note-1",
    "!x.png!",
    "!https://example.com/x.png!",
    "\"a\":https://example.com",
    "[a|https://example.com]",
    "[[Start]]",
    "https://example.com/x",
    "www.example.com",
    "a@example.com",
    "*bold*",
    "_em_",
    "-del-",
    "+ins+",
    "^sup^",
    "~sub~",
    "??cite??",
    "@code@",
    "h1. big",
    "bq. quote",
    "p(x). para",
    "* item",
    "# item",
    "|a|b|",
    "---",
    "&#64;robot &lt;b&gt; \\{code\\} \\\\ :) (!) x%x% :redsh#1: ABC(def) ==x== fn1. a",
];

/// Texts of pieces of markup, words and whatever else.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => proptest::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "[a-zé日 .,\n]{0,12}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn span() -> impl Strategy<Value = Span> {
    (hostile(), hostile(), 0..4u8).prop_map(|(text, url, kind)| match kind {
        0 => Span::Text { text },
        1 => Span::Strong { text },
        2 => Span::Code { text },
        _ => Span::Link { text, url: format!("https://example.com/{url}") },
    })
}

/// Documents of all blocks.
pub(crate) fn doc() -> impl Strategy<Value = Doc> {
    let spans = || proptest::collection::vec(span(), 0..4);
    let cells = || proptest::collection::vec(spans(), 0..3);
    let block = prop_oneof![
        hostile().prop_map(|text| Block::Heading { text }),
        spans().prop_map(|spans| Block::Paragraph { spans }),
        cells().prop_map(|items| Block::List { items }),
        hostile().prop_map(|text| Block::Code { text }),
        (proptest::collection::vec(hostile(), 0..3), proptest::collection::vec(cells(), 0..4))
            .prop_map(|(head, rows)| Block::Table { head, rows }),
    ];
    proptest::collection::vec(block, 0..6).prop_map(|blocks| Doc { blocks })
}
