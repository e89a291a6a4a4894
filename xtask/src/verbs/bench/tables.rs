//! What the document compares: which figures stand together, what each candidate does in the comparison and does not do, and
//! the goals.

/// Names a figure: suite, measure, who.
pub(super) type Key = (&'static str, &'static str, &'static str);

/// One line of a table.
pub(super) struct Row {
    pub key: Key,
    /// What it is called there.
    pub name: &'static str,
    /// What it does in the comparison, and does not do.
    pub does: &'static str,
}

/// Figures that stand together; the first is what the others are compared with.
pub(super) struct Table {
    pub title: &'static str,
    /// Of the table, and where it is not empty the chart's group.
    pub chart: &'static str,
    pub text: &'static str,
    pub rows: &'static [Row],
}

/// A row.
const fn row(suite: &'static str, measure: &'static str, who: &'static str, does: &'static str) -> Row {
    Row { key: (suite, measure, who), name: who, does }
}

/// A row under another name.
const fn named(name: &'static str, key: Key, does: &'static str) -> Row {
    Row { key, name, does }
}

/// What our figure is of, in the tables of requests.
const WHOLE: &str = "reads the header's value, finds the key, compares its secret, asks whether any process has changed anything, looks at expiry, channel and level, notes the use";

pub(super) const TABLES: &[Table] = &[
    Table {
        title: "A request, from Rust",
        chart: "a request, Rust",
        text: "The value of an `Authorization` header is given, and whose it is comes back, or a refusal. One key, asked for again and \
               again, after its first use.",
        rows: &[
            row("rust", "warm", "ours", WHOLE),
            row(
                "rust",
                "warm",
                "ours, SQLite",
                "the same with a store in a file, whose changes by other processes it sees",
            ),
            row(
                "rust",
                "warm",
                "prefixed-api-key",
                "takes the key apart, finds a digest in a `HashMap` of ours, compares SHA-256; no level, no expiry, nothing of other processes",
            ),
            row(
                "rust",
                "warm",
                "jsonwebtoken HS256",
                "a token (aws-lc): signature, expiry, one level of its claims; can't be revoked",
            ),
            row(
                "rust",
                "warm",
                "api-keys-simplified, checksum",
                "only its checksum, which anybody can compute: says that a key may be one, authenticates nobody",
            ),
            row(
                "rust",
                "warm",
                "api-keys-simplified",
                "its default, Argon2id with 46 MiB and one pass, at every request: keeps nothing in memory; the hash is at hand",
            ),
        ],
    },
    Table {
        title: "One of 10,000 keys in random order, from Rust",
        chart: "",
        text: "The same, each time for another key, so that little of it is in a near cache: the header's value neither. A million keys: below.",
        rows: &[row("rust", "many", "ours", "as above"), row("rust", "many", "prefixed-api-key", "as above")],
    },
    Table {
        title: "A refusal, from Rust",
        chart: "",
        text: "Ours take one time, whatever is wrong (`decisions/0014-a-refusal-takes-one-time.md`), and no slow hash.",
        rows: &[
            row(
                "rust",
                "refused",
                "ours, wrong secret, key in use",
                "all of a well-made key but the right one: digest, checksum and tag are computed",
            ),
            row(
                "rust",
                "refused",
                "ours, wrong secret, key not used yet",
                "the same: its stored tag tells, without a slow hash",
            ),
            row("rust", "refused", "ours, unknown name", "the same: another key's record is looked at"),
            row("rust", "refused", "prefixed-api-key, wrong secret", "as a right one"),
            row(
                "rust",
                "refused",
                "prefixed-api-key, unknown name",
                "without a digest: the time tells that there is no such key",
            ),
            row("rust", "refused", "jsonwebtoken HS256, wrong signature", "no claim is read"),
            row(
                "rust",
                "refused",
                "api-keys-simplified, wrong checksum",
                "a guess; one with a right checksum, which anybody can compute, takes the slow hash",
            ),
        ],
    },
    Table {
        title: "A request, from C",
        chart: "a request, C",
        text: "The shared library as it is shipped, in one program with libsodium and libjwt.",
        rows: &[
            row("c", "warm", "ours", WHOLE),
            row("c", "warm", "ours, six header lines", "the same, and finds the one line among all of a request"),
            row(
                "c",
                "warm",
                "libsodium crypto_auth_verify",
                "one HMAC-SHA512-256 of 60 bytes under a key at hand: no parsing, no look-up, no levels",
            ),
            row("c", "warm", "libjwt HS256", "a token: signature, expiry and name; no levels, can't be revoked"),
        ],
    },
    Table {
        title: "A refusal, from C",
        chart: "",
        text: "",
        rows: &[
            row("c", "refused", "ours, wrong secret, key in use", "as from Rust"),
            row("c", "refused", "ours, wrong secret, key not used yet", ""),
            row("c", "refused", "ours, unknown name", ""),
        ],
    },
    Table {
        title: "A request, from Python",
        chart: "a request, Python",
        text: "The wheel. Each call stands in `timeit`'s loop, whose 5 to 10 ns are in every figure.",
        rows: &[
            row("python", "warm", "ours", WHOLE),
            row("python", "warm", "ours, seven header lines", "the same from ASGI's list of pairs of bytes"),
            row(
                "python",
                "warm",
                "hand-rolled",
                "`partition`, a `dict`, `hashlib.sha256`, `hmac.compare_digest`, a level in a `set`; no expiry, nothing of other processes",
            ),
            row(
                "python",
                "warm",
                "djangorestframework-api-key, digest alone",
                "`KeyGenerator.verify`: one SHA-512 of a key whose digest is at hand",
            ),
            row(
                "python",
                "warm",
                "PyJWT HS256",
                "a token: signature, expiry; levels are not looked at, can't be revoked",
            ),
            row(
                "python",
                "warm",
                "keyshield",
                "`CachedApiKeyService` with its cache in memory, awaited; without the 100 to 300 ms that it sleeps by default",
            ),
            row(
                "python",
                "warm",
                "djangorestframework-api-key",
                "`APIKey.objects.is_valid` with SQLite in memory: a query for each request, no HTTP",
            ),
        ],
    },
    Table {
        title: "A refusal, from Python",
        chart: "",
        text: "With the exception that says so, caught.",
        rows: &[
            row(
                "python",
                "refused",
                "ours, wrong secret, key in use",
                "as from Rust, and an exception with code, status and challenge",
            ),
            row("python", "refused", "ours, wrong secret, key not used yet", ""),
            row("python", "refused", "ours, unknown name", ""),
            row("python", "refused", "hand-rolled, wrong secret", "a bare `PermissionError`"),
        ],
    },
    Table {
        title: "A request, from Node",
        chart: "a request, Node",
        text: "The npm package.",
        rows: &[
            row("node", "warm", "ours", WHOLE),
            row("node", "warm", "ours, all raw headers", "the same from all of `req.rawHeaders`, nine lines"),
            row("node", "warm", "ours, awaited", "the same through a promise"),
            row(
                "node",
                "warm",
                "hand-rolled",
                "a `Map`, `createHash('sha256')`, `timingSafeEqual`, a level in a `Set`; no expiry, nothing of other processes",
            ),
            row(
                "node",
                "warm",
                "prefixed-api-key",
                "`extractShortToken`, a `Map` of ours, `checkAPIKey` (SHA-256); no level, no expiry",
            ),
            row(
                "node",
                "warm",
                "jsonwebtoken HS256",
                "a token, the secret as a `KeyObject`: signature, expiry; levels are not looked at, can't be revoked",
            ),
            row(
                "node",
                "warm",
                "better-auth",
                "`verifyApiKey` of its API key plugin, keys in a `Map` as secondary storage, no rate limit, awaited",
            ),
        ],
    },
    Table {
        title: "A refusal, from Node",
        chart: "",
        text: "With the error that says so, caught.",
        rows: &[
            row(
                "node",
                "refused",
                "ours, wrong secret, key in use",
                "as from Rust, and an error with code, status and challenge",
            ),
            row("node", "refused", "ours, wrong secret, key not used yet", ""),
            row("node", "refused", "ours, unknown name", ""),
            row("node", "refused", "hand-rolled, wrong secret", "a bare `Error`, with its stack"),
        ],
    },
    Table {
        title: "An entitlement",
        chart: "an entitlement",
        text: "Whether the installed license, a signed file, grants something now. The sets beside it are what a program would ask that \
               had copied the entitlements once and for all.",
        rows: &[
            named(
                "Rust, `has_entitlement`",
                ("rust", "entitled", "ours, has_entitlement"),
                "whether anything has changed, whether the license is good at this moment, whether it grants this",
            ),
            named("Rust, the same, SQLite", ("rust", "entitled", "ours, has_entitlement, SQLite"), ""),
            named("Rust, one that is not granted", ("rust", "entitled", "ours, not entitled"), ""),
            named("Rust, `limit`", ("rust", "entitled", "ours, limit"), ""),
            named(
                "Rust, a `HashSet`",
                ("rust", "entitled", "HashSet of the standard library"),
                "no time, no change, no case",
            ),
            named("C, `inspire_license_check_entitlement`", ("c", "entitled", "ours, has_entitlement"), ""),
            named("C, one that is not granted", ("c", "entitled", "ours, not entitled"), ""),
            named("C, `inspire_license_limit`", ("c", "entitled", "ours, limit"), ""),
            named("Python, `has_entitlement`", ("python", "entitled", "ours, has_entitlement"), ""),
            named("Python, one that is not granted", ("python", "entitled", "ours, not entitled"), ""),
            named("Python, `limit`", ("python", "entitled", "ours, limit"), ""),
            named(
                "Python, a `set` in a function",
                ("python", "entitled", "a set of Python's, in a function"),
                "no time, no change, no case",
            ),
            named("Node, `hasEntitlement`", ("node", "entitled", "ours, has_entitlement"), ""),
            named("Node, one that is not granted", ("node", "entitled", "ours, not entitled"), ""),
            named("Node, `limit`", ("node", "entitled", "ours, limit"), ""),
            named("Node, a `Set`", ("node", "entitled", "a Set of JavaScript"), "no time, no change, no case"),
        ],
    },
    Table {
        title: "The first use of a key",
        chart: "the first use of a key",
        text: "One Argon2id with 19 MiB, two passes and one lane. Ours is a whole request for an imported key whose secret a person chose, \
               which is hashed at each use; the others compute the tag. The processor time of all threads counts. All give the same tag, \
               which is compared each time.",
        rows: &[
            row(
                "argon2",
                "cold",
                "ours",
                "a request: the budget for memory, the pool's thread, wiping what was hashed",
            ),
            row("argon2", "cold", "RustCrypto argon2", "allocates for each hash"),
            row("argon2", "cold", "RustCrypto argon2, memory kept", "neither allocates nor wipes"),
            row("argon2", "cold", "argon2-rust", "chooses AVX-512, AVX2 or SSE2; maps and wipes for each hash"),
            row("argon2", "cold", "argon2-rust, memory kept", "keeps its mapping"),
            row(
                "argon2",
                "cold",
                "reference C, AVX-512",
                "the source that npm's `argon2` brings, by gcc -O3 -march=x86-64-v4",
            ),
            row("argon2", "cold", "reference C, AVX2", "the same, -march=x86-64-v3"),
            row("argon2", "cold", "libargon2 of Debian", "the same source, built for every x86-64"),
            row("argon2", "cold", "libsodium", "Debian's; chooses AVX-512 or AVX2"),
        ],
    },
    Table {
        title: "The first use of a key, from Python",
        chart: "",
        text: "",
        rows: &[
            row("python", "cold", "ours", "as above"),
            row("python", "cold", "argon2-cffi", "`PasswordHasher.verify`, with these parameters; the reference in C"),
            row("python", "cold", "cryptography (OpenSSL)", "`Argon2id.derive`"),
            row("python", "cold", "PyNaCl (libsodium)", "`argon2id.kdf`"),
        ],
    },
    Table {
        title: "The first use of a key, from Node",
        chart: "",
        text: "",
        rows: &[
            row("node", "cold", "ours", "as above, `authenticateSync`"),
            row("node", "cold", "ours, awaited", "`authenticate`"),
            row("node", "cold", "@node-rs/argon2", "`verifySync`; argon2-rust"),
            row("node", "cold", "@node-rs/argon2, awaited", "`verify`"),
            row("node", "cold", "argon2, awaited", "`verify`; the reference in C as it is compiled on installation"),
        ],
    },
    Table {
        title: "A license file",
        chart: "a license file",
        text: "A file as Keygen signs it, 2 KB with four entitlements: armour, envelope, Ed25519, payload. Ours verifies strictly (RFC 8032 \
               with no weak keys), refuses members that stand twice, and judges expiry and clock; `keygen-rs` verifies, reads and \
               looks at expiry.",
        rows: &[
            named("ours, Rust", ("license", "file", "ours"), "`inspect`, one trusted key"),
            named("keygen-rs", ("license", "file", "keygen-rs"), "`verify_and_decode`; reads the public key each time"),
            named("ours, Rust, encrypted", ("license", "file", "ours, encrypted"), "and AES-256-GCM"),
            named("keygen-rs, encrypted", ("license", "file", "keygen-rs, encrypted"), "`verify_and_decrypt`"),
            named(
                "ours, Rust, 6 KB",
                ("license", "file", "ours, 6 KB"),
                "the same license with all of Keygen's attributes and links",
            ),
            named("keygen-rs, 6 KB", ("license", "file", "keygen-rs, 6 KB"), ""),
            named(
                "the signature alone",
                ("license", "file", "the signature alone, key at hand"),
                "strict Ed25519 of as many bytes: the least that it can be with this library (`ed25519-dalek`)",
            ),
            named("ours, C", ("c", "file", "ours"), "`inspire_inspection_run`, which reads the trusted key each time"),
            named("ours, Python", ("python", "file", "ours"), "`inspect`"),
            named("ours, Node", ("node", "file", "ours"), "`inspect`"),
        ],
    },
];

/// What is to be reached.
pub(super) enum Limit {
    /// At most so many nanoseconds, or bytes.
    AtMost(Key, f64),
    /// At least so many times as fast as something else, or so many times what one does.
    TimesFasterThan(Key, Key, f64),
    /// At least so many times.
    AtLeast(Key, f64),
    /// At most so many times the time of the fastest in its measure.
    OfTheFastest(Key, f64),
    /// None takes so many times as long as another.
    Alike(&'static [Key], f64),
}

/// A goal, in words, and as it is looked at.
pub(super) type Goal = (&'static str, Limit);

const REFUSALS: [Key; 3] = [
    ("rust", "refused", "ours, wrong secret, key in use"),
    ("rust", "refused", "ours, wrong secret, key not used yet"),
    ("rust", "refused", "ours, unknown name"),
];

pub(super) const GOALS: &[Goal] = &[
    ("a request from Rust, one key: at most 110 ns", Limit::AtMost(("rust", "warm", "ours"), 110.0)),
    (
        "the same: at least 4 times as fast as prefixed-api-key",
        Limit::TimesFasterThan(("rust", "warm", "ours"), ("rust", "warm", "prefixed-api-key"), 4.0),
    ),
    (
        "a request from Rust, any of a million keys: at most 300 ns",
        Limit::AtMost(("million", "look-up", "ours, random"), 300.0),
    ),
    ("a request from C: at most 130 ns", Limit::AtMost(("c", "warm", "ours"), 130.0)),
    (
        "the same: at least 10 times as fast as libsodium's crypto_auth",
        Limit::TimesFasterThan(("c", "warm", "ours"), ("c", "warm", "libsodium crypto_auth_verify"), 10.0),
    ),
    ("a request from Python: at most 220 ns", Limit::AtMost(("python", "warm", "ours"), 220.0)),
    ("a request from Node: at most 300 ns", Limit::AtMost(("node", "warm", "ours"), 300.0)),
    ("a refusal, wrong secret, key in use: at most 200 ns", Limit::AtMost(REFUSALS[0], 200.0)),
    ("a refusal, wrong secret, key not used yet: at most 200 ns", Limit::AtMost(REFUSALS[1], 200.0)),
    ("a refusal, unknown name: at most 200 ns", Limit::AtMost(REFUSALS[2], 200.0)),
    ("refusals take one time: within 5 %", Limit::Alike(&REFUSALS, 1.05)),
    (
        "the first use of a key: at most 1.05 times the fastest Argon2",
        Limit::OfTheFastest(("argon2", "cold", "ours"), 1.05),
    ),
    ("a license file of 2 KB: at most 65 us", Limit::AtMost(("license", "file", "ours"), 65_000.0)),
    ("has_entitlement from Rust: at most 20 ns", Limit::AtMost(("rust", "entitled", "ours, has_entitlement"), 20.0)),
    ("from C: at most 25 ns", Limit::AtMost(("c", "entitled", "ours, has_entitlement"), 25.0)),
    ("from Python: at most 70 ns", Limit::AtMost(("python", "entitled", "ours, has_entitlement"), 70.0)),
    ("from Node: at most 90 ns", Limit::AtMost(("node", "entitled", "ours, has_entitlement"), 90.0)),
    ("opening a million keys: at most 0.8 s", Limit::AtMost(("million", "open", "ours"), 0.8e9)),
    ("memory for each of a million keys: at most 180 bytes", Limit::AtMost(("million", "memory", "ours"), 180.0)),
    (
        "one changed key among a million, seen by another process: at most 50 us",
        Limit::AtMost(("million", "change", "ours"), 50_000.0),
    ),
    ("two threads: at least 1.9 times one", Limit::AtLeast(("million", "threads", "ours, two threads"), 1.9)),
];
