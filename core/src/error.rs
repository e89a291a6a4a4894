//! One table of every answer the library can give.
//!
//! From [`TABLE`] come the C enum, the language bindings' exceptions, the JSON of the conformance tests and
//! `docs/errors.md`; a code means the same thing, and has the same number, everywhere. Numbers are grouped (1xx the
//! caller's arguments, 2xx API keys, 3xx licensing, 4xx the store, 9xx internal) and never reused.

use std::{borrow::Cow, error::Error as StdError, fmt, num::NonZeroU32, sync::Arc};

/// `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One row of the table: what a code means, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The code itself.
    pub code: Code,
    /// Stable number, the same in the C enum.
    pub number: u32,
    /// Stable identifier, such as `LICENSE_EXPIRED`.
    pub name: &'static str,
    /// What happened, in lower case and without a full stop. Never holds caller data.
    pub message: &'static str,
    /// What an administrator should do.
    pub admin: &'static str,
    /// What a developer should do.
    pub developer: &'static str,
    /// Whether the same call may succeed later without anything being changed.
    pub retry: bool,
    /// The HTTP status with which a host answers a request refused by this code; `None` where no request is.
    pub http: Option<u16>,
    /// `None` when a conformance vector reaches the code; otherwise the Rust test that does.
    pub proof: Option<&'static str>,
}

macro_rules! http {
    (-) => {
        None
    };
    ($n:literal) => {
        Some($n)
    };
}

macro_rules! proof {
    (vector) => {
        None
    };
    ($test:literal) => {
        Some($test)
    };
}

macro_rules! codes {
    ($($number:literal $variant:ident $name:literal $http:tt $retry:ident $proof:tt
        $message:literal; admin $admin:literal; developer $developer:literal;)*) => {
        /// Every answer the library can give, by its stable number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum Code {
            $(
                #[doc = $message]
                $variant = $number,
            )*
        }

        /// The whole table, by number.
        pub const TABLE: &[Entry] = &[
            $(Entry {
                code: Code::$variant,
                number: $number,
                name: $name,
                message: $message,
                admin: $admin,
                developer: $developer,
                retry: $retry,
                http: http!($http),
                proof: proof!($proof),
            },)*
        ];

        impl Code {
            /// The row of the table that describes this code.
            #[must_use]
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Code::$variant => const { &Entry {
                        code: Code::$variant,
                        number: $number,
                        name: $name,
                        message: $message,
                        admin: $admin,
                        developer: $developer,
                        retry: $retry,
                        http: http!($http),
                        proof: proof!($proof),
                    } },)*
                }
            }
        }
    };
}

