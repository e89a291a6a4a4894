//! What is on this machine: the store, its machine id, the keys that it trusts, and the license.

use std::{fs, path::Path};

use inspire_auth_core::{
    Code, InspireAuth,
    keys::Caller,
    license::{
        State, Status, Warning,
        keys::TrustedKey,
        machine::{self, Source},
    },
};

use super::Check;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files::{Audience, NewFile},
    text::count,
    time,
};

/// Every check that needs no connection.
pub(super) fn checks(context: &Context, keys: &[TrustedKey]) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    let auth = store(context, &mut checks)?;
    checks.push(machine_id(context)?);
    checks.push(trusted_keys(keys));
    match auth {
        Some(auth) => license(&auth, &mut checks),
        None => checks.push(Check::skipped("license", "there is no store to read it from")),
    }
    Ok(checks)
}

/// Looks at the store's file, and opens it.
fn store(context: &Context, checks: &mut Vec<Check>) -> Result<Option<InspireAuth>> {
    if context.globals.store.is_none() {
        checks.push(Check::skipped("store", "none is named: give --store PATH, or set INSPIRE_AUTH_STORE"));
        return Ok(None);
    }
    let place = match context.store(Opening::Existing) {
        Ok(place) => place,
        // A name that can't be meant is no finding.
        Err(failure) if failure.code().is_some() => return Err(failure),
        Err(failure) => {
            checks.push(Check::fail("store file", &failure));
            return Ok(None);
        }
    };
    if let Some(path) = place.path() {
        checks.push(store_file(path));
        checks.push(store_folder(path));
    }
    // Without the server: whether that can be used is asked below, and is no matter of the store's.
    match context.open_with(Opening::Existing, |options| options.server = None) {
        Ok(auth) => {
            let how = if place.path().is_some() {
                "opens, on a local file system, in this version"
            } else {
                "opens, in this version"
            };
            checks.push(Check::ok("store", how));
            Ok(Some(auth))
        }
        Err(failure) => {
            checks.push(Check::fail("store", &failure));
            Ok(None)
        }
    }
}

/// Whose it is, and who may read it. It is only looked at: whoever opens and closes it beside SQLite drops SQLite's locks.
fn store_file(path: &Path) -> Check {
    const NAME: &str = "store file";
    let shown = path.display().to_string();
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Check::fail(NAME, &Failure::usage(format!("{shown} is no file"))),
        Err(error) => return Check::fail(NAME, &Failure::io(shown, error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        let found = format!("{shown}, mode {mode:04o}, owner {owner}");
        if mode & 0o077 != 0 {
            let action = "chmod 600: whoever reads it can test guesses, and whoever writes it can grant";
            return Check::warn(NAME, found, action);
        }
        // The system's own word on who this process is.
        let me = fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(owner);
        if me != owner && me != 0 {
            return Check::warn(NAME, found, format!("run this, and the host, as its owner: this is user {me}"));
        }
        Check::ok(NAME, found)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Check::ok(NAME, shown)
    }
}

/// Whether SQLite can keep its files beside the store.
fn store_folder(path: &Path) -> Check {
    const NAME: &str = "store folder";
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".inspire-auth-doctor-{}", std::process::id()));
    match NewFile::create(&probe, Audience::Owner) {
        // It goes away again by itself.
        Ok(_) => Check::ok(NAME, "files can be made beside the store"),
        Err(failure) => Check::fail(NAME, &failure.about(folder.display().to_string())),
    }
}

fn machine_id(context: &Context) -> Result<Check> {
    const NAME: &str = "machine id";
    let given = context.machine_id()?;
    Ok(match machine::fingerprint(given.as_deref(), context.globals.product.as_deref()) {
        Err(error) => Check::failed(NAME, error),
        Ok(identity) => {
            let found = format!("{}, from the {}", identity.fingerprint, identity.source.as_str());
            match identity.container {
                Some(container) if identity.source == Source::MachineId => Check::warn(
                    NAME,
                    format!("{found}, in a container ({container})"),
                    "it may be gone with the next start: keep one in a volume, and give it with --machine-id-file",
                ),
                _ => Check::ok(NAME, found),
            }
        }
    })
}

