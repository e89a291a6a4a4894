//! What the tests of real gateways need: nginx, Caddy, Envoy, and nginx's module as it is now.

use std::{path::PathBuf, process::Command};

use crate::{
    Outcome, cli,
    need::{self, Tool},
    project, python, run,
    verbs::install,
};

/// The folder of the tests, from the root.
const FOLDER: &str = "tests/gateways";
/// The folder of nginx's module.
const MODULE: &str = "examples/nginx";

/// A program of Python's environment for gateways, told where everything is.
pub(crate) fn python(program: &str) -> Outcome<Command> {
    need::all(&[Tool::C, Tool::PkgConfig, Tool::Nginx, Tool::Caddy, Tool::Openssl])?;
    let folder = project::root().join(FOLDER);
    let interpreter = python::environment_with("gateways", &folder.join("requirements.txt"))?;
    let mut command = run::command(interpreter.with_file_name(program));
    command.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1").env("INSPIRE_AUTH_NGINX_MODULE", module()?);
    cli::told(&mut command)?;
    Ok(command)
}

/// nginx's module, built as its Makefile says, on the library as it is now.
fn module() -> Outcome<PathBuf> {
    let library = install::staged()?.join("lib");
    let folder = project::root().join(MODULE);
    let built = project::fresh("nginx-module")?;
    let module = built.join("ngx_http_inspire_auth_module.so");
    let mut make = run::command("make");
    make.current_dir(folder).env("PKG_CONFIG_PATH", library.join("pkgconfig"));
    make.arg(format!("MODULE={}", module.display())).arg(format!("BUILD={}", built.join("build").display()));
    run::output(&mut make)?;
    Ok(module)
}
