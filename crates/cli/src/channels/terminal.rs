use std::fmt::Write;

use countersign_connector::watch::{Channel, Delivering, Message};

use crate::config::watch::TERMINAL;
use crate::output::{print, print_json, printable, when};

/// Standard output: lines for people, or one JSON object a line.
pub(super) struct Terminal {
    pub(super) json: bool,
}

impl Channel for Terminal {
    fn name(&self) -> &str {
        TERMINAL
    }

    fn send<'s>(&'s self, message: &'s Message) -> Delivering<'s> {
        let printed =
            if self.json { print_json(&super::as_json(message)) } else { print(&text(message)) };
        Box::pin(std::future::ready(printed.map_err(|failure| failure.to_string())))
    }
}

fn text(message: &Message) -> String {
    let mark = if message.is_urgent { "URGENT" } else { "notice" };
    let mut text = format!("{}  {mark}  {}\n", when(message.at_ms), printable(&message.subject));
    for action in &message.actions {
        let _ = writeln!(text, "    {}", printable(action));
    }
    text
}