fn trusted_keys(keys: &[TrustedKey]) -> Check {
    const NAME: &str = "trusted keys";
    let now = time::now();
    let has_ended = |key: &TrustedKey| key.not_after.is_some_and(|end| end <= now);
    let shown: Vec<String> = keys
        .iter()
        .map(|key| match key.not_after {
            Some(end) if end <= now => format!("{} (ended {})", key.id, time::shown(end, now)),
            Some(end) => format!("{} (until {})", key.id, time::shown(end, now)),
            None => key.id.clone(),
        })
        .collect();
    let found = format!("{}: {}", count(keys.len() as u64, "key", "keys"), shown.join(", "));
    if keys.is_empty() {
        let action =
            "give those of the host, with --trusted-keys-file or --trusted-key: without one nothing is believed";
        return Check::warn(NAME, "none", action);
    }
    if keys.iter().any(has_ended) {
        return Check::warn(NAME, found, "a key that has ended is not believed any more: take the vendor's next one");
    }
    Check::ok(NAME, found)
}

fn license(auth: &InspireAuth, checks: &mut Vec<Check>) {
    let license = auth.license();
    match license.status(None) {
        Err(error) => checks.push(Check::failed("license", error)),
        Ok(status) => {
            checks.push(state(&status));
            checks.push(clock(&status));
            checks.push(last_attempt(&status));
        }
    }
    const NAME: &str = "pending releases";
    checks.push(match license.releases(&Caller::system()) {
        Err(error) => Check::failed(NAME, error),
        Ok(releases) if releases.is_empty() => Check::ok(NAME, "none"),
        Ok(releases) => {
            let licenses: Vec<&str> = releases.iter().map(|release| release.license.as_str()).collect();
            let number = count(releases.len() as u64, "machine", "machines");
            let found = format!("{number} still to be freed at the server, of the license {}", licenses.join(", "));
            Check::warn(NAME, found, "`license release`, when the server can be reached")
        }
    });
}

fn state(status: &Status) -> Check {
    const NAME: &str = "license";
    let mode = status.mode.map(|mode| format!(", {}", mode.as_str())).unwrap_or_default();
    let found = format!("{}{mode}", status.state.as_str());
    if status.state == State::Unlicensed {
        return Check::warn(NAME, found, "`license activate`, with a license key").with(Code::Unlicensed);
    }
    if let Some(reason) = status.reason {
        return Check::failed(NAME, reason.into());
    }
    let now = time::now();
    let ends = time::shown_or(status.lease_expires_at, "never", now);
    let found = format!("{found}; its file ends {ends}");
    let about: Vec<&Warning> = status.warnings.iter().filter(|w| **w != Warning::ClockSuspect).collect();
    let Some(first) = about.first() else { return Check::ok(NAME, found) };
    let names: Vec<&str> = about.iter().map(|warning| warning.as_str()).collect();
    let action = match first {
        Warning::ExpiresSoon { .. } => "ask the vendor for a renewal",
        Warning::LeaseEndsSoon => "`license revalidate`, or `license refresh` with a newer file",
        _ => "ask the vendor for a machine file: a copy of this one is as good as it",
    };
    Check::warn(NAME, format!("{found}; {}", names.join(", ")), action)
}

fn clock(status: &Status) -> Check {
    const NAME: &str = "clock";
    if status.state == State::Unlicensed {
        return Check::skipped(NAME, "nothing was signed or seen that it could be compared with");
    }
    if status.warnings.contains(&Warning::ClockSuspect) {
        let found = "it is behind what was signed or seen here, or is shown to this process alone (CLOCK_SUSPECT)";
        return Check::warn(NAME, found, "set the clock right, or wait until it is past what was seen");
    }
    Check::ok(NAME, "not behind what was signed and seen here")
}

fn last_attempt(status: &Status) -> Check {
    const NAME: &str = "last attempt";
    let Some(attempt) = status.last_attempt else { return Check::ok(NAME, "none that failed") };
    let entry = attempt.code.entry();
    let found = format!("{}: {}", time::shown(attempt.at, time::now()), entry.message);
    Check::warn(NAME, found, entry.admin).with(attempt.code)
}
