//! Argon2 at the hash layer, against what others computed: RFC 9106 section 5, the reference implementation's known
//! answers, and its good and bad strings.

use inspire_auth_platform::{
    argon2::{Algorithm, Inputs, Parameters, Version, hash},
    memory::Spare,
};
use serde_json::Value;

use super::options;
use crate::{
    Id, StoreLocation,
    keys::{Hasher, hash::Verdict, phc::Phc},
    store::{CredentialRow, Origin, Scheme, Strength},
};

const GIB: u64 = 1 << 30;

fn vectors(file: &str) -> String {
    let root = std::env::var_os("INSPIRE_VECTORS_DIR").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        std::path::PathBuf::from,
    );
    let path = root.join("argon2").join(file);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; set INSPIRE_VECTORS_DIR to the folder of vectors", path.display()))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn algorithm(name: &str) -> Algorithm {
    match name {
        "argon2d" => Algorithm::D,
        "argon2i" => Algorithm::I,
        "argon2id" => Algorithm::Id,
        other => panic!("{other}"),
    }
}

/// The inputs that all known answers with a secret and associated data share.
fn known_answer(algorithm: Algorithm, version: Version) -> [u8; 32] {
    let parameters = Parameters { algorithm, version, memory_kib: 32, iterations: 3, parallelism: 4 };
    let inputs = Inputs { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], data: &[4; 12] };
    let mut tag = [0; 32];
    hash(&parameters, &inputs, &mut Spare::default(), &mut tag).unwrap();
    tag
}

#[test]
fn rfc_9106_section_5() {
    let cases: Vec<Value> = serde_json::from_str(&vectors("rfc9106_section5.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        assert_eq!((hex(text("password")), hex(text("salt"))), (vec![1; 32], vec![2; 16]));
        assert_eq!((hex(text("secret")), hex(text("ad"))), (vec![3; 8], vec![4; 12]));
        assert_eq!(known_answer(algorithm(text("alg")), Version::V19).to_vec(), hex(text("tag")), "{}", text("alg"));
    }
}

#[test]
fn known_answers_of_the_reference_implementation() {
    for name in ["argon2d", "argon2i", "argon2id"] {
        for (suffix, version) in [("", Version::V19), ("_v16", Version::V16)] {
            let text = vectors(&format!("kats_{name}{suffix}.txt"));
            assert!(text.contains("Memory: 32 KiB, Iterations: 3, Parallelism: 4 lanes, Tag length: 32 bytes"));
            let tag = text.lines().find_map(|line| line.strip_prefix("Tag: ")).unwrap();
            assert_eq!(known_answer(algorithm(name), version).to_vec(), hex(tag), "{name}{suffix}");
        }
    }
}

fn verify(phc: &str, secret: &str) -> Verdict {
    let mut options = options(StoreLocation::Memory);
    options.max_hash_memory = GIB;
    let row = CredentialRow {
        id: Id::NIL,
        key_id: Id::NIL,
        scheme: Scheme::Argon2,
        hash: phc.to_owned(),
        tag: None,
        tag_key_id: None,
        pepper_id: None,
        origin: Origin::Imported,
        strength: Strength::Chosen,
        not_after: None,
        created_at: 0,
    };
    Hasher::new(&options).unwrap().verify(&row, secret.as_bytes(), &mut Spare::default())
}

#[test]
fn strings_of_others_verify_or_are_refused() {
    let all: Value = serde_json::from_str(&vectors("phc_strings.json")).unwrap();
    let list = |name: &str| all[name].as_array().unwrap().clone();

    let mut extra_inputs = 0;
    for phc in list("valid_for_password") {
        let phc = phc.as_str().unwrap();
        if phc.contains("keyid=") || phc.contains("data=") {
            extra_inputs += 1;
            assert!(Phc::parse(phc, GIB).is_err(), "{phc}");
        } else {
            assert!(matches!(verify(phc, "password"), Verdict::Right { .. }), "{phc}");
            assert_eq!(verify(phc, "Password"), Verdict::Wrong, "{phc}");
        }
    }
    assert_eq!(extra_inputs, 3);

    for case in list("bad") {
        let phc = case["phc"].as_str().unwrap();
        assert!(Phc::parse(phc, GIB).is_err(), "{} {phc}", case["name"]);
    }
    for case in list("reference_c_bad") {
        let phc = case["phc"].as_str().unwrap();
        if case["error"] == "ARGON2_VERIFY_MISMATCH" {
            assert_eq!(verify(phc, "password"), Verdict::Wrong, "{phc}");
        } else {
            assert!(Phc::parse(phc, GIB).is_err(), "{phc}");
        }
    }
    let hashes = list("reference_c_hashes");
    assert_eq!(hashes.len(), 26);
    for case in hashes {
        let (phc, secret) = (case["phc"].as_str().unwrap(), case["password"].as_str().unwrap());
        assert!(matches!(verify(phc, secret), Verdict::Right { .. }), "{phc}");
        let raw = Phc::parse(phc, GIB).unwrap();
        assert_eq!(raw.output, hex(case["hex"].as_str().unwrap()));
    }
}
