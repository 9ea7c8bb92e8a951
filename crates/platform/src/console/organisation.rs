//! Admin → Settings: what holds for the whole organisation.

use std::ops::RangeInclusive;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::web::{self, Admin, Form, Frame, Stop, Tab, go};
use countersign_tenant::settings::{self, Mfa, Settings};
use countersign_tenant::{Change, Error};

struct Number {
    name: &'static str,
    label: &'static str,
    value: String,
    least: i64,
    most: i64,
}

struct Choice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    complaints: Vec<String>,
    numbers: Vec<Number>,
    mfa: Vec<Choice>,
    mail_from: String,
}

fn page(frame: Frame, settings: &Settings, complaints: Vec<String>) -> Page {
    let number = |(which, label, range): (settings::Number, _, RangeInclusive<i64>)| Number {
        name: which.word(),
        label,
        value: settings.number(which).map(|value| value.to_string()).unwrap_or_default(),
        least: *range.start(),
        most: *range.end(),
    };
    let choice = |(mfa, value, label)| Choice { value, label, is_chosen: mfa == settings.mfa };
    Page {
        frame,
        complaints,
        numbers: Settings::NUMBERS.into_iter().map(number).collect(),
        mfa: Mfa::ALL.into_iter().map(choice).collect(),
        mail_from: settings.mail_from.clone(),
    }
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
) -> Result<Response, Stop> {
    let settings = console.app.look::<_, Error>(Settings::of).await?;
    person.visitor.page(
        200,
        &page(
            person.visitor.frame("Organisation settings").within(Tab::Organisation),
            &settings,
            Vec::new(),
        ),
    )
}

pub(super) async fn save(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (person, fields) = form.admin("/admin/settings")?;
    let text = |name: &str| fields.get(name).unwrap_or_default().trim();
    let mut settings = Settings::default();
    let mut complaints = Vec::new();
    for (which, label, range) in Settings::NUMBERS {
        let given = text(which.word());
        // Left empty is what the platform was started with.
        if which == settings::Number::OverlapHours && given.is_empty() {
            continue;
        }
        match given.parse() {
            Ok(value) => settings.set_number(which, value),
            Err(_) => complaints.push(format!("{label}: {} to {}.", range.start(), range.end())),
        }
    }
    match Mfa::ALL.into_iter().find(|(_, value, _)| *value == text("mfa")) {
        Some((mfa, ..)) => settings.mfa = mfa,
        None => complaints.push("Second factor: choose one of three.".into()),
    }
    settings.mail_from = text("mail_from").to_owned();
    let sender = &settings.mail_from;
    if !sender.is_empty() && sender.parse::<lettre::message::Mailbox>().is_err() {
        complaints.push("Sender of mails: that is no e-mail address.".into());
    }
    if !complaints.is_empty() {
        let frame = person.visitor.frame("Organisation settings").within(Tab::Organisation);
        return person.visitor.page(422, &page(frame, &settings, complaints));
    }
    let kept = settings.clone();
    let make = move |change: &Change<'_>| kept.save(change);
    match web::complaints(console.app.change(person.act(), make).await)? {
        Ok(()) => Ok(go("/admin/settings")),
        Err(complaints) => {
            let frame = person.visitor.frame("Organisation settings").within(Tab::Organisation);
            person.visitor.page(422, &page(frame, &settings, complaints))
        }
    }
}
