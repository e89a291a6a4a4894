//! `import.json`: hashes that others made (T8, T12, T13), and the budget of failures.

use argon2::{Algorithm, Version};
use serde_json::{Value, json};

use super::{
    BUSY, INVALID, MALFORMED,
    model::{File, Group, Steps, refused},
    secrets::{Fixed, Hash, generated, ignition, phc},
};

const NOTES: &[(&str, &str)] = &[
    ("Phc", "a hash that Argon2 made is not read, or is read with other parameters than it names"),
    ("Renewal", "after the hash was renewed the key is lost, or takes another secret too"),
    ("T8-HashAsKey", "T8: what the store holds is accepted as the key"),
    ("T12-Canonical", "T12: several spellings of an Ignition token decode to the same bytes, and all are accepted"),
    ("T13-Bounds", "T13: parameters of a stored hash are believed before they are looked at: memory, time, a panic"),
    ("BadPhc", "a text that is no PHC string, or holds what is not supported, is imported"),
    ("Budget", "a fast check of a human-chosen secret can be asked as often as one likes"),
    ("AllOrNone", "of many imports some are made although another can't be, or not all of them are"),
    ("Fields", "an import does not keep its settings, or does not say that it is one"),
];

pub(super) fn file() -> File {
    let groups = vec![good(), bounds(), unreadable(), ignition_good(), ignition_bad(), budget(), fields(), many()];
    File { name: "import.json", notes: NOTES, groups }
}

fn import(name: &str, format: &str, hash: &str) -> Value {
    json!({"name": name, "format": format, "hash": hash, "strength": "random", "levels": [], "require_secure": false})
}

fn granted(s: &mut Steps, name: &str, secret: &str) {
    s.check(&format!("{name}:{secret}"), json!({}), json!({"result": "OK", "principal": {"name": name}}));
}

fn good() -> Group {
    let mut group =
        Group::new(1, "PHC strings of every kind; each is checked twice, since the first success renews the hash");
    let default = Hash::default;
    let id = Algorithm::Argon2id;
    let cases = [
        ("argon2id", default()),
        ("argon2i", Hash { algorithm: Algorithm::Argon2i, ..default() }),
        ("argon2d", Hash { algorithm: Algorithm::Argon2d, ..default() }),
        ("version 16", Hash { version: Version::V0x10, algorithm: id, ..default() }),
        ("three passes", Hash { t: 3, ..default() }),
        ("two lanes", Hash { p: 2, ..default() }),
        ("16 lanes", Hash { m: 128, p: 16, ..default() }),
        ("64 passes", Hash { m: 8, t: 64, ..default() }),
        ("the least memory", Hash { m: 8, ..default() }),
        ("memory that is no multiple of the lanes", Hash { m: 67, p: 2, ..default() }),
        ("a salt of 8 bytes", Hash { salt: 8, ..default() }),
        ("a salt of 64 bytes", Hash { salt: 64, ..default() }),
        ("an output of 16 bytes", Hash { output: 16, ..default() }),
        ("an output of 64 bytes", Hash { output: 64, ..default() }),
    ];
    for (comment, hash) in cases {
        group.test(comment, &["Phc", "Renewal"], |s| checked_twice(s, &phc(&hash, "correct-horse")));
    }
    let unversioned = phc(&Hash { version: Version::V0x10, ..default() }, "correct-horse").replace("v=16$", "");
    group.test("without a version, which means 16", &["Phc"], |s| checked_twice(s, &unversioned));
    let not_16 = phc(&default(), "correct-horse").replace("v=19$", "");
    group.test("without its version, 19: no secret fits", &["Phc"], |s| {
        s.open(json!({})).expect("keys.import", import("old", "phc", &not_16), "OK");
        s.check("old:correct-horse", json!({}), refused(INVALID));
    });
    group
}

fn checked_twice(s: &mut Steps, hash: &str) {
    s.open(json!({})).expect("keys.import", import("old", "phc", hash), "OK");
    s.check("old:correct-horsf", json!({}), refused(INVALID));
    granted(s, "old", "correct-horse");
    granted(s, "old", "correct-horse");
    s.check("old:correct-horsf", json!({}), refused(INVALID));
    s.ask("keys.get", json!({"name": "old"}), json!({"result": "OK", "record": {"origin": "imported", "revision": 1}}));
}

/// A PHC string with these parts; salt and output are zeros of these lengths.
fn written(parameters: &str, salt: usize, output: usize) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as B64};
    format!("$argon2id$v=19${parameters}${}${}", B64.encode(vec![0; salt]), B64.encode(vec![0; output]))
}