codes! {
    0 Ok "OK" 200 false vector
        "success";
        admin "nothing to do"; developer "nothing to do";
    1 Pending "PENDING" - true "core/src/keys/tests/cold.rs::no_wait_answers_pending_and_then_the_decision"
        "not decided yet";
        admin "nothing to do"; developer "wait for the ticket, poll it, or give a callback";

    100 InvalidArgument "INVALID_ARGUMENT" - false vector
        "an argument is not valid";
        admin "check the value that was entered"; developer "see the function's documentation for the accepted range";
    101 NullParameter "NULL_PARAMETER" - false "tests/c/misuse.c"
        "a required pointer is NULL";
        admin "report this to the developer of the host application"; developer "pass a valid pointer";
    102 UnsupportedOption "UNSUPPORTED_OPTION" - false "tests/c/misuse.c"
        "an option is not supported by this version of the library";
        admin "update the library"; developer "the options structure is longer than this library knows and its tail is not zero, or the feature is not in this build";
    103 InvalidName "INVALID_NAME" - false vector
        "the name is not valid";
        admin "use 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit"; developer "names match [A-Za-z0-9][A-Za-z0-9._-]{0,63}";
    104 InvalidLevel "INVALID_LEVEL" - false vector
        "the security level is not valid";
        admin "write levels as a path such as Authenticated/Roles/Operator; Public can't be granted"; developer "at most 8 segments of 1 to 64 characters of printable ASCII without / , ( ) \" \\, no space at an edge, and no segment that is a dot or two";
    105 InvalidHash "INVALID_HASH" - false vector
        "the stored hash can't be used";
        admin "import a PHC string of argon2id, argon2i or argon2d within the documented bounds, or an Ignition token hash"; developer "bounds: m <= 1 GiB and <= max_hash_memory, t <= 64, p <= 16, salt 8 to 64 bytes, output 16 to 64 bytes; keyid and data are refused";
    106 NameTaken "NAME_TAKEN" - false vector
        "a key of this name exists";
        admin "choose another name"; developer "names are unique, byte for byte";
    107 NotFound "NOT_FOUND" - false vector
        "there is no such key";
        admin "check the name; it is case-sensitive"; developer "it may have been deleted or renamed meanwhile";
    108 Conflict "CONFLICT" - false vector
        "the record was changed by someone else";
        admin "reload the record and try again"; developer "read the record again and repeat the change with its present revision";
    109 PermissionDenied "PERMISSION_DENIED" 403 false vector
        "the actor may not do this";
        admin "sign in with a key that holds the write or admin level, and every level the changed key holds"; developer "see write_requirement and admin_requirement; an actor can only handle levels that it satisfies itself";
    110 Cancelled "CANCELLED" - false "core/src/keys/tests/cold.rs::a_cancelled_ticket_says_so"
        "the call was cancelled";
        admin "nothing to do"; developer "the ticket was cancelled by the host";

    200 NoCredential "NO_CREDENTIAL" 401 false vector
        "no credential was sent";
        admin "send the API key in the Authorization or X-Ignition-API-Token header"; developer "answer 401 with the challenge";
    201 MalformedCredential "MALFORMED_CREDENTIAL" 400 false vector
        "the credential is malformed, or there is more than one";
        admin "send exactly one header, as `Authorization: Bearer <name>:<key>`"; developer "answer 400; check that no proxy joins or repeats headers";
    202 InvalidCredential "INVALID_CREDENTIAL" 401 false vector
        "the credential is not valid";
        admin "check that the key exists, is enabled, is not expired and was copied whole; the audit log has the exact reason"; developer "answer 401; the caller is never told which reason it was";
    203 SecureChannelRequired "SECURE_CHANNEL_REQUIRED" 403 false vector
        "this key may only be used over a secure connection";
        admin "use HTTPS and rotate the key, since its secret crossed an open channel"; developer "tell the library the real channel of the request";
    204 InsufficientLevel "INSUFFICIENT_LEVEL" 403 false vector
        "the key does not hold a required security level";
        admin "grant the key the level that `explain` names"; developer "answer 403";
    205 Busy "BUSY" 503 true vector
        "too many credentials are being checked for the first time";
        admin "retry shortly; if it lasts, raise max_hash_memory or use the hmac-sha256 scheme"; developer "answer 503 with Retry-After; never treat it as an invalid credential";

    206 PathNotCanonical "PATH_NOT_CANONICAL" 400 false vector
        "the path is not canonical";
        admin "nothing to do: the client asked for a path that could be read in two ways"; developer "answer 400; paths are refused, never rewritten: see the route table's documentation for what is canonical";
    207 RouteDenied "ROUTE_DENIED" 403 false vector
        "no route allows this path and method";
        admin "add the path and the method to the route table if they are meant to be reachable"; developer "a path outside the table, or a method that the longest matching prefix does not list, is denied";

    300 Unlicensed "UNLICENSED" 403 false vector
        "no license is installed";
        admin "activate a license"; developer "features are restricted until a license is activated";
    301 NotEntitled "NOT_ENTITLED" 403 false vector
        "the license does not include this feature";
        admin "ask your vendor for a license with this entitlement"; developer "answer 403 (or 402 by option)";
    302 LicenseMalformed "LICENSE_MALFORMED" 403 false vector
        "the license file can't be read";
        admin "use the file exactly as the vendor sent it"; developer "see LICENSE FILE and MACHINE FILE in the licensing documentation";
    303 LicenseUnsupportedAlgorithm "LICENSE_UNSUPPORTED_ALGORITHM" 403 false vector
        "the license file uses an algorithm that is not supported";
        admin "ask your vendor for a file signed with Ed25519"; developer "base64+ed25519 and aes-256-gcm+ed25519 are supported";
    304 LicenseSignatureInvalid "LICENSE_SIGNATURE_INVALID" 403 false vector
        "the license file was not signed by a trusted key, or was changed afterwards";
        admin "use the file exactly as the vendor sent it"; developer "check the trusted public keys";
    305 LicenseKeyRequired "LICENSE_KEY_REQUIRED" 403 false vector
        "the license file is encrypted, and the license key or the machine id is missing";
        admin "enter the license key that belongs to the file"; developer "give the license key, and for a machine file the machine id";
    306 LicenseKeyOrMachineMismatch "LICENSE_KEY_OR_MACHINE_MISMATCH" 403 false vector
        "the license file can't be decrypted with this license key and this machine id; one of the two does not match";
        admin "check the license key, and that the file was made for this machine"; developer "the two can't be told apart by decryption";
    307 LicenseNotIncluded "LICENSE_NOT_INCLUDED" 403 false vector
        "the machine file does not carry its license";
        admin "ask your vendor for a machine file that includes the license"; developer "check out with include=license,license.entitlements";
    308 LicenseProductMismatch "LICENSE_PRODUCT_MISMATCH" 403 false vector
        "the license is for another product";
        admin "use the license of this product"; developer "see the product option";
    309 ClockRollback "CLOCK_ROLLBACK" 403 true vector
        "the clock of this machine is behind the time at which the license was signed";
        admin "set the clock right"; developer "the clock is more than 5 minutes behind a signed time";
    310 LicenseFileExpired "LICENSE_FILE_EXPIRED" 403 false vector
        "the license file has expired";
        admin "ask for a new file, or re-validate online"; developer "meta.expiry, or the lease, is past";
    311 LicenseSuspended "LICENSE_SUSPENDED" 403 false vector
        "the license is suspended";
        admin "contact your vendor"; developer "suspended, banned, or a status this version does not know";
    312 LicenseExpired "LICENSE_EXPIRED" 403 false vector
        "the license has expired";
        admin "renew the license"; developer "the license's own expiry is past";
    313 LicenseKeyMismatch "LICENSE_KEY_MISMATCH" 403 false vector
        "the license key does not belong to this license file";
        admin "check the license key"; developer "attributes.key differs from the key given";
    314 MachineMismatch "MACHINE_MISMATCH" 403 false vector
        "the license file was made for another machine";
        admin "ask for a file for this machine; `machine id` shows its fingerprint"; developer "data.attributes.fingerprint differs from the machine id";
    315 OfflineNotEntitled "OFFLINE_NOT_ENTITLED" 403 false vector
        "the license does not allow offline activation";
        admin "activate online, or ask for a license with OFFLINE_LICENSING"; developer "offline activation needs the OFFLINE_LICENSING entitlement";
    316 EntitlementsNotIncluded "ENTITLEMENTS_NOT_INCLUDED" 403 false vector
        "the license file does not say which entitlements it has";
        admin "ask for a file that includes the entitlements"; developer "not included is not the same as not granted";
    317 NotMachineBound "NOT_MACHINE_BOUND" 403 false vector
        "the license file names no machine";
        admin "ask for a machine file made for this machine"; developer "license files are installed only with allow_unbound";
    318 LicenseFileOlder "LICENSE_FILE_OLDER" 403 false vector
        "a newer file of this license is installed, or this one was deactivated here";
        admin "use the newest file; `force` installs an older one that was not deactivated"; developer "see force";
    319 WeakTrustedKey "WEAK_TRUSTED_KEY" - false vector
        "a trusted public key is not a sound Ed25519 key";
        admin "report this to the developer of the host application"; developer "small-order and non-canonical points are refused";
    320 NotAvailableOffline "NOT_AVAILABLE_OFFLINE" - false vector
        "re-validation is only available for licenses activated online; to renew an offline license, activate it again with a new file";
        admin "activate again with a new license file"; developer "revalidate() needs an online activation";
    321 FingerprintUnavailable "FINGERPRINT_UNAVAILABLE" - false "core/src/license/machine.rs::nothing_readable_is_never_a_match"
        "this machine has no readable identity";
        admin "set machine_id, or keep a machine id file in a volume"; developer "never falls back to a MAC address, an IP address or a host name";
    322 LimitExceeded "LIMIT_EXCEEDED" 403 false "core/tests/license_status.rs::a_limit_is_checked_against_what_is_in_use"
        "a limit of the license is reached";
        admin "remove something, or ask your vendor for a higher limit"; developer "check_limit compares the number in use, the new one included, with the license's limit";

    323 NotActivated "NOT_ACTIVATED" 403 false "core/src/license/online/session.rs::a_machine_that_somebody_removed_is_not_activated"
        "this machine is not activated for the license";
        admin "activate again; somebody has taken this machine off the license"; developer "a signed answer said so, and it acts at once";
    324 LicenseUnknown "LICENSE_UNKNOWN" 403 false "core/src/license/online/protocol.rs::codes_become_ours"
        "the licensing server does not know this license key";
        admin "check the license key; it may have been deleted"; developer "a signed NOT_FOUND";
    325 MachineLimitReached "MACHINE_LIMIT_REACHED" 403 false "core/src/license/online/protocol.rs::codes_become_ours"
        "the license is in use on as many machines as it allows";
        admin "deactivate it on another machine, or ask your vendor for more"; developer "TOO_MANY_MACHINES, or MACHINE_LIMIT_EXCEEDED at the registration";
    326 LicenseRefused "LICENSE_REFUSED" 403 false "core/src/license/online/protocol.rs::codes_become_ours"
        "the licensing server refuses this license";
        admin "the detail has the server's own words; contact your vendor"; developer "a validation code that this version does not know";

    400 StoreUnavailable "STORE_UNAVAILABLE" 503 true vector
        "the store can't be opened, read or written";
        admin "check that the path exists and that this user may write it"; developer "the error's source has the cause";
    401 StoreCorrupt "STORE_CORRUPT" 503 false "core/tests/store_faults.rs::a_damaged_file_is_refused"
        "the store is damaged, or not a store of this library";
        admin "restore a backup"; developer "see `inspire-auth store restore`";
    402 StoreLocked "STORE_LOCKED" 503 true "core/tests/store_faults.rs::a_held_write_lock_is_reported"
        "another process holds the store's write lock";
        admin "retry; find the process that holds the store open in a transaction"; developer "the busy timeout of 5 seconds has passed";
    403 StoreReadOnly "STORE_READ_ONLY" 503 false "core/tests/store_faults.rs::a_read_only_folder_is_reported"
        "the store can't be written";
        admin "give this user write permission on the store's folder and files"; developer "a WAL reader needs write permission too";
    404 StoreFull "STORE_FULL" 503 true "core/tests/store_faults.rs::a_full_disk_is_reported_and_changes_nothing"
        "the disk is full";
        admin "free disk space"; developer "nothing was changed";
    405 StoreNetworkFilesystem "STORE_NETWORK_FILESYSTEM" - false "core/src/store/sqlite/open.rs::network_file_systems_are_refused"
        "the store is on a network file system, where SQLite's locks can't be relied on";
        admin "move the store to a local disk"; developer "use a local path";
    406 StoreVersion "STORE_VERSION" 503 false "core/tests/store_faults.rs::a_newer_schema_is_refused"
        "the store was made by another version of the library";
        admin "update the library; on PostgreSQL run `inspire-auth store migrate`"; developer "the schema's version is not the one that this build knows";
    407 StoreStale "STORE_STALE" 503 true "core/tests/fork.rs::a_raw_clone_answers_stale"
        "the store can't be shown to be up to date";
        admin "check the database and the network to it"; developer "on PostgreSQL: nothing was heard of it for max_staleness; in a child made by a raw clone: open a store of its own";
    408 StoreHistoryChanged "STORE_HISTORY_CHANGED" 503 false "core/tests/store_history.rs::a_replaced_database_is_noticed_and_revives_nothing"
        "the store was replaced by another or an older one while in use";
        admin "run `inspire-auth store adopt` if the change was meant, else restore the right store"; developer "checks are refused until an operator has spoken";

    409 AuditUnavailable "AUDIT_UNAVAILABLE" 503 true "core/src/audit/tests.rs::a_mutation_that_cannot_be_recorded_is_denied"
        "the audit log can't be written, so nothing may be changed";
        admin "make room for the audit file, or give its folder back to the service"; developer "the policy of the audit file denies mutations that it can't record; see AuditFile::on_failure";

    500 NetworkDns "NETWORK_DNS" 503 true "core/src/license/online/http/tests.rs::each_failure_of_the_network_has_its_code"
        "the licensing server's name can't be resolved";
        admin "check the name and this machine's DNS; `license doctor` tries each step"; developer "a failed call changes no license state";
    501 NetworkConnect "NETWORK_CONNECT" 503 true "core/src/license/online/http/tests.rs::each_failure_of_the_network_has_its_code"
        "the licensing server can't be connected to";
        admin "check that this machine may connect to the host and port; `license doctor` names them"; developer "a failed call changes no license state";
    502 NetworkTls "NETWORK_TLS" 503 true "core/src/license/online/http/tests.rs::each_failure_of_the_network_has_its_code"
        "no secure connection to the licensing server: its certificate is not accepted, or it speaks another TLS";
        admin "where a proxy looks into connections, give its certificate authority as ca_file; check this machine's clock"; developer "there is no option that turns this check off";
    503 NetworkProxy "NETWORK_PROXY" 503 true "core/src/license/online/http/tests.rs::each_failure_of_the_network_has_its_code"
        "the proxy can't be used, or refuses";
        admin "check the proxy's address, name and password"; developer "see the proxy option; the environment's is used by default";
    504 NetworkTimeout "NETWORK_TIMEOUT" 503 true "core/src/license/online/http/tests.rs::each_failure_of_the_network_has_its_code"
        "the licensing server did not answer in time";
        admin "try again later"; developer "what was asked may have been done all the same; every call can be repeated";
    505 NetworkPolicy "NETWORK_POLICY" 503 false "core/src/license/online/server.rs::a_policy_names_hosts_and_domains"
        "the host's policy does not allow this connection";
        admin "allow the licensing server's host, or use offline licensing"; developer "see allowed_hosts";
    506 ServerStatus "SERVER_STATUS" 503 true "core/src/license/online/session.rs::an_unexpected_status_is_told_and_changes_nothing"
        "the licensing server answered with an error";
        admin "try again later; the detail has the server's own words"; developer "an error is never signed evidence: it changes no license state";
    507 ServerRateLimited "SERVER_RATE_LIMITED" 503 true "core/src/license/online/session.rs::a_busy_server_is_asked_again_as_far_as_the_deadline_allows"
        "the licensing server asks for fewer calls";
        admin "try again later"; developer "Retry-After was beyond the call's deadline";
    508 ServerAnswerMalformed "SERVER_ANSWER_MALFORMED" 503 true "core/src/license/online/protocol.rs::an_answer_is_to_this_question_or_none"
        "the licensing server's answer can't be read";
        admin "check that the address is a licensing server's; a proxy may answer in its place"; developer "not the document that was expected, or larger than 1 MiB";
    509 ServerSignatureInvalid "SERVER_SIGNATURE_INVALID" 503 false "core/src/license/online/signature.rs::whatever_is_signed_can_not_be_changed"
        "the answer was not signed by the licensing server, or not for this question";
        admin "somebody may be answering in the server's place; contact your vendor"; developer "check the trusted keys, the account and the signing host";
    510 ClockSkew "CLOCK_SKEW" 503 true "core/src/license/online/session.rs::a_clock_that_is_wrong_is_told_apart_from_a_forged_answer"
        "this machine's clock and the licensing server's are more than 5 minutes apart";
        admin "set the clock right"; developer "the detail has the server's signed time";

    900 Internal "INTERNAL" 500 false "ffi/src/boundary.rs::a_panic_becomes_internal"
        "internal error";
        admin "report this with the version and what was being done"; developer "a panic was caught, or the operating system refused randomness";
}

