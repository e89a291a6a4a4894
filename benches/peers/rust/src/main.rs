//! One suite of measurements, a JSON line a figure: `inspire-auth-peers rust | license | argon2 [rounds]`; or the files that the
//! suites in other languages read: `inspire-auth-peers files FOLDER`. `cargo xtask bench` runs it.

mod argon2;
mod keys;
mod license;
mod measure;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let suite = arguments.next();
    let argument = arguments.next();
    let rounds = argument.as_ref().and_then(|rounds| rounds.parse().ok());
    match suite.as_deref() {
        Some("rust") => keys::run(rounds.unwrap_or(201)),
        Some("license") => license::run(rounds.unwrap_or(201)),
        Some("argon2") => argon2::run(rounds.unwrap_or(21)),
        Some("files") => {
            let folder = argument.expect("a folder");
            license::write(folder.as_ref()).unwrap_or_else(|error| panic!("{folder}: {error}"));
        }
        _ => {
            eprintln!("usage: inspire-auth-peers rust | license | argon2 [rounds], or files FOLDER");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
