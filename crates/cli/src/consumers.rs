//! The consumers that the configuration names. A kind is an arm here and keys in
//! `config::watch`.

mod credentials_file;
mod kv;
mod webhook;

use countersign_connector::keyfiles::{self, DEFAULT_PROFILE};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_connector::consumers::{
    Command, Consumer, Consumers, File, Form, Kubernetes, Names, Variables,
};

use credentials_file::CredentialsFile;

use crate::config::watch::{ConsumerConfig, ConsumerKind, FileFormat, HookConfig};
use crate::config::{Config, VaultConfig};
use crate::failure::Failure;
use crate::signed::Hook;
use crate::system;

/// How long a program may take when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a program inherits.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "KUBECONFIG"];

/// All of them. Refuses what cannot work before anything is given to anybody.
pub(crate) fn consumers(config: &Config) -> Result<Consumers, Failure> {
    let mut consumers = Consumers::default();
    for one in &config.consumers {
        let made = make(one, &config.vault)
            .map_err(|what| Failure::usage(format!("consumer `{}`: {what}", one.name)))?;
        consumers.add(made);
    }
    Ok(consumers)
}

fn make(config: &ConsumerConfig, vault: &VaultConfig) -> Result<Box<dyn Consumer>, String> {
    only_its_keys(config)?;
    let names = Names { id: config.id_name.clone(), secret: config.secret_name.clone() };
    if names.id.is_some() && names.id == names.secret {
        return Err("`id_name` and `secret_name` are the same".into());
    }
    let (name, credential) = (config.name.clone(), config.credential.clone());
    let file = |form: Arc<dyn Form>| -> Result<Box<dyn Consumer>, String> {
        Ok(Box::new(File::new(&name, &credential, path(config)?, form, system::random())))
    };
    let variables = |names: Names| {
        let are_names = names.are_variables();
        are_names.then_some(names).ok_or("its names are none of variables".to_owned())
    };
    match config.kind {
        ConsumerKind::Kubernetes => {
            let manifest = config.manifest_name.as_deref().ok_or("`manifest_name` is missing")?;
            let form = Kubernetes::new(manifest, config.namespace.as_deref(), names);
            file(Arc::new(form.ok_or("Kubernetes accepts no such name, namespace or key")?))
        }
        ConsumerKind::Variables => {
            let names = variables(names)?;
            file(Arc::new(match config.format {
                None | Some(FileFormat::Lines) => Variables::Lines(names),
                Some(FileFormat::Json) => Variables::Json(names),
                Some(_) => return Err("`format` must be \"lines\" or \"json\"".into()),
            }))
        }
        ConsumerKind::CredentialsFile => file(Arc::new(credentials_file(config)?)),
        ConsumerKind::Kv => {
            let table = config.kv.as_ref().ok_or("`kv` is missing")?;
            if table.path.is_none() {
                return Err("`kv.path` is missing".into());
            }
            table.check("consumers.kv")?;
            if vault.has_in_it(table) {
                return Err("`kv.path` is inside of the vault's own folder".into());
            }
            let path = kv::open(table).map_err(|failure| failure.to_string())?;
            Ok(Box::new(kv::Kv { name, credential, names, path }))
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

fn credentials_file(config: &ConsumerConfig) -> Result<CredentialsFile, String> {
    let form = match config.format {
        None | Some(FileFormat::Ini) => keyfiles::Form::Ini,
        Some(FileFormat::Env) => keyfiles::Form::Variables,
        Some(FileFormat::Yaml) => keyfiles::Form::Yaml,
        Some(_) => return Err("`format` must be \"ini\", \"env\" or \"yaml\"".into()),
    };
    if form != keyfiles::Form::Ini && config.profile.is_some() {
        return Err("only `format = \"ini\"` has a `profile`".into());
    }
    let profile = config.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    CredentialsFile::new(form, profile)
}

fn path(config: &ConsumerConfig) -> Result<PathBuf, String> {
    let path = config.path.clone().ok_or("`path` is missing")?;
    if path.is_absolute() { Ok(path) } else { Err("`path` must be absolute".into()) }
}

/// A key that means nothing to its kind was meant for something.
fn only_its_keys(config: &ConsumerConfig) -> Result<(), String> {
    use ConsumerKind::{Command, CredentialsFile, Kubernetes, Kv, Variables, Webhook};
    let keys: [(&str, bool, &[ConsumerKind]); 13] = [
        ("path", config.path.is_some(), &[Kubernetes, Variables, CredentialsFile]),
        ("format", config.format.is_some(), &[Variables, CredentialsFile]),
        ("profile", config.profile.is_some(), &[CredentialsFile]),
        ("kv", config.kv.is_some(), &[Kv]),
        ("id_name", config.id_name.is_some(), &[Kubernetes, Variables, Kv, Command]),
        ("secret_name", config.secret_name.is_some(), &[Kubernetes, Variables, Kv, Command]),
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

    fn refused_by(vault: &str, text: &str) -> String {
        let text = format!("{vault}[[consumers]]\nname = \"a\"\ncredential = \"ci\"\n{text}");
        match consumers(&toml::from_str(&text).unwrap()) {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        }
    }

    fn refused(text: &str) -> String {
        refused_by("", text)
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
            ("kind = \"variables\"\npath = \"/x\"\nformat = \"ini\"", "must be \"lines\""),
            ("kind = \"variables\"\npath = \"/x\"\nprofile = \"p\"", "`profile` means nothing"),
            (
                "kind = \"variables\"\npath = \"/x\"\nid_name = \"a\"\nsecret_name = \"a\"",
                "the same",
            ),
            ("kind = \"credentials_file\"", "`path` is missing"),
            ("kind = \"credentials_file\"\npath = \"x\"", "absolute"),
            ("kind = \"credentials_file\"\npath = \"/x\"\nformat = \"json\"", "must be \"ini\""),
            (
                "kind = \"credentials_file\"\npath = \"/x\"\nid_name = \"a\"",
                "`id_name` means nothing",
            ),
            (
                "kind = \"credentials_file\"\npath = \"/x\"\nformat = \"yaml\"\nprofile = \"p\"",
                "only `format = \"ini\"`",
            ),
            ("kind = \"credentials_file\"\npath = \"/x\"\nprofile = \"a]b\"", "a]b"),
            ("kind = \"kv\"", "`kv` is missing"),
            ("kind = \"kv\"\npath = \"/x\"", "`path` means nothing"),
            ("kind = \"kv\"\nkv = { address = \"https://v\" }", "`kv.path` is missing"),
            ("kind = \"kv\"\nkv = { path = \"a\" }", "`consumers.kv.address` is missing"),
            (
                "kind = \"kv\"\nkv = { path = \"a\", address = \"https://v\", role = \"r\" }",
                "`consumers.kv.role` does not go with",
            ),
            (
                "kind = \"kv\"\nkv = { path = \"a\", address = \"https://v\", token_env = \"NO_SUCH\" }",
                "NO_SUCH",
            ),
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

    #[test]
    fn the_vault_is_no_consumer() {
        let vault = |keys: &str| {
            let backend = "[vault]\nbackend = \"kv\"\n[vault.kv]\naddress = \"https://v\"\n";
            format!("{backend}token_file = \"/t\"\n{keys}")
        };
        let at = |mount: &str, path: &str| {
            format!(
                "kind = \"kv\"\nkv = {{ address = \"https://other-name\", token_file = \"/t\", mount = \"{mount}\", path = \"{path}\" }}"
            )
        };
        for (keys, path) in
            [("", "countersign"), ("", "countersign/ci/7"), ("path = \"a/b\"\n", "a/b/c")]
        {
            let told = refused_by(&vault(keys), &at("secret", path));
            assert!(told.contains("vault's own folder"), "{path}: {told}");
        }
        for (mount, path) in
            [("secret", "countersigned"), ("secret", "ci/countersign"), ("kv", "countersign/ci")]
        {
            let told = refused_by(&vault(""), &at(mount, path));
            assert!(!told.contains("own folder"), "{mount} {path}: {told}");
        }
        assert!(
            !refused(&at("secret", "countersign")).contains("own folder"),
            "the vault is a file"
        );
    }
}
