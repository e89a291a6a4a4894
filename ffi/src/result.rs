//! Every answer the library can give, as C knows it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use inspire_auth_core::{Code, Entry, TABLE};

use crate::{
    boundary::infallible,
    text::{Text, inspire_str, lend},
};

/// What a call came to: one of `INSPIRE_RESULT_...`. 0 is success; everything else is not.
pub type inspire_result = u32;

/// The values of `inspire_result`. Numbers are never reused; a later library may return ones that are not here.
// Written out, since the header is made from this text; the tests below compare it with the table of the core.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum inspire_result_code {
    /// Success.
    INSPIRE_RESULT_OK = 0,
    /// Not decided yet.
    INSPIRE_RESULT_PENDING = 1,
    /// An argument is not valid.
    INSPIRE_RESULT_INVALID_ARGUMENT = 100,
    /// A required pointer is NULL.
    INSPIRE_RESULT_NULL_PARAMETER = 101,
    /// An option is not supported by this version of the library.
    INSPIRE_RESULT_UNSUPPORTED_OPTION = 102,
    /// The name is not valid.
    INSPIRE_RESULT_INVALID_NAME = 103,
    /// The security level is not valid.
    INSPIRE_RESULT_INVALID_LEVEL = 104,
    /// The stored hash can't be used.
    INSPIRE_RESULT_INVALID_HASH = 105,
    /// A key of this name exists.
    INSPIRE_RESULT_NAME_TAKEN = 106,
    /// There is no such key.
    INSPIRE_RESULT_NOT_FOUND = 107,
    /// The record was changed by someone else.
    INSPIRE_RESULT_CONFLICT = 108,
    /// The actor may not do this.
    INSPIRE_RESULT_PERMISSION_DENIED = 109,
    /// The call was cancelled.
    INSPIRE_RESULT_CANCELLED = 110,
    /// No credential was sent.
    INSPIRE_RESULT_NO_CREDENTIAL = 200,
    /// The credential is malformed, or there is more than one.
    INSPIRE_RESULT_MALFORMED_CREDENTIAL = 201,
    /// The credential is not valid.
    INSPIRE_RESULT_INVALID_CREDENTIAL = 202,
    /// This key may only be used over a secure connection.
    INSPIRE_RESULT_SECURE_CHANNEL_REQUIRED = 203,
    /// The key does not hold a required security level.
    INSPIRE_RESULT_INSUFFICIENT_LEVEL = 204,
    /// Too many credentials are being checked for the first time.
    INSPIRE_RESULT_BUSY = 205,
    /// The path is not canonical.
    INSPIRE_RESULT_PATH_NOT_CANONICAL = 206,
    /// No route allows this path and method.
    INSPIRE_RESULT_ROUTE_DENIED = 207,
    /// No license is installed.
    INSPIRE_RESULT_UNLICENSED = 300,
    /// The license does not include this feature.
    INSPIRE_RESULT_NOT_ENTITLED = 301,
    /// The license file can't be read.
    INSPIRE_RESULT_LICENSE_MALFORMED = 302,
    /// The license file uses an algorithm that is not supported.
    INSPIRE_RESULT_LICENSE_UNSUPPORTED_ALGORITHM = 303,
    /// The license file was not signed by a trusted key, or was changed afterwards.
    INSPIRE_RESULT_LICENSE_SIGNATURE_INVALID = 304,
    /// The license file is encrypted, and the license key or the machine id is missing.
    INSPIRE_RESULT_LICENSE_KEY_REQUIRED = 305,
    /// The license file can't be decrypted with this license key and this machine id; one of the two does not match.
    INSPIRE_RESULT_LICENSE_KEY_OR_MACHINE_MISMATCH = 306,
    /// The machine file does not carry its license.
    INSPIRE_RESULT_LICENSE_NOT_INCLUDED = 307,
    /// The license is for another product.
    INSPIRE_RESULT_LICENSE_PRODUCT_MISMATCH = 308,
    /// The clock of this machine is behind the time at which the license was signed.
    INSPIRE_RESULT_CLOCK_ROLLBACK = 309,
    /// The license file has expired.
    INSPIRE_RESULT_LICENSE_FILE_EXPIRED = 310,
    /// The license is suspended.
    INSPIRE_RESULT_LICENSE_SUSPENDED = 311,
    /// The license has expired.
    INSPIRE_RESULT_LICENSE_EXPIRED = 312,
    /// The license key does not belong to this license file.
    INSPIRE_RESULT_LICENSE_KEY_MISMATCH = 313,
    /// The license file was made for another machine.
    INSPIRE_RESULT_MACHINE_MISMATCH = 314,
    /// The license does not allow offline activation.
    INSPIRE_RESULT_OFFLINE_NOT_ENTITLED = 315,
    /// The license file does not say which entitlements it has.
    INSPIRE_RESULT_ENTITLEMENTS_NOT_INCLUDED = 316,
    /// The license file names no machine.
    INSPIRE_RESULT_NOT_MACHINE_BOUND = 317,
    /// A newer file of this license is installed, or this one was deactivated here.
    INSPIRE_RESULT_LICENSE_FILE_OLDER = 318,
    /// A trusted public key is not a sound Ed25519 key.
    INSPIRE_RESULT_WEAK_TRUSTED_KEY = 319,
    /// Re-validation is only available for licenses activated online; to renew an offline license, activate it again with a new file.
    INSPIRE_RESULT_NOT_AVAILABLE_OFFLINE = 320,
    /// This machine has no readable identity.
    INSPIRE_RESULT_FINGERPRINT_UNAVAILABLE = 321,
    /// A limit of the license is reached.
    INSPIRE_RESULT_LIMIT_EXCEEDED = 322,
    /// This machine is not activated for the license.
    INSPIRE_RESULT_NOT_ACTIVATED = 323,
    /// The licensing server does not know this license key.
    INSPIRE_RESULT_LICENSE_UNKNOWN = 324,
    /// The license is in use on as many machines as it allows.
    INSPIRE_RESULT_MACHINE_LIMIT_REACHED = 325,
    /// The licensing server refuses this license.
    INSPIRE_RESULT_LICENSE_REFUSED = 326,
    /// The store can't be opened, read or written.
    INSPIRE_RESULT_STORE_UNAVAILABLE = 400,
    /// The store is damaged, or not a store of this library.
    INSPIRE_RESULT_STORE_CORRUPT = 401,
    /// Another process holds the store's write lock.
    INSPIRE_RESULT_STORE_LOCKED = 402,
    /// The store can't be written.
    INSPIRE_RESULT_STORE_READ_ONLY = 403,
    /// The disk is full.
    INSPIRE_RESULT_STORE_FULL = 404,
    /// The store is on a network file system, where SQLite's locks can't be relied on.
    INSPIRE_RESULT_STORE_NETWORK_FILESYSTEM = 405,
    /// The store was made by another version of the library.
    INSPIRE_RESULT_STORE_VERSION = 406,
    /// The store can't be shown to be up to date.
    INSPIRE_RESULT_STORE_STALE = 407,
    /// The store was replaced by another or an older one while in use.
    INSPIRE_RESULT_STORE_HISTORY_CHANGED = 408,
    /// The audit log can't be written, so nothing may be changed.
    INSPIRE_RESULT_AUDIT_UNAVAILABLE = 409,
    /// The licensing server's name can't be resolved.
    INSPIRE_RESULT_NETWORK_DNS = 500,
    /// The licensing server can't be connected to.
    INSPIRE_RESULT_NETWORK_CONNECT = 501,
    /// No secure connection to the licensing server: its certificate is not accepted, or it speaks another TLS.
    INSPIRE_RESULT_NETWORK_TLS = 502,
    /// The proxy can't be used, or refuses.
    INSPIRE_RESULT_NETWORK_PROXY = 503,
    /// The licensing server did not answer in time.
    INSPIRE_RESULT_NETWORK_TIMEOUT = 504,
    /// The host's policy does not allow this connection.
    INSPIRE_RESULT_NETWORK_POLICY = 505,
    /// The licensing server answered with an error.
    INSPIRE_RESULT_SERVER_STATUS = 506,
    /// The licensing server asks for fewer calls.
    INSPIRE_RESULT_SERVER_RATE_LIMITED = 507,
    /// The licensing server's answer can't be read.
    INSPIRE_RESULT_SERVER_ANSWER_MALFORMED = 508,
    /// The answer was not signed by the licensing server, or not for this question.
    INSPIRE_RESULT_SERVER_SIGNATURE_INVALID = 509,
    /// This machine's clock and the licensing server's are more than 5 minutes apart.
    INSPIRE_RESULT_CLOCK_SKEW = 510,
    /// Internal error.
    INSPIRE_RESULT_INTERNAL = 900,
}