fn refuse(group: &mut Group, comment: &str, flags: &'static [&'static str], options: Value, hash: &str) {
    group.test(comment, flags, |s| {
        s.open(options).expect("keys.import", import("bad", "phc", hash), "INVALID_HASH");
        s.expect("keys.get", json!({"name": "bad"}), "NOT_FOUND");
    });
}

fn bounds() -> Group {
    let mut group = Group::new(101, "parameters past the bounds are refused before any memory is taken");
    let cases = [
        ("m of 4 GiB", written("m=4194304,t=1,p=1", 16, 32)),
        ("m one past 1 GiB", written("m=1048577,t=1,p=1", 16, 32)),
        ("m of 2^32 - 1", written("m=4294967295,t=1,p=1", 16, 32)),
        ("m of 2^32 + 64, which wraps to 64", written("m=4294967360,t=1,p=1", 16, 32)),
        ("t of 65", written("m=64,t=65,p=1", 16, 32)),
        ("t of 2^32 - 1", written("m=64,t=4294967295,p=1", 16, 32)),
        ("p of 17", written("m=1024,t=1,p=17", 16, 32)),
        ("p of 2^32 - 1", written("m=64,t=1,p=4294967295", 16, 32)),
        ("m of 0", written("m=0,t=1,p=1", 16, 32)),
        ("t of 0", written("m=64,t=0,p=1", 16, 32)),
        ("p of 0", written("m=64,t=1,p=0", 16, 32)),
        ("m below 8 times p", written("m=63,t=1,p=8", 16, 32)),
        ("no salt", written("m=64,t=1,p=1", 0, 32)),
        ("a salt of 7 bytes", written("m=64,t=1,p=1", 7, 32)),
        ("a salt of 65 bytes", written("m=64,t=1,p=1", 65, 32)),
        ("an output of 15 bytes", written("m=64,t=1,p=1", 16, 15)),
        ("an output of 65 bytes", written("m=64,t=1,p=1", 16, 65)),
        ("a string of 10 kB", written("m=64,t=1,p=1", 7500, 32)),
        ("a number below zero", written("m=-64,t=1,p=1", 16, 32)),
        ("a number of a hundred digits", written(&format!("m={},t=1,p=1", "9".repeat(100)), 16, 32)),
    ];
    for (comment, hash) in cases {
        refuse(&mut group, comment, &["T13-Bounds"], json!({}), &hash);
    }
    let small = json!({"max_hash_memory": 1_048_576});
    refuse(&mut group, "m above max_hash_memory", &["T13-Bounds"], small.clone(), &written("m=1025,t=1,p=1", 16, 32));
    group.test("m of exactly max_hash_memory", &["T13-Bounds"], |s| {
        let hash = phc(&Hash { m: 1024, ..Hash::default() }, "correct-horse");
        s.open(small).expect("keys.import", import("old", "phc", &hash), "OK");
        granted(s, "old", "correct-horse");
    });
    group
}

