//! `license_state.json`: what installing a file does, and what the license says at each moment afterwards.

use serde_json::{Value, json};

pub(super) use super::issue::MACHINE;
use super::{
    DAY, NOW,
    issue::{Document, Entitlements, KEY, Kind, NAME, machine_file, stranger, time, trusted, vendor},
    model::{File, Group, Steps, merge},
};

const NOTES: &[(&str, &str)] = &[
    ("Unlicensed", "without a license something is granted, or asking is an error"),
    ("Status", "the status page would show something else than the signed file"),
    ("Masked", "the license key is shown whole"),
    ("NothingChanges", "a file that was refused leaves something behind"),
    (
        "Refused",
        "a file is installed that must not be, or is refused with a code that sends an administrator the wrong way",
    ),
    ("Older", "an older file replaces a newer one, so that what was taken back comes again"),
    ("Tombstone", "a deactivated file is installed again"),
    ("Moment", "expiry is judged when the file is read, or with `>` instead of `>=`"),
    ("Clock", "a clock that was set back makes an ended license good again"),
    ("Reverified", "what was good when it was installed is believed without being verified again"),
    ("Shared", "another handle on the same store does not see the change at once"),
    ("Actor", "someone who may not change the license does"),
    ("Limits", "a limit is granted that the license does not name, or after it has ended"),
];

/// Options of a store in which [`machine_file`] can be installed.
pub(super) fn licensed() -> Value {
    json!({"trusted_keys": [trusted("vendor", &vendor())], "machine_id": MACHINE})
}

/// Installs a file at [`NOW`].
pub(super) fn activate(s: &mut Steps, file: &str, result: &str) {
    s.expect("license.activate_offline", json!({"license_key": KEY, "lic": file, "now": NOW}), result);
}

pub(super) fn file() -> File {
    let groups =
        vec![unlicensed(), active(), refusals(), older(), tombstone(), moments(), reverified(), shared(), actors()];
    File { name: "license_state.json", notes: NOTES, groups }
}

fn status(s: &mut Steps, now: i64, status: Value) {
    s.ask("license.status", json!({"now": now}), json!({"result": "OK", "status": status}));
}

fn nothing() -> Value {
    json!({
        "state": "unlicensed", "name": null, "key": null, "mode": null, "expires_at": null, "lease_expires_at": null,
        "last_validated_at": null, "limits": no_limits(), "entitlements": [], "warnings": [],
    })
}

fn no_limits() -> Value {
    json!({"MAX_DISPLAYS": 0, "MAX_AGILES": 0, "AI_CREDITS_MONTHLY": 0})
}

fn has(s: &mut Steps, entitlement: &str, now: i64, value: bool) {
    s.ask("license.has", json!({"entitlement": entitlement, "now": now}), json!({"result": "OK", "value": value}));
}

fn limit(s: &mut Steps, name: &str, now: i64, value: i64) {
    s.ask("license.limit", json!({"name": name, "now": now}), json!({"result": "OK", "value": value}));
}

fn unlicensed() -> Group {
    let mut group = Group::new(1, "without a license");
    group.test("status, entitlements and limits", &["Unlicensed"], |s| {
        s.open(json!({}));
        status(s, NOW, nothing());
        has(s, "VIDEO_WALL_SYNC", NOW, false);
        limit(s, "MAX_DISPLAYS", NOW, 0);
        limit(s, "NO_SUCH_LIMIT", NOW, 0);
        s.expect("license.revalidate", json!({"now": NOW}), "UNLICENSED");
        s.expect("license.deactivate", json!({"now": NOW}), "UNLICENSED");
    });
    group
}

