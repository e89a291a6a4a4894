//! Which library this is.

use crate::{boundary::infallible, text::inspire_str};

/// The version, with the NUL that C wants behind it.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// One number of the version, read at compile time.
const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}

/// The version of the library that runs, such as "0.1.0". That of the header is `INSPIRE_AUTH_VERSION`.
///
/// \return lives for ever
#[unsafe(no_mangle)]
pub extern "C" fn inspire_auth_version() -> inspire_str {
    infallible(inspire_str::NONE, || inspire_str {
        data: VERSION.as_ptr().cast(),
        len: VERSION.len().saturating_sub(1),
    })
}

/// The version of the library that runs, in the packing of `INSPIRE_AUTH_VERSION_NUMBER`: major << 16 | minor << 8 |
/// patch.
///
/// \return the number
#[unsafe(no_mangle)]
pub extern "C" fn inspire_auth_version_number() -> u32 {
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// The version of the ABI that runs. Inside one, things are only added; that of the header is
/// `INSPIRE_AUTH_ABI_VERSION`.
///
/// \return the number
#[unsafe(no_mangle)]
pub extern "C" fn inspire_auth_abi_version() -> u32 {
    inspire_auth_core::ABI_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_crate_and_the_core_are_one_version() {
        assert_eq!(VERSION.trim_end_matches('\0'), inspire_auth_core::VERSION);
        let [major, minor, patch] = [16, 8, 0].map(|shift| (inspire_auth_version_number() >> shift) & 0xff);
        assert_eq!(format!("{major}.{minor}.{patch}"), inspire_auth_core::VERSION);
    }
}
