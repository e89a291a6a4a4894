//! A few timings, each said for what it is. They are shown, never judged.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{gateway, gateway::Gateway, http::Connection, site::Site};
use crate::Outcome;

const REQUESTS: usize = 2001;

/// Builds the program that measures without HTTP.
pub(super) fn build(prefix: &Path) -> Outcome<PathBuf> {
    gateway::compile("gcc", "-std=c11", &["inspire_auth"], prefix, "examples/c/warm.c")
}

pub(super) fn print(site: &Site, gateway: &Gateway, warm: Option<&Path>) -> Outcome {
    let bearer = [("Authorization", format!("Bearer {}", site.reader))];
    let (unguarded, _) = over_http(gateway, "/openapi", &[], 200)?;
    let (median, slow) = over_http(gateway, "/data/api/v1/resources", &bearer, 200)?;
    println!("Timings on this machine, while other things may run on it (median; 99th percentile)");
    println!("  {:<62} {:>8}  {:>8}", "a request over a kept connection, with a key seen before", us(median), us(slow));
    println!("  {:<62} {:>8}", "the same without a key: /openapi, which needs none", us(unguarded));
    if let Some(warm) = warm {
        let (call, call_slow) = in_process(site, warm)?;
        println!(
            "  {:<62} {call:>5} ns  {call_slow:>5} ns",
            "the check alone: inspire_auth_authenticate() in one thread"
        );
    }
    Ok(())
}

fn over_http(gateway: &Gateway, path: &str, headers: &[(&str, String)], status: u16) -> Outcome<(Duration, Duration)> {
    let mut connection = Connection::open(gateway.secure)?;
    let mut samples = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let answer = connection.ask("GET", path, headers)?;
        samples.push(begun.elapsed());
        if answer.status != status {
            return Err(format!("{path} answered {} while it was being timed", answer.status).into());
        }
    }
    samples.sort_unstable();
    let at = |share: usize| samples.get(REQUESTS * share / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

/// Nanoseconds: the median and the 99th percentile. The credential goes in by standard input, where nobody sees it.
fn in_process(site: &Site, warm: &Path) -> Outcome<(u64, u64)> {
    let mut command = Command::new(warm);
    command.arg(site.store()).arg("Authenticated/Gateway/Read").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(site.reader.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(median), Some(slow)) => Ok((median, slow)),
        _ => Err(format!("examples/c/warm.c could not measure: {}", output.status).into()),
    }
}

fn us(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}