fn active() -> Group {
    let mut group = Group::new(101, "a machine file is installed");
    group.test("everything that the status shows", &["Status", "Masked"], |s| {
        s.open(licensed());
        let shown = json!({
            "state": "active", "name": NAME, "key": "********7890", "mode": "offline", "expires_at": NOW + 365 * DAY,
            "lease_expires_at": NOW + 300 * DAY, "last_validated_at": NOW,
            "limits": {"MAX_DISPLAYS": 25, "MAX_AGILES": 4, "AI_CREDITS_MONTHLY": -1},
            "entitlements": ["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"], "warnings": [],
        });
        let arguments = json!({"license_key": KEY, "lic": machine_file(), "now": NOW});
        s.ask("license.activate_offline", arguments, json!({"result": "OK", "status": shown}));
        status(s, NOW + 1, shown);
        has(s, "VIDEO_WALL_SYNC", NOW, true);
        has(s, "OFFLINE_LICENSING", NOW, true);
        has(s, "SSO_SAML", NOW, false);
        has(s, "NO_SUCH_THING", NOW, false);
    });
    group.test("limits", &["Limits"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        limit(s, "MAX_DISPLAYS", NOW, 25);
        limit(s, "MAX_AGILES", NOW, 4);
        limit(s, "AI_CREDITS_MONTHLY", NOW, -1);
        limit(s, "NO_SUCH_LIMIT", NOW, 0);
    });
    group.test("a plain machine file", &["Status"], |s| {
        s.open(licensed());
        activate(s, &Document::machine().plain().sign(), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW, true);
    });
    group.test("a license and a file that never end", &["Status"], |s| {
        s.open(licensed());
        activate(s, &Document { license_expiry: None, file_expiry: None, ..Document::machine() }.sign(), "OK");
        let shown = json!({"state": "active", "expires_at": null, "lease_expires_at": null, "warnings": []});
        status(s, NOW + 5000 * DAY, shown);
    });
    group.test("a key of eight characters is masked whole", &["Masked"], |s| {
        s.open(licensed());
        let file = Document { key: json!("SHORT-01"), ..Document::machine().plain() }.sign();
        let arguments = json!({"license_key": "SHORT-01", "lic": file, "now": NOW});
        s.ask("license.activate_offline", arguments, json!({"result": "OK", "status": {"key": "********"}}));
    });
    group.test("a license file, where the host allows it", &["Status"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"allow_unbound": true}));
        s.open(options);
        activate(s, &Document::license().sign(), "OK");
        status(s, NOW, json!({"state": "active", "warnings": ["NOT_MACHINE_BOUND"]}));
    });
    group.test("the product that the host is", &["Status"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"product": super::issue::PRODUCT}));
        s.open(options);
        activate(s, &machine_file(), "OK");
    });
    group.test("an offline license is renewed with a new file, not online", &["Status"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        s.expect("license.revalidate", json!({"now": NOW}), "NOT_AVAILABLE_OFFLINE");
        status(s, NOW, json!({"state": "active"}));
    });
    group.test("a license that is about to end says so", &["Status"], |s| {
        s.open(licensed());
        let file = Document { license_expiry: Some(NOW + 40 * DAY), file_expiry: None, ..Document::machine() };
        activate(s, &file.sign(), "OK");
        status(s, NOW + 9 * DAY, json!({"state": "active", "warnings": []}));
        status(s, NOW + 11 * DAY, json!({"state": "active", "warnings": ["EXPIRES_SOON"]}));
    });
    group
}

