//! The ways out of the watch: the terminal, webhooks, mail.

mod mail;
mod terminal;
mod webhook;

use countersign_connector::watch::{Channels, Message, Sending};
use countersign_findings::rfc3339;
use serde_json::{Value, json};

use crate::config::watch::WatchConfig;
use crate::failure::Failure;
use crate::signed::Hook;

/// What the configuration names, and the terminal. Refuses what cannot work before
/// anything is sent.
pub(crate) fn channels(config: &WatchConfig, json: bool) -> Result<Channels, Failure> {
    let mut channels = Channels::default();
    channels.add(Sending::Notice, Box::new(terminal::Terminal { json }));
    let sending = |escalation| if escalation { Sending::Escalation } else { Sending::Notice };
    for one in &config.webhooks {
        let hook = Hook::new(&one.name, &one.hook())?;
        channels.add(sending(one.escalation), Box::new(webhook::Webhook(hook)));
    }
    for one in &config.mails {
        channels.add(sending(one.escalation), Box::new(mail::Mail::new(one)?));
    }
    Ok(channels)
}

fn as_json(message: &Message) -> Value {
    json!({
        "schema": 1,
        "event": "credential.notice",
        "id": message.id,
        "kind": message.kind,
        "threshold_days": message.threshold_days,
        "urgent": message.is_urgent,
        "escalation": message.is_escalation,
        "credential": message.credential,
        "account": message.account,
        "host": message.host,
        "api_id": message.api_id,
        "expires_at": message.expires_ms.map(rfc3339),
        "at": rfc3339(message.at_ms),
        "subject": message.subject,
        "actions": message.actions,
    })
}
