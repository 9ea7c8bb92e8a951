//! The consumers that the configuration names. A kind is an arm here and keys in
//! `config::watch`.

mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::consumers::{
    Command, Consumer, Consumers, File, Form, Kubernetes, Names, Variables,
};

use crate::config::watch::{ConsumerConfig, ConsumerKind, HookConfig, VariablesFormat};
use crate::failure::Failure;
use crate::signed::Hook;

/// How long a program may take when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a program inherits.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "KUBECONFIG"];

/// All of them. Refuses what cannot work before anything is given to anybody.
pub(crate) fn consumers(configs: &[ConsumerConfig]) -> Result<Consumers, Failure> {
    let mut consumers = Consumers::default();
    for config in configs {
        let made = make(config)
            .map_err(|what| Failure::usage(format!("consumer `{}`: {what}", config.name)))?;
        consumers.add(made);
    }
    Ok(consumers)
}

fn make(config: &ConsumerConfig) -> Result<Box<dyn Consumer>, String> {
    only_its_keys(config)?;
    let names = Names { id: config.id_name.clone(), secret: config.secret_name.clone() };
    let (name, credential) = (config.name.clone(), config.credential.clone());
    let file = |form: Arc<dyn Form>| -> Result<Box<dyn Consumer>, String> {
        Ok(Box::new(File::new(&name, &credential, path(config)?, form)))
    };
    let variables = |names: Names| {
        let are_names = names.are_variables();
        are_names.then_some(names).ok_or("its names are none of variables".to_owned())
    };
    match config.kind {
        ConsumerKind::Kubernetes => {
            let manifest = config.manifest_name.as_deref().ok_or("`manifest_name` is missing")?;
            let form = Kubernetes::new(manifest, config.namespace.as_deref(), names);
            file(Arc::new(form.ok_or("Kubernetes takes no such name, namespace or key")?))
        }
        ConsumerKind::Variables => {
            let names = variables(names)?;
            file(Arc::new(match config.format.unwrap_or_default() {
                VariablesFormat::Lines => Variables::Lines(names),
                VariablesFormat::Json => Variables::Json(names),
            }))
        }
        ConsumerKind::Webhook => {
            let hook = HookConfig {
                url: config.url.clone().ok_or("`url` is missing")?,
                secret_file: config.secret_file.clone().ok_or("`secret_file` is missing")?,
                ca_file: config.ca_file.clone(),
                allow_http_loopback: config.allow_http_loopback.unwrap_or_default(),
            };
            let hook = Hook::new(&name, &hook).map_err(|failure| failure.to_string())?;
            Ok(Box::new(webhook::Webhook { hook, credential }))
        }
        ConsumerKind::Command => {
            let line = config.command.clone().unwrap_or_default();
            if !line.first().is_some_and(|program| PathBuf::from(program).is_absolute()) {
                return Err("`command` must begin with the absolute path of a program".into());
            }
            let inherited =
                INHERITED.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)));
            Ok(Box::new(Command {
                name,
                credential,
                line: line.into_iter().map(Into::into).collect(),
                environment: inherited.collect(),
                names: variables(names)?,
                patience: config.timeout.map_or(PATIENCE, |span| span.0),
            }))
        }
    }
}

fn path(config: &ConsumerConfig) -> Result<PathBuf, String> {
    let path = config.path.clone().ok_or("`path` is missing")?;
    if path.is_absolute() { Ok(path) } else { Err("`path` must be absolute".into()) }
}

/// A key that means nothing to its kind was meant for something.
fn only_its_keys(config: &ConsumerConfig) -> Result<(), String> {
    use ConsumerKind::{Command, Kubernetes, Variables, Webhook};
    let keys: [(&str, bool, &[ConsumerKind]); 11] = [
        ("path", config.path.is_some(), &[Kubernetes, Variables]),
        ("format", config.format.is_some(), &[Variables]),
        ("id_name", config.id_name.is_some(), &[Kubernetes, Variables, Command]),
        ("secret_name", config.secret_name.is_some(), &[Kubernetes, Variables, Command]),
        ("manifest_name", config.manifest_name.is_some(), &[Kubernetes]),
        ("namespace", config.namespace.is_some(), &[Kubernetes]),
        ("url", config.url.is_some(), &[Webhook]),
        ("secret_file", config.secret_file.is_some(), &[Webhook]),
        ("ca_file", config.ca_file.is_some(), &[Webhook]),
        ("command", config.command.is_some(), &[Command]),
        ("timeout", config.timeout.is_some(), &[Command]),
    ];
    let is_foreign = |(_, is_there, kinds): &&(&str, bool, &[ConsumerKind])| {
        *is_there && !kinds.contains(&config.kind)
    };
    match keys.iter().find(is_foreign) {
        Some((key, ..)) => Err(format!("`{key}` means nothing to its kind")),
        None if config.allow_http_loopback.is_some() && config.kind != Webhook => {
            Err("`allow_http_loopback` means nothing to its kind".into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        #[derive(serde::Deserialize)]
        struct File {
            consumers: Vec<ConsumerConfig>,
        }
        let text = format!("[[consumers]]\nname = \"a\"\ncredential = \"ci\"\n{text}");
        let file: File = toml::from_str(&text).unwrap();
        match consumers(&file.consumers) {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn consumers_that_cannot_work() {
        for (text, word) in [
            ("kind = \"kubernetes\"\npath = \"/x\"", "manifest_name"),
            ("kind = \"kubernetes\"\nmanifest_name = \"a\"", "`path` is missing"),
            ("kind = \"kubernetes\"\nmanifest_name = \"A\"\npath = \"/x\"", "no such name"),
            ("kind = \"variables\"\npath = \"x\"", "absolute"),
            ("kind = \"variables\"\npath = \"/x\"\nid_name = \"a-b\"", "none of variables"),
            ("kind = \"variables\"\npath = \"/x\"\nurl = \"https://x\"", "`url` means nothing"),
            ("kind = \"webhook\"\nurl = \"https://x\"", "secret_file"),
            ("kind = \"command\"", "absolute path"),
            ("kind = \"command\"\ncommand = [\"sh\"]", "absolute path"),
            ("kind = \"command\"\ncommand = [\"/x\"]\nid_name = \"a=b\"", "none of variables"),
            ("kind = \"command\"\ncommand = [\"/x\"]\nallow_http_loopback = true", "means nothing"),
        ] {
            let told = refused(text);
            assert!(told.contains(word), "{text}: {told}");
        }
        assert_eq!(refused("kind = \"variables\"\npath = \"/x\"\nformat = \"json\""), "");
    }
}