fn refusals() -> Group {
    let mut group = Group::new(201, "files that are refused, and leave everything as it was");
    let machine = Document::machine;
    let tampered = super::issue::with_envelope(Kind::Machine, &machine_file(), &json!({"alg": "base64+ed25519"}));
    let tampered_enc = super::issue::with_changed_enc(Kind::Machine, &machine_file());
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "another machine, encrypted",
            Document { fingerprint: "other", ..machine() }.sign(),
            "LICENSE_KEY_OR_MACHINE_MISMATCH",
        ),
        ("another machine", Document { fingerprint: "other", ..machine().plain() }.sign(), "MACHINE_MISMATCH"),
        ("another key", Document { key: json!("OTHER-KEY"), ..machine().plain() }.sign(), "LICENSE_KEY_MISMATCH"),
        (
            "no OFFLINE_LICENSING",
            Document { entitlements: Entitlements::Granted(vec!["MFA"]), ..machine() }.sign(),
            "OFFLINE_NOT_ENTITLED",
        ),
        (
            "entitlements not included",
            Document { entitlements: Entitlements::NotIncluded, ..machine() }.sign(),
            "ENTITLEMENTS_NOT_INCLUDED",
        ),
        ("the license not included", Document { include_license: false, ..machine() }.sign(), "LICENSE_NOT_INCLUDED"),
        ("a license file", Document::license().sign(), "NOT_MACHINE_BOUND"),
        ("the file ended", Document { file_expiry: Some(NOW), ..machine() }.sign(), "LICENSE_FILE_EXPIRED"),
        ("the license ended", Document { license_expiry: Some(NOW), ..machine() }.sign(), "LICENSE_EXPIRED"),
        ("suspended", Document { suspended: true, ..machine() }.sign(), "LICENSE_SUSPENDED"),
        ("signed in the future", Document { issued: json!(time(NOW + 301)), ..machine() }.sign(), "CLOCK_ROLLBACK"),
        ("not a license file", "hello".to_owned(), "LICENSE_MALFORMED"),
        ("changed", tampered_enc, "LICENSE_SIGNATURE_INVALID"),
        ("its unsigned algorithm changed", tampered, "LICENSE_MALFORMED"),
    ];
    for (comment, file, result) in cases {
        group.test(format!("{comment}: nothing installed before"), &["Refused", "NothingChanges"], |s| {
            s.open(licensed());
            activate(s, &file, result);
            status(s, NOW, nothing());
        });
        group.test(format!("{comment}: the license before stays"), &["NothingChanges"], |s| {
            s.open(licensed());
            activate(s, &machine_file(), "OK");
            activate(s, &file, result);
            status(s, NOW, json!({"state": "active", "name": NAME}));
            has(s, "VIDEO_WALL_SYNC", NOW, true);
        });
    }
    group.test("a key that this process does not trust", &["Refused"], |s| {
        s.open(json!({"trusted_keys": [trusted("stranger", &stranger())], "machine_id": MACHINE}));
        activate(s, &machine_file(), "LICENSE_SIGNATURE_INVALID");
    });
    group.test("no trusted key at all", &["Refused"], |s| {
        s.open(json!({"machine_id": MACHINE}));
        activate(s, &machine_file(), "LICENSE_SIGNATURE_INVALID");
    });
    group.test("another product", &["Refused"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"product": "00000000-0000-4000-8000-000000000000"}));
        s.open(options);
        activate(s, &machine_file(), "LICENSE_PRODUCT_MISMATCH");
    });
    group.test("another key than the one it is encrypted under", &["Refused"], |s| {
        s.open(licensed());
        let arguments = json!({"license_key": "OTHER-KEY", "lic": machine_file(), "now": NOW});
        s.expect("license.activate_offline", arguments, "LICENSE_KEY_OR_MACHINE_MISMATCH");
    });
    group.test("`force` forces none of this", &["Refused"], |s| {
        s.open(licensed());
        for file in [Document { suspended: true, ..machine() }.sign(), Document::license().sign()] {
            let arguments = json!({"license_key": KEY, "lic": file, "now": NOW, "force": true});
            let result = if file.contains("MACHINE") { "LICENSE_SUSPENDED" } else { "NOT_MACHINE_BOUND" };
            s.expect("license.activate_offline", arguments, result);
        }
    });
    group
}

fn issued(offset: i64) -> String {
    Document { issued: json!(time(NOW + offset)), ..Document::machine() }.sign()
}

fn at(file: &str, now: i64) -> Value {
    json!({"license_key": KEY, "lic": file, "now": now})
}

fn older() -> Group {
    let mut group = Group::new(301, "an older file of the same license");
    group.test("is refused, unless forced", &["Older"], |s| {
        s.open(licensed());
        s.expect("license.activate_offline", at(&issued(100), NOW + 100), "OK");
        s.expect("license.activate_offline", at(&issued(99), NOW + 100), "LICENSE_FILE_OLDER");
        let mut forced = at(&issued(99), NOW + 100);
        merge(&mut forced, &json!({"force": true}));
        s.expect("license.activate_offline", forced, "OK");
    });
    group.test("the same one again, and a newer one, are not", &["Older"], |s| {
        s.open(licensed());
        for offset in [0, 0, 1] {
            s.expect("license.activate_offline", at(&issued(offset), NOW + 10), "OK");
        }
    });
    group.test("of another license is not", &["Older"], |s| {
        let other =
            Document { id: "00000000-1111-4222-8333-444444444444", issued: json!(time(NOW)), ..Document::machine() };
        s.open(licensed());
        s.expect("license.activate_offline", at(&issued(100), NOW + 100), "OK");
        s.expect("license.activate_offline", at(&other.sign(), NOW + 100), "OK");
    });
    group
}

