//! Names of components and licences in registries, where a record names one honestly.

use countersign_findings::Component;

use crate::place::{Percent, push_encoded};

/// The package URL; none when the record has a file's name, or leaves out what the
/// registry asks for: a jar does not say its group.
pub(crate) fn purl(component: &Component) -> Option<String> {
    // Other scanners may say it themselves, and then it is the component's id.
    if component.id.starts_with("pkg:") && component.id.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(component.id.clone());
    }
    let name = component.name.as_deref()?;
    let version = component.version.as_deref().filter(|version| is_version(version))?;
    // An agent reads names from the files of package managers, an upload from files. Of
    // `chart.js` only an agent knows that it is a package.
    let is_agent = component.scan_mode.as_deref() == Some("AGENT");
    let files: fn(&'static [&'static str]) -> &'static [&'static str] =
        if is_agent { |_| &[] } else { |endings| endings };
    let (kind, path) = match component.language.as_deref()?.to_ascii_uppercase().as_str() {
        "JAVA" | "KOTLIN" | "SCALA" | "GROOVY" => ("maven", coordinates(name, ':', files(&JAVA))?),
        "JAVASCRIPT" | "NODE" | "NODEJS" | "TYPESCRIPT" => ("npm", npm(name, files(&SCRIPTS))?),
        "PYTHON" => {
            ("pypi", vec![word(name, files(&PYTHON))?.to_ascii_lowercase().replace('_', "-")])
        }
        "RUBY" => ("gem", vec![word(name, files(&[".gem", ".rb"]))?]),
        "GO" | "GOLANG" => ("golang", module(name)?),
        "PHP" => {
            let path = coordinates(name, '/', files(&[".phar", ".php", ".zip"]))?;
            ("composer", path.iter().map(|part| part.to_lowercase()).collect())
        }
        "DOTNET" | "CSHARP" | "C#" | ".NET" | "VBNET" | "FSHARP" => {
            ("nuget", vec![word(name, files(&[".dll", ".exe", ".nupkg"]))?])
        }
        _ => return None,
    };
    let mut purl = format!("pkg:{kind}");
    for part in path {
        purl.push('/');
        push_encoded(&mut purl, &part, "", Percent::Encoded);
    }
    purl.push('@');
    push_encoded(&mut purl, version, "", Percent::Encoded);
    Some(purl)
}

// How files of a language end. What is a file in one is a name in another:
// `Newtonsoft.Json` is a package of .NET.
const JAVA: [&str; 5] = [".jar", ".war", ".ear", ".aar", ".zip"];
const SCRIPTS: [&str; 5] = [".js", ".mjs", ".cjs", ".json", ".tgz"];
const PYTHON: [&str; 5] = [".whl", ".egg", ".py", ".tar.gz", ".zip"];

/// A version as registries have them.
fn is_version(version: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._+~:".contains(&b);
    version.starts_with(|c: char| c.is_ascii_alphanumeric()) && version.bytes().all(is_plain)
}

/// A name without folders that does not end like a file.
fn word(name: &str, files: &[&str]) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_file = files.iter().any(|ending| lower.ends_with(ending));
    let is_word = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    (is_word && name.bytes().all(is_plain) && !is_file).then(|| name.to_owned())
}

fn coordinates(name: &str, separator: char, files: &[&str]) -> Option<Vec<String>> {
    let (group, artifact) = name.split_once(separator)?;
    Some(vec![word(group, &[])?, word(artifact, files)?])
}

fn npm(name: &str, files: &[&str]) -> Option<Vec<String>> {
    match name.strip_prefix('@') {
        Some(scoped) => {
            let (scope, name) = scoped.split_once('/')?;
            // No file has a scope.
            Some(vec![format!("@{}", word(scope, &[])?), word(name, &[])?])
        }
        None => Some(vec![word(name, files)?]),
    }
}

fn module(name: &str) -> Option<Vec<String>> {
    let parts: Option<Vec<_>> = name.split('/').map(|part| word(part, &[])).collect();
    parts.filter(|parts| parts.len() > 1 && parts[0].contains('.'))
}

/// The SPDX id that a licence's name is, whatever its case. Only licences that are
/// common in packages are known; others stay names.
pub(crate) fn spdx(name: &str) -> Option<&'static str> {
    SPDX.iter().find(|id| id.eq_ignore_ascii_case(name.trim())).copied()
}

