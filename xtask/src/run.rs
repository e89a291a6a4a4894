//! Running other programs.

use std::{
    ffi::OsStr,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use crate::{Failure, Outcome, project};

/// A command that runs in the root of the repository.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(project::root());
    // What cargo says about the program that it runs, us: crates that look at it would be built anew for a cargo that we run,
    // and again for one that a person runs.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        if argument.contains([' ', '"', '$', '*', ';']) {
            text.push_str(&format!("'{argument}'"));
        } else {
            text.push_str(&argument);
        }
    }
    text
}

/// The words of a command in one line that a shell, or a program that reads like one, splits again.
pub(crate) fn words(parts: &[String]) -> String {
    let quoted = parts.iter().map(|part| {
        if part.contains(|c: char| !c.is_ascii_alphanumeric() && !"/._-=+:,@".contains(c)) {
            format!("'{}'", part.replace('\'', r"'\''"))
        } else {
            part.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Runs with the terminal's output; a bad exit is a failure.
pub(crate) fn visibly(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| unstartable(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", shown(command)).into()) }
}

/// Runs and keeps the output, whatever the exit.
pub(crate) fn captured(command: &mut Command) -> Outcome<Output> {
    command.stdin(Stdio::null()).output().map_err(|error| unstartable(command, &error))
}

/// Runs and returns what it wrote on standard output; on a bad exit the failure holds all that it wrote.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = captured(command)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failure::Failed(format!("`{}` ended with {}\n{}", shown(command), output.status, both(&output))))
    }
}

/// Everything a program wrote, errors last.
pub(crate) fn both(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// One line of what is being done, on standard error: standard output belongs to results.
pub(crate) fn say(text: &str) {
    eprintln!("    {text}");
    let _ = std::io::stderr().flush();
}

fn unstartable(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("`{}` could not be started: {error}", shown(command)))
}
