//! `cargo xtask capi`: the C library into a prefix, by cargo-c.

use std::path::Path;

use super::install;
use crate::{Failure, Outcome, Verb, args::Args, need, project, run, run::say};

pub(crate) const VERB: Verb = Verb {
    name: "capi",
    summary: "install the C library with cargo-c",
    help: "cargo xtask capi --prefix P [--destdir D] [--libdir L]\n\n  --prefix P    where it will live (absolute)\n  --destdir D   put it under D instead, for packaging\n  --libdir L    default `lib`\n\nRuns `cargo capi install` with the pinned cargo-c, which is built first when it is not there (see `tools`), and\nmakes all symbols of the static library but ours local.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let Some(prefix) = args.value("--prefix")? else {
        return Err(Failure::Usage("--prefix is missing.".to_owned()));
    };
    let destdir = args.value("--destdir")?;
    let libdir = args.value("--libdir")?.unwrap_or_else(|| "lib".to_owned());
    args.end()?;
    say("building the library with cargo-c in release (two minutes the first time)");
    install(Path::new(&prefix), destdir.as_deref().map(Path::new), &libdir)?;
    say("installed");
    Ok(())
}

/// `cargo capi install` into a prefix.
pub(crate) fn install(prefix: &Path, destdir: Option<&Path>, libdir: &str) -> Outcome {
    let program = need::cargo_c()?;
    let mut command = run::command(program);
    command.args(["capi", "install", "--package", "inspire-auth-ffi", "--release", "--prefix"]).arg(prefix);
    command.args(["--libdir", libdir]);
    if let Some(root) = destdir {
        command.arg("--destdir").arg(root);
    }
    run::output(&mut command)?;
    let base =
        destdir.map_or_else(|| prefix.to_path_buf(), |root| root.join(prefix.strip_prefix("/").unwrap_or(prefix)));
    let archive = base.join(libdir).join("libinspire_auth.a");
    let sealed = project::work("sealed-capi").join("libinspire_auth.a");
    install::seal(&archive, &sealed)?;
    std::fs::copy(&sealed, &archive)?;
    Ok(())
}
