//! Lines that no vector can hold: the driver answers each of them, in order, and goes on.

#![cfg(test)]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

fn answers(input: &[u8]) -> Vec<Value> {
    let mut driver = Command::new(env!("CARGO_BIN_EXE_inspire-auth-driver"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = driver.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || to.write_all(&input).unwrap());
    let output = driver.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output.stdout.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn what_is_no_request_is_answered_and_ends_nothing() {
    let deep = "[".repeat(100_000);
    let lines: [&[u8]; 9] = [
        b"junk",
        b"",
        b"[]",
        b"\xff\xfe",
        b"{\"id\": 7}",
        b"{\"id\": {\"any\": [\"thing\"]}, \"op\": 1}",
        deep.as_bytes(),
        b"{\"id\": 1, \"op\": \"version\", \"id\": 2}\r",
        b"{\"id\": 3, \"op\": {\"b64\": \"dmVyc2lvbg==\"}}",
    ];
    let answers = answers(&lines.join(&b'\n'));
    assert_eq!(answers.len(), lines.len());
    for (answer, id) in answers.iter().zip([json!(null), json!(null), json!(null), json!(null), json!(7)]) {
        assert_eq!(answer, &json!({"id": id, "result": "INVALID_ARGUMENT"}));
    }
    assert_eq!(answers[5], json!({"id": {"any": ["thing"]}, "result": "INVALID_ARGUMENT"}));
    assert_eq!(answers[6]["result"], "INVALID_ARGUMENT");
    // The last line has no newline behind it.
    assert_eq!((&answers[7]["result"], &answers[8]["result"]), (&json!("OK"), &json!("OK")));
}

#[test]
fn a_refused_operation_still_names_all_its_fields() {
    let answers = answers(b"{\"id\":1,\"op\":\"keys.create\",\"handle\":9}\n{\"id\":2,\"op\":\"authenticate\"}\n");
    assert_eq!(answers[0], json!({"id": 1, "result": "INVALID_ARGUMENT", "record": null, "key": null}));
    let refused = json!({"id": 2, "result": "INVALID_ARGUMENT", "http": null, "challenge": null, "principal": null});
    assert_eq!(answers[1], refused);
}
