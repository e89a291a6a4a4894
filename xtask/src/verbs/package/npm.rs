//! The npm packages: `inspire-auth`, which is JavaScript, and the addon of this platform, which it depends on optionally.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{archive, dist, elf, made, notices, venv};
use crate::{
    Outcome,
    need::{self, Tool},
    node, project, run,
    run::say,
    stages::{Report, bindings},
};

/// The packages' tarballs.
struct Tarballs {
    root: PathBuf,
    platform: PathBuf,
}

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::Node, Tool::C, Tool::Binutils])?;
    let manifest = manifest()?;
    let mut report = Report::default();
    report.count("npm: the version is the workspace's", versions_agree(&manifest));
    let addon = build()?;
    report.count("npm: the addon links the system's libraries only", elf::needs_only_the_system(&addon));
    report.count("npm: the addon asks for an old glibc", elf::glibc_is_at_most(&addon, venv::GLIBC));
    report.count("npm: its SQLite is built as ours", elf::sqlite_is_ours(&addon));
    let dist = dist("npm")?;
    let tarballs = Tarballs { platform: platform_package(&addon, &manifest, &dist)?, root: root_package(&dist)? };
    report.remark = made(&[tarballs.root.clone(), tarballs.platform.clone()]);
    report.count("npm: without the addon it says what is missing", says_what_is_missing(&tarballs));
    test(&tarballs, &manifest, &mut report)?;
    Ok(report)
}

/// The addon, linked against an old glibc as the wheel's library is.
fn build() -> Outcome<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    say("building the addon with zig (two to three minutes the first time)");
    let mut build = venv::tool("cargo-zigbuild")?;
    build.args(["zigbuild", "--release", "--locked", "--quiet", "--package", "inspire-auth-node", "--target"]);
    run::output(build.arg(format!("{target}.{}", venv::GLIBC)).env("CARGO_TARGET_DIR", project::target()))?;
    let addon = project::fresh("package/npm-addon")?.join(format!("inspire-auth.{}.node", triple()));
    fs::copy(project::target().join(target).join("release/libinspire_auth_node.so"), &addon)?;
    super::strip(&addon)?;
    Ok(addon)
}

/// `inspire-auth-linux-x64-gnu`: the addon, and for which systems it is.
fn platform_package(addon: &Path, manifest: &Value, dist: &Path) -> Outcome<PathBuf> {
    let folder = project::fresh("package/npm-platform")?;
    let file = addon.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut package = json!({
        "name": name(),
        "version": project::VERSION,
        "description": format!("The native half of inspire-auth for {}", triple()),
        "main": file,
        "files": [file, "LICENSE-MIT", "LICENSE-APACHE", notices::FILE],
        "os": ["linux"],
        "cpu": [cpu()],
        "libc": ["glibc"],
    });
    for key in ["license", "author", "repository", "engines"] {
        package[key] = manifest[key].clone();
    }
    archive::put(&folder.join("package.json"), format!("{package:#}\n"))?;
    let readme = format!("# {}\n\nThe native half of `inspire-auth`, which installs it where it fits.\n", name());
    archive::put(&folder.join("README.md"), readme)?;
    fs::copy(addon, folder.join(&file))?;
    archive::put(&folder.join(notices::FILE), notices::of("inspire-auth-node")?)?;
    copy_licenses(&folder)?;
    pack(&folder, dist)
}

/// `inspire-auth`: what its `files` name, and the dependency that only a finished package can have.
fn root_package(dist: &Path) -> Outcome<PathBuf> {
    let folder = project::fresh("package/npm-root")?;
    archive::unpack(&pack(&project::root().join(node::FOLDER), &folder)?, &folder)?;
    let folder = folder.join("package");
    copy_licenses(&folder)?;
    // npm's own command keeps the order of `exports`, which has a meaning.
    let set = [format!("optionalDependencies.{}={}", name(), project::VERSION)];
    let set = set.iter().map(String::as_str).chain(["files[]=LICENSE-MIT", "files[]=LICENSE-APACHE"]);
    run::output(node::npm(&folder).args(["pkg", "set"]).args(set))?;
    run::output(node::npm(&folder).args(["pkg", "delete", "devDependencies", "scripts", "napi"]))?;
    pack(&folder, dist)
}

