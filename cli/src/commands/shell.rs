//! `completion` and `version`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use inspire_auth_core::{ABI_VERSION, VERSION};
use serde_json::json;

use crate::{cli::Cli, report::Report};

/// `completion SHELL`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth completion bash > /etc/bash_completion.d/inspire-auth
  inspire-auth completion zsh > ~/.zfunc/_inspire-auth
  inspire-auth completion fish > ~/.config/fish/completions/inspire-auth.fish")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

pub(crate) fn completion(arguments: &Completion) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "inspire-auth", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Report::new(json!({"shell": arguments.shell.to_string(), "script": script}), script)
}

pub(crate) fn version() -> Report {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let text = format!("inspire-auth {VERSION} (ABI {ABI_VERSION}, {target})\n");
    Report::new(json!({"version": VERSION, "abi": ABI_VERSION, "target": target}), text)
}
