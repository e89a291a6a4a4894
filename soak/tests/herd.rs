//! The sweep `herd`, for a few seconds: what must hold holds; what it takes is for the long form to say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use inspire_auth_soak::herd::{Scale, brief};

#[test]
fn a_herd_and_a_guesser_are_bounded() {
    brief(&Scale::SHORT).unwrap();
}
