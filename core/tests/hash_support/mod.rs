//! What the tests of a hash's memory share.
#![allow(dead_code, reason = "each test file uses its own part")]

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use inspire_auth_core::{
    Code, InspireAuth,
    keys::{Caller, Channel, Import, ImportFormat, NewKey, Presented, Request, Requirement},
    store::Strength,
};

/// Makes a key; its credential.
pub fn create(auth: &InspireAuth, name: &str) -> String {
    let created = auth.keys().create(&NewKey::named(name), &Caller::system()).unwrap();
    format!("Bearer {}", created.credential().as_str())
}

/// Imports a key whose hash takes so many KiB, computed by other means; its credential.
pub fn import(auth: &InspireAuth, name: &str, memory_kib: u32) -> String {
    let salt = b"salt of 16 bytes";
    let mut output = [0; 32];
    let parameters = argon2::Params::new(memory_kib, 1, 1, Some(32)).unwrap();
    let context = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    context.hash_password_into(b"secret", salt, &mut output).unwrap();
    let [salt, output] = [&salt[..], &output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    let hash = format!("$argon2id$v=19$m={memory_kib},t=1,p=1${salt}${output}");
    let import = Import { key: NewKey::named(name), format: ImportFormat::Phc, hash, strength: Strength::Random };
    auth.keys().import(&import, &Caller::system()).unwrap();
    format!("Bearer {name}:secret")
}

/// Whether a credential is granted.
pub fn ask(auth: &InspireAuth, header: &str) -> Result<(), Code> {
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(header.as_bytes()), &any);
    request.channel = Channel::Secure;
    auth.authenticate(&request).map(drop).map_err(|error| error.code())
}

/// A line of what Linux says of this process, in bytes.
pub fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap().checked_mul(1024).unwrap()
}
