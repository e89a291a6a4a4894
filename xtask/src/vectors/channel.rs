//! `channel.json`: the channel of a request that came through a proxy (T26).

use serde_json::{Value, json};

use super::model::{File, Group};

const NOTES: &[(&str, &str)] = &[
    ("T26-Trusted", "T26: a proxy that the host trusts is not believed"),
    ("T26-Spoof", "T26: anybody can make a plain request look secure by a header"),
    ("Unreadable", "a list of proxies that can't be read trusts nobody, or everybody"),
];

pub(super) fn file() -> File {
    File { name: "channel.json", notes: NOTES, groups: vec![trusted(), spoofed(), unreadable()] }
}

fn arguments(proxies: &str, peer: &str, headers: &Value) -> Value {
    json!({"handle": "$absent", "proxies": proxies, "peer": peer, "direct": "local", "headers": headers})
}

fn trusted() -> Group {
    let mut group = Group::new(1, "a trusted peer is believed");
    for (proxies, peer) in [
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "::ffff:10.1.2.3"),
        ("fd00::/8, 192.0.2.1", "fd12::1"),
        ("0.0.0.0/0", "203.0.113.9"),
    ] {
        group.test(format!("{peer} of {proxies}"), &["T26-Trusted"], |s| {
            for (headers, channel) in [
                (json!([["X-Forwarded-Proto", "https"]]), "secure"),
                (json!([["x-forwarded-proto", " HTTPS "]]), "secure"),
                (json!([["X-Forwarded-Proto", "http"]]), "plain"),
                (json!([]), "plain"),
            ] {
                s.ask("channel", arguments(proxies, peer, &headers), json!({"result": "OK", "channel": channel}));
            }
        });
    }
    group
}

fn spoofed() -> Group {
    let mut group = Group::new(101, "whoever is not trusted, or says two things, is not believed");
    let https = json!([["X-Forwarded-Proto", "https"]]);
    for (proxies, peer) in [
        ("", "10.1.2.3"),
        ("10.0.0.0/8", "11.1.2.3"),
        ("10.1.2.3", "10.1.2.4"),
        ("::/0", "10.1.2.3"),
        ("fd00::/8", "fe80::1"),
    ] {
        group.test(format!("{peer} is not of `{proxies}`"), &["T26-Spoof"], |s| {
            s.ask("channel", arguments(proxies, peer, &https), json!({"result": "OK", "channel": "local"}));
        });
    }
    for headers in [
        json!([["X-Forwarded-Proto", "https, http"]]),
        json!([["X-Forwarded-Proto", "https"], ["x-forwarded-proto", "https"]]),
        json!([["X_Forwarded_Proto", "https"]]),
        json!([["X-Forwarded-Proto", ""]]),
        json!([["Forwarded", "proto=https"]]),
        json!([["X-Forwarded-Proto", {"b64": "aHR0cHOA"}]]),
    ] {
        group.test(format!("a trusted peer that says {headers}"), &["T26-Spoof"], |s| {
            s.ask(
                "channel",
                arguments("10.0.0.0/8", "10.1.2.3", &headers),
                json!({"result": "OK", "channel": "plain"}),
            );
        });
    }
    group
}

fn unreadable() -> Group {
    let mut group = Group::new(201, "lists and addresses that can't be read");
    for (proxies, peer) in [
        ("10.0.0.0/33", "10.1.2.3"),
        ("10.0.0", "10.1.2.3"),
        ("::1/129", "::1"),
        ("10.0.0.0/", "10.1.2.3"),
        ("localhost", "127.0.0.1"),
        ("10.0.0.0/8", "10.1.2.3:443"),
        ("10.0.0.0/8", ""),
    ] {
        group.test(format!("`{peer}` of `{proxies}`"), &["Unreadable"], |s| {
            s.expect("channel", arguments(proxies, peer, &json!([])), "INVALID_ARGUMENT");
        });
    }
    group
}
