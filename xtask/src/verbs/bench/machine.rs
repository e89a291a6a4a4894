//! Where a figure was made, and with what.

use std::fs;

use serde_json::Value;

use super::instructions;
use crate::{Outcome, project, run};

/// A fact and its value, in the order of the document.
pub(super) type Facts = Vec<(String, String)>;

/// The processor's words for what some peers have code for.
const FEATURES: [&str; 6] = ["aes", "sha_ni", "avx2", "avx512f", "vaes", "hypervisor"];

pub(super) fn facts() -> Outcome<Facts> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let flags = field("flags").unwrap_or_default();
    let has = |feature: &&&str| flags.split(' ').any(|flag| flag == **feature);
    let features: Vec<&str> = FEATURES.iter().filter(has).copied().collect();
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let kernel = run::output(run::command("uname").arg("-r"))?;
    let facts = [
        ("processor", format!("{model}; {cores} cores; of what matters here it has {}", features.join(", "))),
        ("system", format!("{system}, Linux {}", kernel.trim().split('-').next().unwrap_or_default())),
        ("day", run::output(run::command("date").args(["-u", "+%F"]))?.trim().to_owned()),
        ("libinspire_auth", ours()),
        ("Rust", first(run::output(run::command("rustc").arg("--version")))),
        ("C", first(run::output(run::command("gcc").arg("--version")))),
        ("Python", first(run::output(run::command("python3").arg("--version")))),
        ("Node", first(run::output(run::command("node").arg("--version")))),
        ("valgrind", instructions::valgrind().unwrap_or_default()),
        ("peers: Rust", locked_crates()?),
        ("peers: C", packages()),
        ("peers: Python", requirements()?),
        ("peers: Node", locked_packages()?),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).filter(|(_, value)| !value.is_empty()).collect())
}

/// How busy the machine is, in the last minute.
pub(super) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

fn ours() -> String {
    let commit = run::output(run::command("git").args(["rev-parse", "--short", "HEAD"])).unwrap_or_default();
    format!("{} at {}", project::VERSION, commit.trim())
}

/// The first line; nothing where the program is not there.
fn first(wrote: Outcome<String>) -> String {
    wrote.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn locked_crates() -> Outcome<String> {
    const PEERS: [&str; 6] =
        ["prefixed-api-key", "jsonwebtoken", "aws-lc-rs", "api-keys-simplified", "keygen-rs", "argon2-rust"];
    let lock = fs::read_to_string(project::root().join(super::suites::PEERS).join("rust/Cargo.lock"))?;
    let mut found: Vec<String> =
        PEERS.iter().filter_map(|name| Some(format!("{name} {}", locked_crate(&lock, name)?))).collect();
    // Two of one name: the manifest says which is meant.
    let manifest = fs::read_to_string(project::root().join(super::suites::PEERS).join("rust/Cargo.toml"))?;
    let pinned =
        manifest.lines().find_map(|line| line.strip_prefix("argon2 = \"=")).map(|line| line.trim_end_matches('"'));
    found.extend(pinned.map(|version| format!("argon2 {version}")));
    Ok(found.join(", "))
}

fn locked_crate<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

fn packages() -> String {
    const PEERS: [&str; 3] = ["libsodium-dev", "libjwt-dev", "libargon2-1"];
    let mut query = run::command("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${Version}, "]).args(PEERS);
    run::output(&mut query).unwrap_or_default().trim_end_matches(", ").to_owned()
}

fn requirements() -> Outcome<String> {
    const PEERS: [&str; 6] =
        ["djangorestframework-api-key", "PyJWT", "keyshield", "argon2-cffi", "cryptography", "PyNaCl"];
    let list = fs::read_to_string(project::root().join(super::suites::PEERS).join("python/requirements.txt"))?;
    let version = |name: &str| list.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
    let found: Vec<String> = PEERS.iter().filter_map(|name| Some(format!("{name} {}", version(name)?))).collect();
    Ok(found.join(", "))
}

fn locked_packages() -> Outcome<String> {
    let lock = project::root().join(super::suites::PEERS).join("node/package-lock.json");
    let lock: Value =
        serde_json::from_str(&fs::read_to_string(&lock)?).map_err(|error| format!("{}: {error}", lock.display()))?;
    let wanted = lock["packages"][""]["dependencies"].as_object().cloned().unwrap_or_default();
    let found: Vec<String> =
        wanted.iter().filter_map(|(name, version)| Some(format!("{name} {}", version.as_str()?))).collect();
    Ok(found.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_can_be_described() {
        let facts = facts().unwrap();
        for name in ["processor", "system", "day", "libinspire_auth", "Rust", "peers: Node"] {
            assert!(facts.iter().any(|(fact, value)| fact == name && !value.contains('\n')), "{name}: {facts:?}");
        }
    }

    #[test]
    fn versions_are_read_from_the_lock_files() {
        let lock = "[[package]]\nname = \"one\"\nversion = \"1.2.3\"\nsource = \"x\"\n";
        assert_eq!(locked_crate(lock, "one"), Some("1.2.3"));
        assert_eq!(locked_crate(lock, "on"), None);
        for (versions, name) in [
            (locked_crates().unwrap(), "prefixed-api-key 0.3"),
            (locked_crates().unwrap(), "argon2 0.6"),
            (requirements().unwrap(), "PyJWT 2."),
            (locked_packages().unwrap(), "better-auth 1."),
        ] {
            assert!(versions.contains(name), "{versions}");
        }
    }
}
