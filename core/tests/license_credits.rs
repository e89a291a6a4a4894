//! Credits shared by processes that are killed at any moment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    dead_code
)]

mod store_support;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::Caller,
    license::{
        Kind,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
};
use store_support::Folder;

const NOW: i64 = 1_800_000_000;
const KEY: &str = "KEY-KEY-KEY";
const ALLOCATION: i64 = 10_000;
const AMOUNT: i64 = 3;
/// Makes the test one of the processes that consume: the store, and the process's number.
const CONSUME_FROM: &str = "INSPIRE_TEST_CONSUME_FROM";
const NUMBER: &str = "INSPIRE_TEST_CONSUMER";

fn open(path: &Path) -> InspireAuth {
    let mut options = Options::new(StoreLocation::Path(path.to_owned()));
    options.trusted_keys = vec![TrustedKey::new("vendor", SigningKey::from_seed(&[7; 32]).public()).unwrap()];
    options.machine_id = Some("fp".into());
    InspireAuth::open(options).unwrap()
}

/// Consumes until nothing is left, each time by an operation of its own, and says each one before and after.
#[allow(clippy::print_stdout, reason = "its output is how it tells the first process")]
fn consume_until_all_is_gone(path: &Path, process: &str) {
    let auth = open(path);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let auth = &auth;
            scope.spawn(move || {
                for n in 0.. {
                    let operation = format!("{process}-{thread}-{n}");
                    println!("asks {operation} ");
                    match auth.license().consume(AMOUNT, &operation, None, Some(NOW)) {
                        Ok(_) => println!("granted {operation} "),
                        Err(error) if error.code() == Code::StoreLocked => {}
                        Err(error) => {
                            assert_eq!(error.code(), Code::LimitExceeded, "{error}");
                            return;
                        }
                    }
                }
            });
        }
    });
}

fn consumer(path: &Path, number: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes_that_are_killed_never_consume_more_than_there_is", "--nocapture"])
        .env(CONSUME_FROM, path)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What follows a word on the lines of an output.
fn said<'a>(lines: &'a [String], word: &'a str) -> impl Iterator<Item = &'a str> {
    // The harness may have written something before it on the same line, or a kill cut a line short.
    lines.iter().filter_map(move |line| line.split_once(word)?.1.strip_suffix(' '))
}

#[test]
fn processes_that_are_killed_never_consume_more_than_there_is() {
    if let Some(path) = std::env::var_os(CONSUME_FROM) {
        consume_until_all_is_gone(Path::new(&path), &std::env::var(NUMBER).unwrap());
        return;
    }
    let folder = Folder::new();
    let auth = open(&folder.db());
    let mut license = LicenseDescription::new("l1", KEY);
    license.fingerprint = Some("fp".into());
    license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]);
    license.limits.insert("AI_CREDITS_MONTHLY".into(), ALLOCATION);
    let file = sign(&SigningKey::from_seed(&[7; 32]), &license, Kind::Machine, true, Some(NOW)).unwrap();
    let caller = Caller { now: Some(NOW), ..Caller::system() };
    auth.license().activate_offline(KEY, file.as_bytes(), false, &caller).unwrap();

    let mut lines = Vec::new();
    let mut number = 0;
    // Waves of processes, most of which are killed in the middle; the last wave finds the end.
    for lifetime in [5, 15, 40, 80, 150].map(Some).into_iter().chain([None]) {
        let mut wave: Vec<Child> = (0..8)
            .map(|_| {
                number += 1;
                consumer(&folder.db(), number)
            })
            .collect();
        if let Some(millis) = lifetime {
            std::thread::sleep(Duration::from_millis(100 + millis));
            wave.iter_mut().for_each(|child| child.kill().unwrap());
        }
        for mut child in wave {
            lines.extend(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
            assert!(child.wait().unwrap().success() || lifetime.is_some());
        }
    }
    let balance = auth.license().balance(None, Some(NOW)).unwrap();
    assert_eq!((balance.used, balance.left), (9_999, 1), "all that can be had in threes");

    // What was granted was counted, once; what was asked when a process died was, or was not.
    let granted = i64::try_from(said(&lines, "granted ").count()).unwrap();
    assert!(granted * AMOUNT <= balance.used, "{granted} were granted");
    let mut counted = 0;
    for operation in said(&lines, "asks ") {
        match auth.license().consume(AMOUNT, operation, None, Some(NOW)) {
            Ok(same) => {
                assert_eq!(same.used, balance.used, "{operation} counted twice");
                counted += 1;
            }
            Err(error) => assert_eq!(error.code(), Code::LimitExceeded),
        }
    }
    assert_eq!(counted * AMOUNT, balance.used);
}
