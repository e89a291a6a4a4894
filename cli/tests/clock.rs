//! A clock that is wrong, or that lies: the real command, told another time by libfaketime.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

use std::path::PathBuf;

use serde_json::Value;
use support::Vendor;

/// The library that lies about the time (Debian's `faketime`; `cargo xtask test` installs it).
fn liar() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.expect("libfaketime is missing: apt-get install faketime")
}

/// The status that a process sees whose clock is `offset` off: state, first failure, and whether the clock is suspected.
fn status(vendor: &Vendor, offset: Option<&str>) -> (String, Value, bool) {
    let arguments = ["license", "status", "--trusted-keys-file", "acme.pub", "--machine-id", Vendor::MACHINE, "--json"];
    let mut command = vendor.sandbox.command(&arguments);
    if let Some(offset) = offset {
        command.env("LD_PRELOAD", liar()).env("FAKETIME", offset);
    }
    let told = support::ran(&mut command, b"").document();
    let status = &told["status"];
    let suspect = status["warnings"].as_array().unwrap().iter().any(|warning| warning == "CLOCK_SUSPECT");
    (status["state"].as_str().unwrap().to_owned(), status["reason"].clone(), suspect)
}

#[test]
fn a_process_that_is_told_another_time_is_told_of_it_and_locks_nobody_out() {
    let vendor = Vendor::new();
    vendor.sign("site.lic", serde_json::json!({"ttl": 30 * 86_400}));
    vendor.run(&["license", "activate", "--file", "site.lic", "--key-file", "license.key"]).ok();
    let honest = ("active".to_owned(), Value::Null, false);
    assert_eq!(status(&vendor, None), honest);
    for (offset, state, reason) in [
        ("-60s", "active", Value::Null),
        ("-2h", "invalid", "CLOCK_ROLLBACK".into()),
        ("-30d", "invalid", "CLOCK_ROLLBACK".into()),
        ("-3650d", "invalid", "CLOCK_ROLLBACK".into()),
        ("+60s", "active", Value::Null),
        ("+2h", "active", Value::Null),
    ] {
        assert_eq!(status(&vendor, Some(offset)), (state.to_owned(), reason, true), "{offset}");
        // What it saw, whether it was believed or not, is nothing to those who are told the right time.
        assert_eq!(status(&vendor, None), honest, "after {offset}");
    }
    // Far ahead everything has ended, there and then only.
    assert_eq!(status(&vendor, Some("+3650d")).0, "expired");
    assert_eq!(status(&vendor, None), honest);
}
