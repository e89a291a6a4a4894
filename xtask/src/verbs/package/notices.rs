//! The license texts of what is linked into a package: most of them ask to be shown with every copy.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::{Outcome, run};

/// The name of the file in every package.
pub(super) const FILE: &str = "THIRD-PARTY-LICENSES.txt";

/// The notices of every crate that is linked into `package`, each text once.
pub(super) fn of(package: &str) -> Outcome<String> {
    let metadata = run::output(run::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut tree = run::cargo();
    tree.args(["tree", "--locked", "--package", package, "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    let mut crates: Vec<String> = run::output(tree.args(["--format", "{p}"]))?
        .lines()
        .filter_map(|line| line.split(" (").next())
        .filter(|name| !name.starts_with("inspire-auth"))
        .map(|name| name.replacen(" v", " ", 1))
        .collect();
    crates.sort();
    crates.dedup();

    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in crates {
        let (text, license) = license(&metadata, &name)?;
        texts.entry(text).or_default().push(format!("{name} ({license})"));
    }
    let mut notices = String::from(
        "What is linked into this package beside libinspire_auth itself, and under which terms. Where there is a choice\n\
         with MIT in it, MIT is chosen. The Rust standard library is MIT OR Apache-2.0, Copyright (c) The Rust Project\n\
         Contributors; SQLite, in libsqlite3-sys, is in the public domain.\n",
    );
    let mut groups: Vec<_> = texts.into_iter().collect();
    groups.sort_by(|(_, a), (_, b)| a.cmp(b));
    for (text, crates) in groups {
        notices.push_str(&format!("\n{}\n\n{}\n\n{}\n", "-".repeat(100), crates.join("\n"), text));
    }
    Ok(notices)
}

/// The text for one `NAME VERSION`, and its license in SPDX's words.
fn license(metadata: &Value, name: &str) -> Outcome<(String, String)> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let package = packages
        .iter()
        .find(|package| format!("{} {}", word(package, "name"), word(package, "version")) == name)
        .ok_or_else(|| format!("cargo metadata does not know {name}"))?;
    let expression = word(package, "license");
    let manifest = word(package, "manifest_path");
    let mut files: Vec<_> = fs::read_dir(Path::new(&manifest).parent().unwrap_or(Path::new(".")))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && file_name(path).starts_with("LICENSE"))
        .collect();
    files.sort();
    if let Some(mit) = files.iter().find(|path| file_name(path).contains("MIT")).cloned() {
        files = vec![mit];
    }
    let mut text = String::new();
    for file in &files {
        text.push_str(&fs::read_to_string(file)?.replace('\r', ""));
    }
    if text.is_empty() {
        text = format!("No text comes with it: {expression}, {}", word(package, "repository"));
    }
    Ok((text.trim().to_owned(), expression))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_uppercase()
}
