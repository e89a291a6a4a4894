//! Where the test vectors are.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// A file or folder of the vectors, which stand beside the project or where `INSPIRE_VECTORS_DIR` says.
pub fn vectors(name: &str) -> PathBuf {
    let folder = std::env::var_os("INSPIRE_VECTORS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.exists(),
        "the test vector {} is not there\nset INSPIRE_VECTORS_DIR to the folder that holds keygen/ and ed25519/",
        path.display()
    );
    path
}

/// A JSON file of the vectors.
#[allow(dead_code)]
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors(name)).unwrap()).unwrap()
}