const SPDX: [&str; 75] = [
    "0BSD",
    "AFL-2.1",
    "AFL-3.0",
    "AGPL-3.0",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.0",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "ECL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "EUPL-1.1",
    "EUPL-1.2",
    "FTL",
    "GPL-1.0",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ICU",
    "IJG",
    "IPL-1.0",
    "ISC",
    "JSON",
    "LGPL-2.0",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "Libpng",
    "MIT",
    "MIT-0",
    "MPL-1.0",
    "MPL-1.1",
    "MPL-2.0",
    "MS-PL",
    "MS-RL",
    "OFL-1.1",
    "OpenSSL",
    "PHP-3.01",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Ruby",
    "Unlicense",
    "UPL-1.0",
    "W3C",
    "WTFPL",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn component(language: &str, name: &str, version: &str) -> Component {
        Component {
            name: Some(name.into()),
            version: Some(version.into()),
            language: Some(language.into()),
            ..Component::default()
        }
    }

    #[test]
    fn no_purl_is_made_up() {
        for (language, name, version) in [
            ("JAVA", "guava-30.0-jre.jar", "30.0-jre"),
            ("JAVA", "guava", "30.0"),
            ("JAVASCRIPT", "jquery.min.js", "3.1"),
            ("JAVASCRIPT", "../x", "1"),
            ("PHP", "monolog", "1.0"),
            ("GO", "protobuf", "1.0"),
            ("DOTNET", "Newtonsoft.Json.dll", "12.0"),
            ("PYTHON", "requests-2.0-py3-none-any.whl", "2.0"),
            ("PHP", "vendor/lib.phar", "1.0"),
            ("NOVEL", "x", "1"),
            ("PYTHON", "requests", ""),
            ("PYTHON", "requests", "1 or 2"),
        ] {
            assert_eq!(purl(&component(language, name, version)), None, "{language} {name}");
        }
    }

    #[test]
    fn purls_are_those_of_the_registries() {
        for (language, name, version, expected) in [
            ("JAVA", "com.squareup.okio:okio", "2.8.0", "pkg:maven/com.squareup.okio/okio@2.8.0"),
            ("DOTNET", "Newtonsoft.Json", "12.0.1", "pkg:nuget/Newtonsoft.Json@12.0.1"),
            ("CSHARP", "Iot.Device.Js", "1.0", "pkg:nuget/Iot.Device.Js@1.0"),
            ("PYTHON", "zope.json", "1.0", "pkg:pypi/zope.json@1.0"),
            ("RUBY", "rails.js", "1.0", "pkg:gem/rails.js@1.0"),
            ("GO", "github.com/nats-io/nats.js", "v1", "pkg:golang/github.com/nats-io/nats.js@v1"),
            ("GO", "gopkg.in/x.zip", "v1", "pkg:golang/gopkg.in/x.zip@v1"),
            ("PHP", "components/highlight.js", "9", "pkg:composer/components/highlight.js@9"),
            ("JAVA", "org.webjars:chart.js", "2.0", "pkg:maven/org.webjars/chart.js@2.0"),
            ("java", "org.json:json", "2.0", "pkg:maven/org.json/json@2.0"),
            ("JAVASCRIPT", "socket.io", "2.0", "pkg:npm/socket.io@2.0"),
            ("JAVASCRIPT", "semver", "5.7.1", "pkg:npm/semver@5.7.1"),
            ("JAVASCRIPT", "@babel/core", "7.0.0", "pkg:npm/%40babel/core@7.0.0"),
            ("JAVASCRIPT", "@types/chart.js", "2.9", "pkg:npm/%40types/chart.js@2.9"),
            ("PYTHON", "Ruamel_Yaml", "0.1", "pkg:pypi/ruamel-yaml@0.1"),
            ("GO", "github.com/gorilla/mux", "v1.8.0", "pkg:golang/github.com/gorilla/mux@v1.8.0"),
            ("PHP", "Monolog/Monolog", "1.0+x", "pkg:composer/monolog/monolog@1.0%2Bx"),
        ] {
            assert_eq!(purl(&component(language, name, version)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_agent_knows_packages() {
        let mut chart = component("JAVASCRIPT", "chart.js", "2.9.4");
        assert_eq!(purl(&chart), None);
        chart.scan_mode = Some("AGENT".into());
        assert_eq!(purl(&chart).as_deref(), Some("pkg:npm/chart.js@2.9.4"));
        for (language, name, expected) in [
            ("PYTHON", "discord.py", "pkg:pypi/discord.py@1.0"),
            ("RUBY", "hike.rb", "pkg:gem/hike.rb@1.0"),
            ("PHP", "smarty/smarty.php", "pkg:composer/smarty/smarty.php@1.0"),
            ("DOTNET", "Some.Exe", "pkg:nuget/Some.Exe@1.0"),
            ("JAVA", "org.example:tools.jar", "pkg:maven/org.example/tools.jar@1.0"),
        ] {
            let mut named = component(language, name, "1.0");
            assert_eq!(purl(&named), None, "{name}");
            named.scan_mode = Some("AGENT".into());
            assert_eq!(purl(&named).as_deref(), Some(expected));
        }
    }

    #[test]
    fn licences_are_ids_only_when_they_are() {
        assert_eq!(spdx("apache-2.0"), Some("Apache-2.0"));
        assert_eq!(spdx("bsd-3-clause"), Some("BSD-3-Clause"));
        assert_eq!(spdx("apache 2"), None);
    }
}