impl Code {
    /// The stable identifier, such as `LICENSE_EXPIRED`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// The stable number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code of a number, or `None`.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        TABLE.binary_search_by_key(&number, |entry| entry.number).ok().and_then(|at| TABLE.get(at)).map(|e| e.code)
    }
}

/// Why a call failed: a [`Code`] and, where it helps, a detail.
///
/// Neither `Display` nor `Debug` ever shows a key, a hash, license bytes or a machine id: details are written by this
/// library, and hold at most the name of an argument or of a key, a level, or a position.
#[derive(Clone)]
pub struct Error {
    code: Code,
    detail: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// One more than the position.
    item: Option<NonZeroU32>,
}

impl Error {
    /// An error with no more to say than its code.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, detail: None, source: None, item: None }
    }

    /// An error with a detail. The detail must hold no secret: see the type's documentation.
    #[must_use]
    pub fn with(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: Some(detail.into()), source: None, item: None }
    }

    /// The same, said of one item of a list, counted from 0: `which` comes first in the detail. It must hold no secret
    /// either.
    #[must_use]
    pub fn of_item(mut self, at: usize, which: &str) -> Self {
        self.item = u32::try_from(at).ok().and_then(|at| NonZeroU32::MIN.checked_add(at));
        self.detail = Some(match self.detail {
            Some(detail) => format!("{which}: {detail}").into(),
            None => which.to_owned().into(),
        });
        self
    }

    /// Keeps the cause, for [`std::error::Error::source`].
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Which item of a list it is about, counted from 0; `None` where it is about no one of them.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        usize::try_from(self.item?.get()).ok()?.checked_sub(1)
    }

    /// More than the code says, or `None`.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.entry().message)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.code.name())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_the_same_thing_once() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].number < pair[1].number, "{} and {}", pair[0].name, pair[1].name);
        }
        let mut names: Vec<_> = TABLE.iter().map(|e| e.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        for entry in TABLE {
            assert_eq!(Code::from_number(entry.number), Some(entry.code));
            assert_eq!(entry.code.entry(), entry);
            assert!(entry.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
            for text in [entry.message, entry.admin, entry.developer] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", entry.name);
            }
        }
        assert_eq!(Code::from_number(7), None);
    }

    #[test]
    fn every_code_that_no_vector_reaches_names_a_test_that_does() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (name, proof) in TABLE.iter().filter_map(|entry| Some((entry.name, entry.proof?))) {
            let (file, test) = proof.split_once("::").map_or((proof, None), |(file, test)| (file, Some(test)));
            let text =
                std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
            match test {
                Some(test) => assert!(text.contains(&format!("fn {test}()")), "{name}: {proof}"),
                None => assert!(text.contains(name), "{name}: {file} does not mention it"),
            }
        }
    }

    #[test]
    fn an_error_is_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 56, "{}", size_of::<Error>());
    }
}