fn tombstone() -> Group {
    let mut group = Group::new(401, "a deactivation");
    group.test("takes everything away and buries the file", &["Tombstone", "Unlicensed"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        s.ask(
            "license.deactivate",
            json!({"now": NOW}),
            json!({"result": "OK", "status": {"state": "unlicensed", "entitlements": []}}),
        );
        status(s, NOW, json!({"state": "unlicensed", "key": null, "entitlements": [], "limits": no_limits()}));
        has(s, "VIDEO_WALL_SYNC", NOW, false);
        activate(s, &machine_file(), "LICENSE_FILE_OLDER");
        let mut forced = at(&machine_file(), NOW);
        merge(&mut forced, &json!({"force": true}));
        s.expect("license.activate_offline", forced, "LICENSE_FILE_OLDER");
        s.expect("license.deactivate", json!({"now": NOW}), "UNLICENSED");
    });
    group.test("an older file stays buried, a newer one does not", &["Tombstone"], |s| {
        s.open(licensed());
        s.expect("license.activate_offline", at(&issued(10), NOW + 10), "OK");
        s.expect("license.deactivate", json!({"now": NOW + 10}), "OK");
        s.expect("license.activate_offline", at(&issued(9), NOW + 10), "LICENSE_FILE_OLDER");
        s.expect("license.activate_offline", at(&issued(11), NOW + 11), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW + 11, true);
    });
    group.test("is remembered by the store", &["Tombstone"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"store": "${tmp}/keys.db"}));
        s.open(options.clone());
        activate(s, &machine_file(), "OK");
        s.expect("license.deactivate", json!({"now": NOW}), "OK").expect("close", json!({}), "OK").open(options);
        activate(s, &machine_file(), "LICENSE_FILE_OLDER");
    });
    group
}

fn moments() -> Group {
    let mut group = Group::new(501, "the same handle at different moments");
    group.test("the license's end", &["Moment", "Limits"], |s| {
        s.open(licensed());
        activate(s, &Document { license_expiry: Some(NOW + DAY), ..Document::machine() }.sign(), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW + DAY - 1, true);
        limit(s, "MAX_DISPLAYS", NOW + DAY - 1, 25);
        has(s, "VIDEO_WALL_SYNC", NOW + DAY, false);
        limit(s, "MAX_DISPLAYS", NOW + DAY, 0);
        limit(s, "AI_CREDITS_MONTHLY", NOW + DAY, 0);
        status(s, NOW + DAY, json!({"state": "expired", "name": NAME, "entitlements": [], "limits": no_limits()}));
        has(s, "VIDEO_WALL_SYNC", NOW + DAY - 1, true);
    });
    group.test("the file's end", &["Moment"], |s| {
        s.open(licensed());
        activate(s, &Document { file_expiry: Some(NOW + DAY), ..Document::machine() }.sign(), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW + DAY - 1, true);
        has(s, "VIDEO_WALL_SYNC", NOW + DAY, false);
        status(s, NOW + DAY, json!({"state": "expired", "entitlements": []}));
    });
    group.test("a clock more than five minutes behind the time of signing", &["Clock"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW - 300, true);
        has(s, "VIDEO_WALL_SYNC", NOW - 301, false);
        status(s, NOW - 301, json!({"state": "invalid", "entitlements": []}));
        has(s, "VIDEO_WALL_SYNC", NOW, true);
    });
    group.test("a jump forward and back locks nothing", &["Clock"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW + 4000 * DAY, false);
        has(s, "VIDEO_WALL_SYNC", NOW, true);
    });
    group.test("the mark of a newer file is kept when another license is installed", &["Clock"], |s| {
        let other = Document { id: "00000000-1111-4222-8333-444444444444", ..Document::machine() };
        s.open(licensed());
        s.expect("license.activate_offline", at(&issued(1000), NOW + 1000), "OK");
        s.expect("license.activate_offline", at(&other.sign(), NOW + 699), "CLOCK_ROLLBACK");
        s.expect("license.activate_offline", at(&other.sign(), NOW + 700), "OK");
        has(s, "VIDEO_WALL_SYNC", NOW + 699, false);
        has(s, "VIDEO_WALL_SYNC", NOW + 700, true);
    });
    group
}