fn unreadable() -> Group {
    let mut group = Group::new(201, "texts that are no PHC string of ours");
    let good = phc(&Hash::default(), "correct-horse");
    let cases = [
        ("nothing", String::new()),
        ("any text", "secret".to_owned()),
        ("a dollar sign", "$".to_owned()),
        ("bcrypt", "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned()),
        ("scrypt", "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ".to_owned()),
        ("an algorithm that does not exist", good.replace("argon2id", "argon2x")),
        ("the algorithm in another case", good.replace("argon2id", "Argon2id")),
        ("version 18", good.replace("v=19", "v=18")),
        ("version 20", good.replace("v=19", "v=20")),
        ("a key id", good.replace("p=1$", "p=1,keyid=Zm9v$")),
        ("data", good.replace("p=1$", "p=1,data=Zm9v$")),
        ("an unknown parameter", good.replace("p=1$", "p=1,x=1$")),
        ("a parameter twice", good.replace("p=1$", "p=1,p=1$")),
        ("a parameter missing", good.replace(",p=1$", "$")),
        ("no parameters", good.replace("m=64,t=1,p=1$", "")),
        ("no output", good.rsplit_once('$').map_or("", |(head, _)| head).to_owned()),
        ("neither salt nor output", "$argon2id$v=19$m=64,t=1,p=1".to_owned()),
        ("something after the output", format!("{good}$AAAA")),
        ("a line feed after the output", format!("{good}\n")),
        ("a space before it", format!(" {good}")),
        ("padding", format!("{good}=")),
        ("a NUL", good.replace("$m=", "$\u{0}m=")),
    ];
    for (comment, hash) in cases {
        refuse(&mut group, comment, &["BadPhc"], json!({}), &hash);
    }
    group
}

fn ignition_good() -> Group {
    let mut group = Group::new(301, "Ignition's token files");
    let (secret, hash) = ignition("ignition");
    let near = spelled_otherwise(&secret);
    group.test("the token, before and after its hash is renewed", &["Renewal"], |s| {
        s.open(json!({})).expect("keys.import", import("ign", "ignition", &hash), "OK");
        granted(s, "ign", &secret);
        granted(s, "ign", &secret);
        s.ask(
            "keys.get",
            json!({"name": "ign"}),
            json!({"result": "OK", "record": {"origin": "imported", "revision": 1}}),
        );
    });
    group.test("another spelling of the same bytes, before and after", &["T12-Canonical", "Renewal"], |s| {
        s.open(json!({})).expect("keys.import", import("ign", "ignition", &hash), "OK");
        s.check(&format!("ign:{near}"), json!({}), refused(INVALID));
        granted(s, "ign", &secret);
        s.check(&format!("ign:{near}"), json!({}), refused(INVALID));
    });
    let wrong = [
        ("padding", format!("{secret}="), MALFORMED),
        ("the other alphabet", "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8".to_owned(), MALFORMED),
        (
            "white space inside",
            format!("{} {}", secret.get(..20).unwrap_or_default(), secret.get(20..).unwrap_or_default()),
            MALFORMED,
        ),
        ("33 bytes", format!("{}AA", secret.get(..42).unwrap_or_default()), INVALID),
        ("31 bytes", secret.get(..42).unwrap_or_default().to_owned(), INVALID),
        ("a generated key", generated("ignition"), INVALID),
    ];
    for (comment, presented, how) in wrong {
        group.test(format!("presented: {comment}"), &["T12-Canonical"], |s| {
            s.open(json!({})).expect("keys.import", import("ign", "ignition", &hash), "OK");
            s.check(&format!("ign:{presented}"), json!({}), refused(how));
        });
    }
    group.test("the hash presented as the token", &["T8-HashAsKey"], |s| {
        s.open(json!({})).expect("keys.import", import("ign", "ignition", &hash), "OK");
        s.check(&format!("ign:{hash}"), json!({}), refused(INVALID));
        granted(s, "ign", &secret);
        s.check(&format!("ign:{hash}"), json!({}), refused(INVALID));
    });
    group
}

/// The last character carries 4 bits of the token and 2 spare ones: here the lowest spare one is set.
fn spelled_otherwise(secret: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut letters: Vec<char> = secret.chars().collect();
    if let Some(last) = letters.last_mut() {
        let value = DIGITS.find(*last).unwrap_or(0);
        *last = DIGITS.chars().nth(value | 1).unwrap_or('A');
    }
    letters.into_iter().collect()
}

fn ignition_bad() -> Group {
    let mut group = Group::new(401, "texts that are no Ignition hash");
    let (_, hash) = ignition("ignition");
    let cases = [
        ("nothing", String::new()),
        ("too short", hash.get(..42).unwrap_or_default().to_owned()),
        ("too long", format!("{hash}A")),
        ("padding", format!("{hash}=")),
        ("the other alphabet", "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8".to_owned()),
        ("spare bits set", spelled_otherwise(&hash)),
        ("a PHC string", phc(&Hash::default(), "correct-horse")),
        ("white space", format!("{hash} ")),
    ];
    for (comment, hash) in cases {
        group.test(comment, &["T12-Canonical"], |s| {
            s.open(json!({})).expect("keys.import", import("bad", "ignition", &hash), "INVALID_HASH");
        });
    }
    group
}

fn budget() -> Group {
    let mut group = Group::new(501, "ten failures a minute for a human-chosen secret, then the key is busy");
    let chosen = |s: &mut Steps, strength: Value| {
        let mut arguments = import("door", "phc", &phc(&Hash::default(), "correct-horse"));
        super::model::merge(&mut arguments, &json!({"strength": strength}));
        s.open(json!({})).expect("keys.import", arguments, "OK");
    };
    for (comment, strength) in [("chosen", json!("chosen")), ("chosen by default", json!("$absent"))] {
        group.test(format!("a secret that is {comment}"), &["Budget"], |s| {
            chosen(s, strength);
            s.create("other", &[], json!({}));
            for guess in 0..10 {
                s.check(&format!("door:guess-{guess}"), json!({}), refused(INVALID));
            }
            s.check("door:guess-10", json!({}), refused(BUSY));
            s.check("door:correct-horse", json!({}), refused(BUSY));
            s.granted("other", json!({}));
        });
    }
    group.test("a random secret has no budget", &["Budget"], |s| {
        chosen(s, json!("random"));
        for guess in 0..15 {
            s.check(&format!("door:guess-{guess}"), json!({}), refused(INVALID));
        }
        granted(s, "door", "correct-horse");
    });
    group.test("successes cost nothing of the budget", &["Budget"], |s| {
        chosen(s, json!("chosen"));
        for _ in 0..15 {
            granted(s, "door", "correct-horse");
        }
        s.check("door:guess", json!({}), refused(INVALID));
    });
    group
}

fn fields() -> Group {
    let mut group = Group::new(601, "what an import keeps");
    let key = Fixed::new("kept");
    group.test("its settings", &["Fields"], |s| {
        s.open(json!({}));
        let more = json!({"description": "from elsewhere", "require_secure": true, "expires_at": super::NOW + 1, "now": super::NOW});
        s.import(&key, &["Authenticated/Ops"], more);
        let record = json!({
            "type": "basic-token", "name": "kept", "description": "from elsewhere", "levels": ["Authenticated/Ops"],
            "require_secure": true, "enabled": true, "created_at": super::NOW, "updated_at": super::NOW,
            "expires_at": super::NOW + 1, "last_used_at": null, "revision": 1, "origin": "imported",
        });
        s.ask("keys.get", json!({"name": "kept"}), json!({"result": "OK", "record": record}));
    });
    group.test("a rotation makes it a generated one", &["Fields", "Renewal"], |s| {
        s.open(json!({})).import(&key, &[], json!({}));
        s.ask(
            "keys.rotate",
            json!({"name": "kept", "overlap_seconds": 0}),
            json!({"result": "OK", "record": {"origin": "generated"}, "key": {"$bind": "kept"}}),
        );
        s.check(&key.credential(), json!({}), refused(INVALID)).granted("kept", json!({}));
    });
    for (comment, more, result) in [
        ("a name that is taken", json!({}), "NAME_TAKEN"),
        ("a name that is none", json!({"name": "-"}), "INVALID_NAME"),
        ("a level that is none", json!({"name": "b", "levels": ["//"]}), "INVALID_LEVEL"),
    ] {
        group.test(comment, &["Fields"], |s| {
            s.open(json!({})).import(&key, &[], json!({}));
            let mut arguments = import("kept", "phc", &key.phc);
            super::model::merge(&mut arguments, &more);
            s.expect("keys.import", arguments, result);
        });
    }
    group
}

fn many() -> Group {
    let mut group = Group::new(701, "many keys at once: all of them, or none");
    let flags: &[&str] = &["AllOrNone"];
    let good = |name: &str| import(name, "phc", &phc(&Hash::default(), "correct-horse"));
    let all = |imports: &[Value]| json!({"imports": imports});
    group.test("two keys of two formats, used at once", flags, |s| {
        let (secret, hash) = ignition("ignition");
        let imports = [good("old"), import("ign", "ignition", &hash)];
        s.open(json!({})).ask("keys.import_all", all(&imports), json!({"result": "OK", "count": 2}));
        granted(s, "old", "correct-horse");
        granted(s, "ign", &secret);
        s.check("ign:correct-horse", json!({}), refused(INVALID));
    });
    group.test("none", flags, |s| {
        s.open(json!({})).ask("keys.import_all", all(&[]), json!({"result": "OK", "count": 0}));
        s.ask("keys.list", json!({}), json!({"result": "OK", "records": []}));
        s.ask("audit", json!({"limit": 10}), json!({"result": "OK", "events": []}));
    });
    let mut level = good("b");
    super::model::merge(&mut level, &json!({"levels": ["//"]}));
    for (comment, second, result) in [
        ("a name that is taken", good("taken"), "NAME_TAKEN"),
        ("one name twice", good("a"), "NAME_TAKEN"),
        ("a hash that is none in the second", import("b", "phc", "x"), "INVALID_HASH"),
        ("a name that is none", good("-"), "INVALID_NAME"),
        ("a level that is none", level, "INVALID_LEVEL"),
    ] {
        group.test(comment, flags, |s| {
            s.open(json!({})).create("taken", &[], json!({}));
            s.expect("keys.import_all", all(&[good("a"), second, good("c")]), result);
            s.expect("keys.get", json!({"name": "a"}), "NOT_FOUND");
            s.expect("keys.get", json!({"name": "c"}), "NOT_FOUND");
            s.granted("taken", json!({}));
        });
    }
    group
}