/// An application that left optional packages out is told so when it starts.
fn says_what_is_missing(tarballs: &Tarballs) -> Outcome {
    let folder = project::fresh("package/npm-alone")?;
    archive::put(&folder.join("package.json"), "{\"private\": true}\n")?;
    run::output(install(&folder).arg("--omit=optional").arg(&tarballs.root))?;
    let start = run::captured(run::command("node").args(["-e", "require('inspire-auth')"]).current_dir(&folder))?;
    let wrote = run::both(&start);
    if !start.status.success() && wrote.contains(&name()) { Ok(()) } else { Err(wrote.into()) }
}

/// Installs both packages where nothing else of ours is, and runs the tests there.
fn test(tarballs: &Tarballs, manifest: &Value, report: &mut Report) -> Outcome {
    let root = project::fresh("package/npm-tests")?;
    // With the lock file, the frameworks and what they need are those that the tests were written with.
    let copied = ["package-lock.json", "tsconfig.json", "test"].map(|name| format!("{}/{name}", node::FOLDER));
    archive::copy(&[&copied[0], &copied[1], &copied[2], "examples/node"], &root)?;
    let folder = root.join(node::FOLDER);
    let mut frameworks = manifest["devDependencies"].clone();
    frameworks.as_object_mut().ok_or("package.json has no devDependencies")?.remove("@napi-rs/cli");
    let application = json!({
        "name": "inspire-auth-tests",
        "private": true,
        "scripts": { "test": manifest["scripts"]["test"] },
        "devDependencies": frameworks,
    });
    archive::put(&folder.join("package.json"), format!("{application:#}\n"))?;
    let installed = run::output(install(&folder).arg(&tarballs.root).arg(&tarballs.platform));
    if report.count("npm: both are installed", installed).is_none() {
        return Ok(());
    }
    let where_from =
        "const {realpathSync: real} = require('node:fs'); console.log(real(require.resolve('inspire-auth')))";
    let at_home = run::output(run::command("node").args(["-e", where_from]).current_dir(&folder)).and_then(|file| {
        let inside = Path::new(file.trim()).starts_with(folder.join("node_modules/inspire-auth"));
        if inside { Ok(()) } else { Err(format!("it was loaded from {file}").into()) }
    });
    report.count("npm: what is loaded is what was installed", at_home);
    bindings::tap(report, &mut node::tests(&folder)?)?;
    let mut types = run::command(folder.join("node_modules/.bin/tsc"));
    let types = run::output(types.args(["--project", "tsconfig.json"]).current_dir(&folder));
    report.count("npm: the types of programs that use it", types);
    Ok(())
}

fn manifest() -> Outcome<Value> {
    let text = fs::read_to_string(project::root().join(node::FOLDER).join("package.json"))?;
    serde_json::from_str(&text).map_err(|error| format!("package.json: {error}").into())
}

fn versions_agree(manifest: &Value) -> Outcome {
    let version = manifest["version"].as_str().unwrap_or_default();
    if version == project::VERSION { Ok(()) } else { Err(format!("{version} is not {}", project::VERSION).into()) }
}

/// Packs a folder into the tarball that npm would publish.
fn pack(folder: &Path, into: &Path) -> Outcome<PathBuf> {
    let mut pack = node::npm(folder);
    pack.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"]).arg(into);
    Ok(into.join(run::output(&mut pack)?.trim()))
}

fn install(folder: &Path) -> std::process::Command {
    let mut install = node::npm(folder);
    install.args(["install", "--no-audit", "--no-fund", "--loglevel", "error"]);
    install
}

fn copy_licenses(folder: &Path) -> Outcome {
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(project::root().join(license), folder.join(license))?;
    }
    Ok(())
}

fn name() -> String {
    format!("inspire-auth-{}", triple())
}

/// The platform as napi-rs names it.
fn triple() -> String {
    format!("linux-{}-gnu", cpu())
}

/// The architecture as Node names it.
fn cpu() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}