fn reverified() -> Group {
    let mut group = Group::new(601, "what is installed is verified again when the store is opened");
    let cases = [
        ("the same process again", licensed(), "active"),
        (
            "a key added",
            json!({"trusted_keys": [trusted("stranger", &stranger()), trusted("vendor", &vendor())], "machine_id": MACHINE}),
            "active",
        ),
        (
            "the key no longer trusted",
            json!({"trusted_keys": [trusted("stranger", &stranger())], "machine_id": MACHINE}),
            "invalid",
        ),
        ("no trusted key", json!({"machine_id": MACHINE}), "invalid"),
        ("another machine", json!({"trusted_keys": [trusted("vendor", &vendor())], "machine_id": "other"}), "invalid"),
        (
            "another product",
            json!({"trusted_keys": [trusted("vendor", &vendor())], "machine_id": MACHINE, "product": "other"}),
            "invalid",
        ),
    ];
    for (encrypted, kind) in [(true, "encrypted"), (false, "plain")] {
        for (comment, options, state) in &cases {
            group.test(format!("{kind}: {comment}"), &["Reverified"], |s| {
                let store = json!({"store": "${tmp}/keys.db"});
                let mut first = licensed();
                merge(&mut first, &store);
                s.open(first);
                activate(s, &Document { encrypted, ..Document::machine() }.sign(), "OK");
                let mut second = options.clone();
                merge(&mut second, &store);
                s.expect("close", json!({}), "OK").open(second);
                status(s, NOW, json!({"state": state}));
                has(s, "VIDEO_WALL_SYNC", NOW, *state == "active");
            });
        }
    }
    group
}

fn shared() -> Group {
    let mut group = Group::new(701, "two handles on one store");
    group.test("an activation and a deactivation are seen at once", &["Shared"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"store": "${tmp}/keys.db"}));
        s.open(options.clone()).open_as("h2", options);
        let two = |value: bool| {
            (
                json!({"handle": "${h2}", "entitlement": "VIDEO_WALL_SYNC", "now": NOW}),
                json!({"result": "OK", "value": value}),
            )
        };
        let (ask, no) = two(false);
        s.ask("license.has", ask, no);
        activate(s, &machine_file(), "OK");
        let (ask, yes) = two(true);
        s.ask("license.has", ask, yes);
        s.expect("license.deactivate", json!({"now": NOW}), "OK");
        let (ask, no) = two(false);
        s.ask("license.has", ask, no);
    });
    group
}

fn actors() -> Group {
    let mut group = Group::new(801, "who may change the license");
    group.test("no one, unless the host says who", &["Actor"], |s| {
        s.open(licensed()).create("admin", &["Authenticated/Admin"], json!({})).sign_in("admin");
        let mut arguments = at(&machine_file(), NOW);
        merge(&mut arguments, &json!({"actor": "${actor_admin}"}));
        s.expect("license.activate_offline", arguments, "PERMISSION_DENIED");
        status(s, NOW, json!({"state": "unlicensed"}));
    });
    group.test("those who satisfy the admin requirement; to write keys is not enough", &["Actor"], |s| {
        let mut options = licensed();
        let requirements = json!({"admin_requirement": {"any": ["Authenticated/Admin"]}, "write_requirement": {"any": ["Authenticated/Write"]}});
        merge(&mut options, &requirements);
        s.open(options).create("admin", &["Authenticated/Admin"], json!({})).create("writer", &["Authenticated/Write"], json!({}));
        s.sign_in("admin").sign_in("writer");
        for (actor, result) in [("${actor_writer}", "PERMISSION_DENIED"), ("${actor_admin}", "OK")] {
            let mut arguments = at(&machine_file(), NOW);
            merge(&mut arguments, &json!({"actor": actor}));
            s.expect("license.activate_offline", arguments, result);
        }
        for (actor, result) in [("${actor_writer}", "PERMISSION_DENIED"), ("${actor_admin}", "NOT_AVAILABLE_OFFLINE")] {
            s.expect("license.revalidate", json!({"now": NOW, "actor": actor}), result);
        }
        for (actor, result) in [("${actor_writer}", "PERMISSION_DENIED"), ("${actor_admin}", "OK")] {
            s.expect("license.deactivate", json!({"now": NOW, "actor": actor}), result);
        }
    });
    group
}