/// The texts of one row of the table, ready for C.
struct Row {
    name: Text,
    message: Text,
    admin: Text,
    developer: Text,
}

/// Made at the first call, and never replaced. No lock is waited for: a forked child might inherit it.
static TEXTS: ArcSwapOption<Vec<Row>> = ArcSwapOption::const_empty();

fn texts() -> Option<Arc<Vec<Row>>> {
    if let Some(texts) = TEXTS.load_full() {
        return Some(texts);
    }
    let row = |entry: &Entry| Row {
        name: Text::new(entry.name),
        message: Text::new(entry.message),
        admin: Text::new(entry.admin),
        developer: Text::new(entry.developer),
    };
    let made = Arc::new(TABLE.iter().map(row).collect());
    TEXTS.rcu(|present| Some(Arc::clone(present.as_ref().unwrap_or(&made))));
    TEXTS.load_full()
}

fn entry(result: inspire_result) -> Option<&'static Entry> {
    Code::from_number(result).map(Code::entry)
}

fn text(result: inspire_result, of: fn(&Row) -> &Text) -> inspire_str {
    infallible(inspire_str::NONE, || {
        let at = TABLE.binary_search_by_key(&result, |entry| entry.number).ok();
        let texts = texts();
        // What is lent lives on in `TEXTS`.
        lend(at.and_then(|at| texts.as_ref()?.get(at)).map(of))
    })
}

