//! `inspire-auth-soak NAME...`: one slice of each sweep named.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::{path::PathBuf, process::ExitCode, sync::atomic::Ordering, time::Duration};

use inspire_auth_soak::{
    SWEEPS, Sweep, end_slices_on_interrupt,
    progress::{INTERRUPTED, Run},
};

const USAGE: &str = "inspire-auth-soak [--minutes N] [--afresh] [NAME...]

Runs a slice (10 minutes unless told otherwise) of each sweep named, or of all, going on where the last slice stopped.
--afresh forgets what earlier slices counted. State is kept in the folder that INSPIRE_SOAK_STATE names.";

fn main() -> ExitCode {
    match start(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every goal is reached.
fn start(arguments: Vec<String>) -> Result<bool, String> {
    // A sweep may start copies of this program as the processes that it watches.
    if let [part, rest @ ..] = arguments.as_slice()
        && let Some(role) = part.strip_prefix("--as=")
    {
        return inspire_auth_soak::play(role, rest).map(|()| true).map_err(|error| error.to_string());
    }
    let (mut minutes, mut afresh, mut names) = (10_u64, false, Vec::new());
    let mut rest = arguments.into_iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--minutes" => {
                minutes = rest.next().and_then(|text| text.parse().ok()).ok_or("--minutes takes a number")?;
            }
            "--afresh" => afresh = true,
            "--help" | "-h" => {
                println!("{USAGE}\n");
                for sweep in SWEEPS {
                    println!("  {:<12}{}", sweep.name, sweep.about);
                }
                return Ok(true);
            }
            flag if flag.starts_with('-') => return Err(format!("there is no option {flag}\n\n{USAGE}")),
            _ => names.push(word),
        }
    }
    let folder = std::env::var_os("INSPIRE_SOAK_STATE").map_or_else(|| PathBuf::from("target/soak"), PathBuf::from);
    let find = |name: &String| {
        SWEEPS.iter().find(|sweep| sweep.name == *name).ok_or_else(|| format!("there is no sweep {name}"))
    };
    let chosen: Vec<&Sweep> = match names.as_slice() {
        [] => SWEEPS.iter().collect(),
        names => names.iter().map(find).collect::<Result<_, _>>()?,
    };
    end_slices_on_interrupt();
    let mut reached = true;
    for sweep in chosen {
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if afresh {
            let _ = std::fs::remove_file(folder.join(format!("{}.json", sweep.name)));
        }
        println!("{}: {}", sweep.name, sweep.about);
        let slice = Duration::from_secs(minutes.saturating_mul(60));
        let mut run = Run::resumed(sweep.name, &folder, slice)
            .map_err(|error| format!("what {} has counted can't be read ({error}); --afresh forgets it", sweep.name))?;
        let outcome = (sweep.run)(&mut run);
        run.keep();
        outcome.map_err(|error| format!("{} FAILED: {error}\n{}", sweep.name, run.standing()))?;
        if run.is_reached() {
            println!("{}: done", sweep.name);
        } else {
            reached = false;
            println!("{}: the slice is over; the same command goes on", sweep.name);
        }
    }
    Ok(reached)
}