/// How many codes there are.
///
/// \return the number
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_count() -> usize {
    TABLE.len()
}

/// One code, in the order of their numbers: to go through all of them.
///
/// \param index from 0
/// \return the code; `INSPIRE_RESULT_INTERNAL` beyond the end
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_at(index: usize) -> inspire_result {
    TABLE.get(index).map_or(Code::Internal.number(), |entry| entry.number)
}

/// The stable identifier of a code, the same in every language, such as "LICENSE_EXPIRED".
///
/// \param result a code
/// \return lives for ever; `{NULL, 0}` for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_name(result: u32) -> inspire_str {
    text(result, |row| &row.name)
}

/// What a code means, in English, in lower case, without a full stop.
///
/// \param result a code
/// \return lives for ever; `{NULL, 0}` for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_message(result: u32) -> inspire_str {
    text(result, |row| &row.message)
}

/// What an administrator should do about a code.
///
/// \param result a code
/// \return lives for ever; `{NULL, 0}` for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_admin_advice(result: u32) -> inspire_str {
    text(result, |row| &row.admin)
}

/// What a developer should do about a code.
///
/// \param result a code
/// \return lives for ever; `{NULL, 0}` for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_developer_advice(result: u32) -> inspire_str {
    text(result, |row| &row.developer)
}

/// Whether the same call may succeed later without anything being changed.
///
/// \param result a code
/// \return false for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_is_retryable(result: u32) -> bool {
    entry(result).is_some_and(|entry| entry.retry)
}

/// The HTTP status that the table gives for a code. What a host answers is `inspire_auth_http_status`, which knows the
/// options.
///
/// \param result a code
/// \return the status; 0 where no request is answered by this code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_http_status(result: u32) -> u32 {
    entry(result).and_then(|entry| entry.http).map_or(0, u32::from)
}

/// Whether a conformance vector reaches a code: of use to those who test a language binding.
///
/// \param result a code
/// \return false for a number that is no code
#[unsafe(no_mangle)]
pub extern "C" fn inspire_result_has_vector(result: u32) -> bool {
    entry(result).is_some_and(|entry| entry.proof.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The enumerators as they stand in this file: their names, and their numbers.
    fn written() -> Vec<(String, u32)> {
        let source = include_str!("result.rs");
        let body = source.split("pub enum inspire_result_code {").nth(1).unwrap().split("\n}").next().unwrap();
        body.lines()
            .filter_map(|line| line.trim().strip_prefix("INSPIRE_RESULT_")?.strip_suffix(',')?.split_once(" = "))
            .map(|(name, number)| (name.to_owned(), number.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_enum_and_the_table_are_one() {
        let table: Vec<_> = TABLE.iter().map(|entry| (entry.name.to_owned(), entry.number)).collect();
        assert_eq!(written(), table);
    }

    /// The C++ header repeats the codes by hand.
    #[test]
    fn the_enum_in_cpp_and_the_table_are_one() {
        let header = include_str!("../../include/inspire_auth.hpp");
        for entry in TABLE {
            let line = format!("    {} = INSPIRE_RESULT_{},\n", entry.name.to_lowercase(), entry.name);
            assert!(header.contains(&line), "{line}");
        }
        let enumerators = header.lines().filter(|line| line.contains(" = INSPIRE_RESULT_") && line.ends_with(','));
        assert_eq!(enumerators.count(), TABLE.len());
    }

    #[test]
    fn the_comments_are_the_messages_of_the_table() {
        let source = include_str!("result.rs");
        for entry in TABLE {
            let mut message = entry.message.to_owned();
            message[..1].make_ascii_uppercase();
            let expected = format!("    /// {message}.\n    INSPIRE_RESULT_{} = ", entry.name);
            assert!(source.contains(&expected), "{expected}");
        }
    }
}
