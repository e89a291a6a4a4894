/**
 * \file inspire_auth.hpp
 * libinspire_auth for C++17: header-only, over inspire_auth.h, without an ABI of its own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * \code
 * #include <inspire_auth.hpp>
 * namespace ia = inspire::auth;
 *
 * ia::options options;
 * options.store = "gateway.db";
 * ia::handle auth = ia::handle::open(options);
 * ia::requirement operators = auth.parse_requirement("any(Authenticated/Ops/Write)");
 *
 * // every request
 * ia::request request(operators);
 * request.headers(headers.data(), headers.size());   // ia::header: name and value, as received
 * request.channel = ia::channel::secure;
 * ia::result<ia::principal> caller = auth.try_authenticate(request);
 * if (!caller)
 *     return reply(auth.http_status(caller.code()), auth.challenge(caller.code()));
 * log("granted to", caller->name());
 * \endcode
 *
 * **Errors.** Each operation comes twice: `verb` throws an `error`, `try_verb` returns a `result` and throws nothing
 * (but ends the program when memory runs out). A `result` that is not looked at is a compiler warning.
 *
 * **Ownership.** Classes that own something are move-only, and free it. What has been moved from may only be assigned
 * to or destroyed. Functions that return `std::string_view` lend: the text lives as long as the object that it came
 * from.
 *
 * **Threads.** As in inspire_auth.h: `const` functions may be called by any number of threads at once.
 */
#ifndef INSPIRE_AUTH_HPP
#define INSPIRE_AUTH_HPP

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "inspire_auth.h"

namespace inspire {
namespace auth {

/** What a call came to; the same codes as `inspire_result`. A later library may return ones that are not here. */
enum class errc : std::uint32_t {
    ok = INSPIRE_RESULT_OK,
    pending = INSPIRE_RESULT_PENDING,
    invalid_argument = INSPIRE_RESULT_INVALID_ARGUMENT,
    null_parameter = INSPIRE_RESULT_NULL_PARAMETER,
    unsupported_option = INSPIRE_RESULT_UNSUPPORTED_OPTION,
    invalid_name = INSPIRE_RESULT_INVALID_NAME,
    invalid_level = INSPIRE_RESULT_INVALID_LEVEL,
    invalid_hash = INSPIRE_RESULT_INVALID_HASH,
    name_taken = INSPIRE_RESULT_NAME_TAKEN,
    not_found = INSPIRE_RESULT_NOT_FOUND,
    conflict = INSPIRE_RESULT_CONFLICT,
    permission_denied = INSPIRE_RESULT_PERMISSION_DENIED,
    cancelled = INSPIRE_RESULT_CANCELLED,
    no_credential = INSPIRE_RESULT_NO_CREDENTIAL,
    malformed_credential = INSPIRE_RESULT_MALFORMED_CREDENTIAL,
    invalid_credential = INSPIRE_RESULT_INVALID_CREDENTIAL,
    secure_channel_required = INSPIRE_RESULT_SECURE_CHANNEL_REQUIRED,
    insufficient_level = INSPIRE_RESULT_INSUFFICIENT_LEVEL,
    busy = INSPIRE_RESULT_BUSY,
    path_not_canonical = INSPIRE_RESULT_PATH_NOT_CANONICAL,
    route_denied = INSPIRE_RESULT_ROUTE_DENIED,
    unlicensed = INSPIRE_RESULT_UNLICENSED,
    not_entitled = INSPIRE_RESULT_NOT_ENTITLED,
    license_malformed = INSPIRE_RESULT_LICENSE_MALFORMED,
    license_unsupported_algorithm = INSPIRE_RESULT_LICENSE_UNSUPPORTED_ALGORITHM,
    license_signature_invalid = INSPIRE_RESULT_LICENSE_SIGNATURE_INVALID,
    license_key_required = INSPIRE_RESULT_LICENSE_KEY_REQUIRED,
    license_key_or_machine_mismatch = INSPIRE_RESULT_LICENSE_KEY_OR_MACHINE_MISMATCH,
    license_not_included = INSPIRE_RESULT_LICENSE_NOT_INCLUDED,
    license_product_mismatch = INSPIRE_RESULT_LICENSE_PRODUCT_MISMATCH,
    clock_rollback = INSPIRE_RESULT_CLOCK_ROLLBACK,
    license_file_expired = INSPIRE_RESULT_LICENSE_FILE_EXPIRED,
    license_suspended = INSPIRE_RESULT_LICENSE_SUSPENDED,
    license_expired = INSPIRE_RESULT_LICENSE_EXPIRED,
    license_key_mismatch = INSPIRE_RESULT_LICENSE_KEY_MISMATCH,
    machine_mismatch = INSPIRE_RESULT_MACHINE_MISMATCH,
    offline_not_entitled = INSPIRE_RESULT_OFFLINE_NOT_ENTITLED,
    entitlements_not_included = INSPIRE_RESULT_ENTITLEMENTS_NOT_INCLUDED,
    not_machine_bound = INSPIRE_RESULT_NOT_MACHINE_BOUND,
    license_file_older = INSPIRE_RESULT_LICENSE_FILE_OLDER,
    weak_trusted_key = INSPIRE_RESULT_WEAK_TRUSTED_KEY,
    not_available_offline = INSPIRE_RESULT_NOT_AVAILABLE_OFFLINE,
    fingerprint_unavailable = INSPIRE_RESULT_FINGERPRINT_UNAVAILABLE,
    limit_exceeded = INSPIRE_RESULT_LIMIT_EXCEEDED,
    not_activated = INSPIRE_RESULT_NOT_ACTIVATED,
    license_unknown = INSPIRE_RESULT_LICENSE_UNKNOWN,
    machine_limit_reached = INSPIRE_RESULT_MACHINE_LIMIT_REACHED,
    license_refused = INSPIRE_RESULT_LICENSE_REFUSED,
    store_unavailable = INSPIRE_RESULT_STORE_UNAVAILABLE,
    store_corrupt = INSPIRE_RESULT_STORE_CORRUPT,
    store_locked = INSPIRE_RESULT_STORE_LOCKED,
    store_read_only = INSPIRE_RESULT_STORE_READ_ONLY,
    store_full = INSPIRE_RESULT_STORE_FULL,
    store_network_filesystem = INSPIRE_RESULT_STORE_NETWORK_FILESYSTEM,
    store_version = INSPIRE_RESULT_STORE_VERSION,
    store_stale = INSPIRE_RESULT_STORE_STALE,
    store_history_changed = INSPIRE_RESULT_STORE_HISTORY_CHANGED,
    audit_unavailable = INSPIRE_RESULT_AUDIT_UNAVAILABLE,
    network_dns = INSPIRE_RESULT_NETWORK_DNS,
    network_connect = INSPIRE_RESULT_NETWORK_CONNECT,
    network_tls = INSPIRE_RESULT_NETWORK_TLS,
    network_proxy = INSPIRE_RESULT_NETWORK_PROXY,
    network_timeout = INSPIRE_RESULT_NETWORK_TIMEOUT,
    network_policy = INSPIRE_RESULT_NETWORK_POLICY,
    server_status = INSPIRE_RESULT_SERVER_STATUS,
    server_rate_limited = INSPIRE_RESULT_SERVER_RATE_LIMITED,
    server_answer_malformed = INSPIRE_RESULT_SERVER_ANSWER_MALFORMED,
    server_signature_invalid = INSPIRE_RESULT_SERVER_SIGNATURE_INVALID,
    clock_skew = INSPIRE_RESULT_CLOCK_SKEW,
    internal = INSPIRE_RESULT_INTERNAL,
};

/** Anyone, TLS, or the same machine: how a request came. */
enum class channel : std::uint32_t {
    plain = INSPIRE_CHANNEL_PLAIN,
    secure = INSPIRE_CHANNEL_SECURE,
    local = INSPIRE_CHANNEL_LOCAL,
};

/** Which reading of security levels applies. */
enum class level_mode : std::uint32_t {
    standard = INSPIRE_LEVEL_MODE_DEFAULT,
    ignition = INSPIRE_LEVEL_MODE_IGNITION,
};

/** What a gate does when the license does not allow something. */
enum class enforcement : std::uint32_t {
    strict = INSPIRE_ENFORCEMENT_STRICT,
    warn = INSPIRE_ENFORCEMENT_WARN,
    report_only = INSPIRE_ENFORCEMENT_REPORT_ONLY,
};

/** How generated keys are hashed. */
enum class scheme : std::uint32_t {
    argon2 = INSPIRE_SCHEME_ARGON2,
    hmac_sha256 = INSPIRE_SCHEME_HMAC_SHA256,
};

/** What an imported hash is. */
enum class hash_format : std::uint32_t {
    phc = INSPIRE_HASH_PHC,
    ignition = INSPIRE_HASH_IGNITION,
};

/** How strong an imported secret is said to be. */
enum class strength : std::uint32_t {
    chosen = INSPIRE_STRENGTH_CHOSEN,
    random = INSPIRE_STRENGTH_RANDOM,
};

/** Who made a key's newest secret. */
enum class origin : std::uint32_t {
    generated = INSPIRE_ORIGIN_GENERATED,
    imported = INSPIRE_ORIGIN_IMPORTED,
};

/** Whether the license may be used. */
enum class license_state : std::uint32_t {
    unlicensed = INSPIRE_LICENSE_UNLICENSED,
    active = INSPIRE_LICENSE_ACTIVE,
    expired = INSPIRE_LICENSE_EXPIRED,
    suspended = INSPIRE_LICENSE_SUSPENDED,
    invalid = INSPIRE_LICENSE_INVALID,
};

/** How the license was activated. */
enum class license_mode : std::uint32_t {
    none = INSPIRE_LICENSE_MODE_NONE,
    online = INSPIRE_LICENSE_MODE_ONLINE,
    offline = INSPIRE_LICENSE_MODE_OFFLINE,
};

/** What a license file was issued for. */
enum class file_kind : std::uint32_t {
    unknown = INSPIRE_FILE_UNKNOWN,
    license = INSPIRE_FILE_LICENSE,
    machine = INSPIRE_FILE_MACHINE,
};

/** What became of the license in a restore. */
enum class restored_license : std::uint32_t {
    none = INSPIRE_RESTORED_LICENSE_NONE,
    kept = INSPIRE_RESTORED_LICENSE_KEPT,
    restored = INSPIRE_RESTORED_LICENSE_RESTORED,
    left_out = INSPIRE_RESTORED_LICENSE_LEFT_OUT,
};

/** What is not part of the interface. */
namespace detail {

/** Frees a handle by its own function. */
template <typename T, void (*Free)(T *)> struct freer {
    void operator()(T *object) const noexcept { Free(object); }
};
template <typename T, void (*Free)(T *)> using owned = std::unique_ptr<T, freer<T, Free>>;

inline std::string_view view(inspire_str text) noexcept {
    return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.len);
}

inline std::optional<std::string_view> optional_view(inspire_str text) noexcept {
    return text.data == nullptr ? std::nullopt : std::optional<std::string_view>(view(text));
}

/** A text that is given, also when it is empty: a NULL would say that it is not. */
inline inspire_str str(std::string_view text) noexcept {
    return inspire_str{text.data() == nullptr ? "" : text.data(), text.size()};
}

inline inspire_str str(const std::optional<std::string_view> &text) noexcept {
    return text ? str(*text) : inspire_str{nullptr, 0};
}

inline std::vector<inspire_str> strs(const std::vector<std::string_view> &texts) {
    std::vector<inspire_str> list;
    list.reserve(texts.size());
    for (std::string_view text : texts)
        list.push_back(str(text));
    return list;
}

inline std::vector<std::string_view> views(const inspire_str_list *list) {
    std::vector<std::string_view> texts;
    texts.reserve(inspire_str_list_count(list));
    for (std::size_t at = 0; at < inspire_str_list_count(list); ++at)
        texts.push_back(view(inspire_str_list_at(list, at)));
    return texts;
}

/** Copies a list that is ours, and frees it. */
inline std::vector<std::string> strings(inspire_str_list *list) {
    owned<inspire_str_list, inspire_str_list_free> keep(list);
    std::vector<std::string> texts;
    for (std::string_view text : views(list))
        texts.emplace_back(text);
    return texts;
}

inline std::vector<std::pair<std::string_view, std::int64_t>> limits(const inspire_limits *list) {
    std::vector<std::pair<std::string_view, std::int64_t>> all;
    for (std::size_t at = 0; at < inspire_limits_count(list); ++at) {
        inspire_limit limit = inspire_limits_at(list, at);
        all.emplace_back(view(limit.name), limit.value);
    }
    return all;
}

inline std::optional<std::int64_t> time(std::int64_t at) noexcept {
    return at == INSPIRE_NEVER ? std::nullopt : std::optional<std::int64_t>(at);
}

using error_ptr = owned<inspire_error, inspire_error_free>;

} // namespace detail

/** The stable identifier of a code, such as "LICENSE_EXPIRED"; empty for a number that is no code. */
inline std::string_view name(errc code) noexcept {
    return detail::view(inspire_result_name(static_cast<std::uint32_t>(code)));
}

/** What a code means. */
inline std::string_view message(errc code) noexcept {
    return detail::view(inspire_result_message(static_cast<std::uint32_t>(code)));
}

/** What a throwing function throws. Holds no key, hash, license bytes or machine id. */
class error : public std::runtime_error {
public:
    error(errc code, const std::string &message) : std::runtime_error(message), code_(code) {}
    errc code() const noexcept { return code_; }

private:
    errc code_;
};

/** Why a call failed. */
class failure {
public:
    explicit failure(inspire_result code, inspire_error *err = nullptr) noexcept
        : code_(static_cast<errc>(code)), err_(err) {}
    errc code() const noexcept { return code_; }
    /** What happened, in English. */
    std::string_view message() const noexcept {
        return err_ ? detail::view(inspire_error_message(err_.get())) : auth::message(code_);
    }
    /** What the code does not say. */
    std::optional<std::string_view> detail() const noexcept {
        return detail::optional_view(inspire_error_detail(err_.get()));
    }
    [[noreturn]] void raise() const { throw error(code_, std::string(message())); }

private:
    errc code_;
    detail::error_ptr err_;
};

/** A value, or why there is none. */
template <typename T> class [[nodiscard]] result {
public:
    result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    result(failure why) noexcept : content_(std::in_place_index<1>, std::move(why)) {}

    bool ok() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }
    errc code() const noexcept { return ok() ? errc::ok : std::get_if<1>(&content_)->code(); }
    /** Why there is no value; only when there is none. */
    const failure &why() const { return std::get<1>(content_); }
    /** The value, or an exception that says why there is none. */
    T &value() & { return check(), *std::get_if<0>(&content_); }
    const T &value() const & { return check(), *std::get_if<0>(&content_); }
    T value() && { return check(), std::move(*std::get_if<0>(&content_)); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }

private:
    void check() const {
        if (const failure *why = std::get_if<1>(&content_))
            why->raise();
    }
    std::variant<T, failure> content_;
};

/** Success, or why not. */
template <> class [[nodiscard]] result<void> {
public:
    result() noexcept = default;
    result(failure why) noexcept : why_(std::move(why)) {}
    bool ok() const noexcept { return !why_; }
    explicit operator bool() const noexcept { return ok(); }
    errc code() const noexcept { return why_ ? why_->code() : errc::ok; }
    const failure &why() const { return why_.value(); }
    void value() const {
        if (why_)
            why_->raise();
    }

private:
    std::optional<failure> why_;
};

namespace detail {

/** Runs a call whose last parameter is `inspire_error **`. */
template <typename Call> result<void> run(Call call) {
    inspire_error *err = nullptr;
    inspire_result code = call(&err);
    return code == INSPIRE_RESULT_OK ? result<void>() : result<void>(failure(code, err));
}

/** The same for a call that gives a handle, which becomes a `T`. */
template <typename T, typename Raw, typename Call> result<T> make(Call call) {
    Raw *raw = nullptr;
    inspire_error *err = nullptr;
    inspire_result code = call(&raw, &err);
    if (code != INSPIRE_RESULT_OK)
        return failure(code, err);
    return T(raw);
}

} // namespace detail

/** One header line of a request, as received: name and value. */
using header = inspire_header;

/** A header line of two texts, which must outlive it. */
inline header make_header(std::string_view name, std::string_view value) noexcept {
    return header{detail::str(name), detail::str(value)};
}

/** Levels, and whether any or all of them are required. */
struct levels {
    std::uint32_t kind;
    std::vector<std::string_view> names;
};

/** At least one of these levels; none at all is satisfied by nobody. */
inline levels any_of(std::vector<std::string_view> names) { return levels{INSPIRE_REQUIRE_ANY, std::move(names)}; }
/** All of these levels; none at all is satisfied by nobody. */
inline levels all_of(std::vector<std::string_view> names) { return levels{INSPIRE_REQUIRE_ALL, std::move(names)}; }

/** A secret of the host's that is mixed into hashes. */
struct pepper {
    std::string_view id;
    std::string_view secret;
};

/** A public key whose signatures on license files are believed. */
struct trusted_key {
    std::string_view id;
    /** 64 hexadecimal digits, or the base64 of an Ed25519 SubjectPublicKeyInfo. */
    std::string_view public_key;
    /** Unix seconds from which it is no longer believed; none is never. */
    std::optional<std::int64_t> not_after = std::nullopt;
};

/** One line of the audit log. */
struct audit_event {
    std::int64_t at;
    std::string event;
    std::string actor;
    std::string subject;
    std::string detail;
    /** `errc::ok` for what was done, else the answer with which it was refused. */
    errc code;

    explicit audit_event(const inspire_audit_event &raw)
        : at(raw.at), event(detail_of(raw.event)), actor(detail_of(raw.actor)), subject(detail_of(raw.subject)),
          detail(detail_of(raw.detail)), code(static_cast<errc>(raw.code)) {}

private:
    static std::string detail_of(inspire_str text) { return std::string(text.data, text.len); }
};

/** What happens to a change that the audit file can't record. */
enum class audit_failure : std::uint32_t {
    /** It is made all the same; the failure is counted. */
    warn = INSPIRE_AUDIT_FAILURE_WARN,
    /** It is refused with `errc::audit_unavailable`, and nothing is changed. */
    deny_mutations = INSPIRE_AUDIT_FAILURE_DENY_MUTATIONS,
};

/** A file that every change and every denial is written to, one JSON object a line. */
struct audit_file {
    std::string_view path;
    /** The file is renamed before it would grow past so many bytes; 0 is 64 MiB. */
    std::uint64_t max_bytes = 0;
    /** How many renamed files are kept; 0 is 10. */
    std::uint32_t keep = 0;
    /** Whether each line holds the hash of the one before it. */
    bool chain = false;
    audit_failure on_failure = audit_failure::warn;
};

/** A request to the licensing server, for a host that carries it. */
struct http_request {
    std::string_view method;
    /** To be sent byte for byte. */
    std::string_view url;
    /** `authorization` has the license key. */
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::string_view body;
    /** How long the whole call may take. */
    std::uint64_t timeout_ms;
};

/** What the licensing server answered, whatever its status. */
struct http_response {
    std::uint32_t status = 0;
    /** As they arrived, repeated ones as often. */
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

/** The licensing server; see `inspire_server`. Durations of 0 are the default of each. */
struct server {
    /** "https://host[:port][/path]"; `http` for this machine's own addresses alone. */
    std::string_view url;
    std::optional<std::string_view> account;
    std::optional<std::string_view> account_id;
    std::optional<std::string_view> signing_host;
    /** Exact names, or "*.domain"; empty is wherever `url` and the proxy are. */
    std::vector<std::string_view> allowed_hosts;
    /** "http://[user:password@]host:port", or "" for none; not given is as the environment says. */
    std::optional<std::string_view> proxy;
    std::optional<std::string_view> ca_file;
    std::uint64_t connect_timeout_ms = 0;
    std::uint64_t timeout_ms = 0;
    /** Seconds. */
    std::uint64_t lease = 0;
    /** Whether the library does by itself, on a thread of its own, what `tick` does. */
    bool auto_refresh = false;
    /** Carries requests, when the host brings its own; on any thread, several at once. What it throws is an `error` with
     *  one of the `network_...` codes, or counts as `network_connect`. */
    std::function<http_response(const http_request &)> transport;
};

/** What a host decides once. What it points to is read while the handle is opened only. */
struct options {
    /** The path of an SQLite file, the URL of a PostgreSQL database ("postgresql://..."), or ":memory:". */
    std::optional<std::string_view> store;
    std::optional<std::string_view> realm;
    /** Header names, besides the two known ones, that carry `<name>:<key>`. */
    std::vector<std::string_view> extra_headers;
    auth::level_mode level_mode = auth::level_mode::standard;
    auth::enforcement enforcement = auth::enforcement::strict;
    auth::scheme scheme = auth::scheme::argon2;
    bool local_is_secure = false;
    bool remember_chosen = false;
    bool allow_unbound = false;
    bool payment_required = false;
    /** Argon2id for new hashes; 0 is the default of each. */
    std::uint32_t hash_memory_kib = 0;
    std::uint32_t hash_iterations = 0;
    std::uint32_t hash_parallelism = 0;
    std::uint32_t chosen_failures_per_minute = 0;
    std::uint64_t max_hash_memory = 0;
    /** Seconds. */
    std::uint64_t max_lease = 0;
    /** The first is current. */
    std::vector<pepper> peppers;
    std::optional<levels> write_requirement;
    std::optional<levels> admin_requirement;
    std::vector<trusted_key> trusted_keys;
    std::optional<std::string_view> product;
    std::optional<std::string_view> machine_id;
    /** Hears audit events as they happen, on whatever thread caused them; must not call the handle. What it throws is
     *  lost. */
    std::function<void(const audit_event &)> audit;
    std::optional<auth::audit_file> audit_file;
    /** Not given: licenses are installed from files, and nothing ever connects anywhere. */
    std::optional<auth::server> server;
};

/** A compiled requirement, shared by all threads. */
class requirement {
public:
    explicit requirement(inspire_requirement *raw) noexcept : raw_(raw) {}
    /** As `any(A/B, C)`. */
    std::string_view text() const noexcept { return detail::view(inspire_requirement_text(raw_.get())); }
    const inspire_requirement *raw() const noexcept { return raw_.get(); }

private:
    detail::owned<inspire_requirement, inspire_requirement_free> raw_;
};

/** A compiled route table, shared by all threads and all handles. */
class routes {
public:
    explicit routes(inspire_routes *raw) noexcept : raw_(raw) {}
    /** From JSON; see `inspire_routes_parse`. */
    static result<routes> try_parse(std::string_view json) noexcept {
        return detail::make<routes, inspire_routes>(
            [&](auto out, auto err) { return inspire_routes_parse(detail::str(json), out, err); });
    }
    static routes parse(std::string_view json) { return try_parse(json).value(); }
    std::size_t size() const noexcept { return inspire_routes_count(raw_.get()); }
    const inspire_routes *raw() const noexcept { return raw_.get(); }

private:
    detail::owned<inspire_routes, inspire_routes_free> raw_;
};

/** What a request would get, and why. */
class explanation {
public:
    explicit explanation(inspire_explanation *raw) noexcept : raw_(raw) {}
    /** `errc::ok` when it would be granted. */
    errc code() const noexcept { return static_cast<errc>(inspire_explanation_code(raw_.get())); }
    /** The prefix of the route that decides, if one was reached. */
    std::optional<std::string_view> prefix() const noexcept {
        return detail::optional_view(inspire_explanation_prefix(raw_.get()));
    }
    /** Its methods. */
    std::vector<std::string_view> methods() const { return detail::views(inspire_explanation_methods(raw_.get())); }
    /** With `errc::insufficient_level`, the levels for want of which it would be refused. */
    std::vector<std::string_view> missing() const { return detail::views(inspire_explanation_missing(raw_.get())); }
    /** For an administrator; never for the caller of the request. */
    std::string_view reason() const noexcept { return detail::view(inspire_explanation_reason(raw_.get())); }

private:
    detail::owned<inspire_explanation, inspire_explanation_free> raw_;
};

/** One request. What it points to is read during the call only. */
class request {
public:
    explicit request(const requirement &required) noexcept : requirement_(required.raw()) {}
    /** A table says what is required for a method and a path: the request target as received. No `entitlement` then. */
    request(const routes &table, std::string_view method, std::string_view path) noexcept
        : requirement_(nullptr), routes_(table.raw()), method_(method), path_(path) {}

    /** All header lines, as received. */
    request &headers(const header *first, std::size_t count) noexcept {
        headers_ = first;
        count_ = count;
        presented_ = INSPIRE_PRESENTED_HEADERS;
        return *this;
    }
    /** The one value of the one `Authorization` header, for hosts that have already picked it out. */
    request &authorization(std::string_view value) noexcept { return single(value, INSPIRE_PRESENTED_AUTHORIZATION); }
    /** The one value of the one `X-Ignition-API-Token` header. */
    request &legacy(std::string_view value) noexcept { return single(value, INSPIRE_PRESENTED_LEGACY); }

    auth::channel channel = auth::channel::plain;
    /** An entitlement that the license must hold as well. */
    std::optional<std::string_view> entitlement;
    /** Unix seconds; 0 is the system's clock. */
    std::int64_t now = 0;

    inspire_request raw() const noexcept {
        inspire_request request = INSPIRE_REQUEST_INIT;
        request.headers = headers_;
        request.header_count = count_;
        request.value = detail::str(value_);
        request.presented = presented_;
        request.channel = static_cast<std::uint32_t>(channel);
        request.requirement = requirement_;
        request.entitlement = detail::str(entitlement);
        request.now = now;
        request.routes = routes_;
        request.method = detail::str(method_);
        request.path = detail::str(path_);
        return request;
    }

private:
    request &single(std::string_view value, std::uint32_t presented) noexcept {
        value_ = value;
        presented_ = presented;
        return *this;
    }
    const inspire_requirement *requirement_;
    const inspire_routes *routes_ = nullptr;
    std::string_view method_;
    std::string_view path_;
    const header *headers_ = nullptr;
    std::size_t count_ = 0;
    std::string_view value_;
    std::uint32_t presented_ = INSPIRE_PRESENTED_HEADERS;
};

/** Proxies whose `X-Forwarded-Proto` is believed, shared by all threads. */
class proxies {
public:
    explicit proxies(inspire_proxies *raw) noexcept : raw_(raw) {}
    /** From addresses and CIDR blocks, separated by commas: `10.0.0.0/8, ::1`. */
    static result<proxies> try_parse(std::string_view text) noexcept {
        return detail::make<proxies, inspire_proxies>(
            [&](auto out, auto err) { return inspire_proxies_parse(detail::str(text), out, err); });
    }
    static proxies parse(std::string_view text) { return try_parse(text).value(); }
    /** The channel of a request from `peer` (the address of the connection itself), which the host saw as `direct`. */
    result<auth::channel> try_channel(std::string_view peer, auth::channel direct, const header *headers,
                                      std::size_t count) const noexcept {
        std::uint32_t found = INSPIRE_CHANNEL_PLAIN;
        inspire_error *err = nullptr;
        inspire_result code = inspire_proxies_channel(raw_.get(), detail::str(peer), static_cast<std::uint32_t>(direct),
                                                      headers, count, &found, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return static_cast<auth::channel>(found);
    }
    auth::channel channel(std::string_view peer, auth::channel direct, const header *headers, std::size_t count) const {
        return try_channel(peer, direct, headers, count).value();
    }

private:
    detail::owned<inspire_proxies, inspire_proxies_free> raw_;
};

/** Who a granted request comes from: a value, copied freely. No lasting authority. */
class principal {
public:
    explicit principal(const inspire_principal &raw) noexcept : raw_(raw) {}
    /** The key's name; empty when nobody in particular was granted. */
    std::string_view name() const noexcept { return std::string_view(raw_.name, raw_.name_len); }
    bool is_anonymous() const noexcept { return raw_.name_len == 0; }
    std::uint64_t revision() const noexcept { return raw_.revision; }
    std::array<std::uint8_t, 16> id() const noexcept {
        std::array<std::uint8_t, 16> id{};
        for (std::size_t at = 0; at < id.size(); ++at)
            id[at] = raw_.id[at];
        return id;
    }
    auth::channel channel() const noexcept { return static_cast<auth::channel>(raw_.channel); }
    /** The license reason for which a stricter enforcement would have refused; `errc::ok` for none. */
    errc warning() const noexcept { return static_cast<errc>(raw_.warning); }
    const inspire_principal *raw() const noexcept { return &raw_; }

private:
    inspire_principal raw_;
};

/** Ends calls to the licensing server from another thread. */
class cancel {
public:
    cancel() noexcept : raw_(inspire_cancel_new()) {}
    /** Now, or before they begin: they fail with `errc::cancelled`. */
    void now() const noexcept { inspire_cancel_now(raw_.get()); }
    const inspire_cancel *raw() const noexcept { return raw_.get(); }

private:
    detail::owned<inspire_cancel, inspire_cancel_free> raw_;
};

/** Who changes something, and when. There is no default: it is always said. */
class caller {
public:
    /** The same, until it is cancelled; `by` must outlive the call. */
    caller until(const cancel &by) const noexcept {
        caller with = *this;
        with.raw_.cancel = by.raw();
        return with;
    }
    /** The host itself. */
    static caller system(std::int64_t now = 0) noexcept { return caller(nullptr, now); }
    /** The principal of a request, which must outlive this. It is judged again inside the change. */
    static caller by(const principal &who, std::int64_t now = 0) noexcept { return caller(who.raw(), now); }
    const inspire_caller *raw() const noexcept { return &raw_; }

private:
    caller(const inspire_principal *who, std::int64_t now) noexcept : raw_(INSPIRE_CALLER_INIT) {
        raw_.actor = who == nullptr ? INSPIRE_ACTOR_SYSTEM : INSPIRE_ACTOR_PRINCIPAL;
        raw_.principal = who;
        raw_.now = now;
    }
    inspire_caller raw_;
};

/** A decision that is still being hashed. Any number of threads use one at once. */
class ticket {
public:
    explicit ticket(inspire_ticket *raw) noexcept : raw_(raw) {}
    /** The decision; a failure with `errc::pending` while there is none. */
    result<principal> poll() const noexcept {
        inspire_principal who = INSPIRE_PRINCIPAL_INIT;
        inspire_error *err = nullptr;
        inspire_result code = inspire_ticket_poll(raw_.get(), &who, &err);
        return code == INSPIRE_RESULT_OK ? result<principal>(principal(who)) : result<principal>(failure(code, err));
    }
    /** Waits for the decision, at most so many milliseconds. */
    result<principal> wait(std::uint64_t milliseconds = INSPIRE_WAIT_FOREVER) const noexcept {
        inspire_principal who = INSPIRE_PRINCIPAL_INIT;
        inspire_error *err = nullptr;
        inspire_result code = inspire_ticket_wait(raw_.get(), milliseconds, &who, &err);
        return code == INSPIRE_RESULT_OK ? result<principal>(principal(who)) : result<principal>(failure(code, err));
    }
    /** Gives up: the answer is `errc::cancelled` from now on. */
    void cancel() noexcept { inspire_ticket_cancel(raw_.get()); }
    /** Calls `callback` once when the decision is there: at once, or on a thread of the library, where it must not
     *  block. What it throws is lost. */
    result<void> on_ready(std::function<void()> callback) noexcept {
        auto kept = std::make_unique<std::function<void()>>(std::move(callback));
        result<void> done = detail::run(
            [&](inspire_error **err) { return inspire_ticket_on_ready(raw_.get(), &call, kept.get(), err); });
        if (done)
            kept.release();
        return done;
    }

private:
    static void call(void *userdata) noexcept {
        std::unique_ptr<std::function<void()>> callback(static_cast<std::function<void()> *>(userdata));
        try {
            (*callback)();
        } catch (...) {
        }
    }
    detail::owned<inspire_ticket, inspire_ticket_free> raw_;
};

/** A decision, or a ticket for one. */
using attempt = std::variant<principal, ticket>;

/** What a new key is to be. */
struct key_spec {
    std::string_view name;
    std::string_view description;
    std::vector<std::string_view> levels;
    bool require_secure = true;
    bool enabled = true;
    /** Unix seconds, above 0. */
    std::optional<std::int64_t> expires_at;
};

/** A key whose secret was made elsewhere: only its hash is known. */
struct key_import {
    key_spec spec;
    std::string_view hash;
    hash_format format = hash_format::phc;
    strength how = strength::chosen;
};

/** What of a key is to change; what is not set stays. */
struct key_changes {
    std::optional<std::string_view> description;
    std::optional<std::vector<std::string_view>> levels;
    std::optional<bool> require_secure;
    std::optional<bool> enabled;
    /** Unix seconds; an inner nullopt clears. */
    std::optional<std::optional<std::int64_t>> expires_at;
};

/** Which keys to list. */
struct key_filter {
    std::optional<std::string_view> after;
    std::optional<std::string_view> level;
    /** 0 is all. */
    std::size_t limit = 0;
};

/** A key as it was when it was read, borrowed. */
class key_view {
public:
    explicit key_view(const inspire_key *raw) noexcept : raw_(raw) {}
    std::string_view id() const noexcept { return detail::view(inspire_key_id(raw_)); }
    std::string_view type() const noexcept { return detail::view(inspire_key_type(raw_)); }
    std::string_view name() const noexcept { return detail::view(inspire_key_name(raw_)); }
    std::string_view description() const noexcept { return detail::view(inspire_key_description(raw_)); }
    std::vector<std::string_view> levels() const { return detail::views(inspire_key_levels(raw_)); }
    bool require_secure() const noexcept { return inspire_key_require_secure(raw_); }
    bool enabled() const noexcept { return inspire_key_enabled(raw_); }
    std::int64_t created_at() const noexcept { return inspire_key_created_at(raw_); }
    std::int64_t updated_at() const noexcept { return inspire_key_updated_at(raw_); }
    std::optional<std::int64_t> expires_at() const noexcept { return detail::time(inspire_key_expires_at(raw_)); }
    std::optional<std::int64_t> last_used_at() const noexcept { return detail::time(inspire_key_last_used_at(raw_)); }
    /** From when on the secret before the newest is refused, if there is one. */
    std::optional<std::int64_t> overlap_ends_at() const noexcept {
        return detail::time(inspire_key_overlap_ends_at(raw_));
    }
    std::uint64_t revision() const noexcept { return inspire_key_revision(raw_); }
    auth::origin origin() const noexcept { return static_cast<auth::origin>(inspire_key_origin(raw_)); }

private:
    const inspire_key *raw_;
};

/** A key as it was when it was read. */
class key {
public:
    explicit key(inspire_key *raw) noexcept : raw_(raw) {}
    key_view view() const noexcept { return key_view(raw_.get()); }

private:
    detail::owned<inspire_key, inspire_key_free> raw_;
};

/** Several keys. */
class key_list {
public:
    explicit key_list(inspire_keys *raw) noexcept : raw_(raw) {}
    std::size_t size() const noexcept { return inspire_keys_count(raw_.get()); }
    bool empty() const noexcept { return size() == 0; }
    /** Borrowed from the list. */
    key_view operator[](std::size_t index) const noexcept { return key_view(inspire_keys_at(raw_.get(), index)); }

    /** For `for (key_view key : list)`. */
    class iterator {
    public:
        iterator(const key_list *list, std::size_t at) noexcept : list_(list), at_(at) {}
        key_view operator*() const noexcept { return (*list_)[at_]; }
        iterator &operator++() noexcept { return ++at_, *this; }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        const key_list *list_;
        std::size_t at_;
    };
    iterator begin() const noexcept { return iterator(this, 0); }
    iterator end() const noexcept { return iterator(this, size()); }

private:
    detail::owned<inspire_keys, inspire_keys_free> raw_;
};

/** A key that was just given a secret, with that secret; wiped when destroyed. */
class created_key {
public:
    explicit created_key(inspire_created_key *raw) noexcept : raw_(raw) {}
    key_view record() const noexcept { return key_view(inspire_created_key_record(raw_.get())); }
    /** "isk_..." */
    std::string_view secret() const noexcept { return detail::view(inspire_created_key_secret(raw_.get())); }
    /** `<name>:<key>` */
    std::string_view credential() const noexcept { return detail::view(inspire_created_key_credential(raw_.get())); }
    /** `<name>~<key>` */
    std::string_view rfc6750() const noexcept { return detail::view(inspire_created_key_rfc6750(raw_.get())); }
    /** Granted, but ignored in this mode. */
    std::vector<std::string_view> ignored_levels() const {
        return detail::views(inspire_created_key_ignored_levels(raw_.get()));
    }

private:
    detail::owned<inspire_created_key, inspire_created_key_free> raw_;
};

/** A revision, or whichever the key has. */
using revision = std::optional<std::uint64_t>;

namespace detail {

inline std::uint64_t revision_of(revision value) noexcept { return value ? *value : INSPIRE_REVISION_ANY; }

/** Times that can't be: C says "never" with a 0, and a caller who says 0 means the year 1970. */
inline std::int64_t input_time(std::optional<std::int64_t> at) noexcept { return at ? (*at == 0 ? -1 : *at) : 0; }

inline std::vector<inspire_trusted_key> trusted(const std::vector<trusted_key> &keys) {
    std::vector<inspire_trusted_key> raw;
    for (const trusted_key &each : keys)
        raw.push_back(inspire_trusted_key{str(each.id), str(each.public_key), input_time(each.not_after)});
    return raw;
}

/** A spec as C wants it, with what it points to. */
struct raw_spec {
    std::vector<inspire_str> levels;
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;

    explicit raw_spec(const key_spec &from) : levels(strs(from.levels)) {
        spec.name = str(from.name);
        spec.description = str(from.description);
        spec.levels = levels.data();
        spec.level_count = levels.size();
        spec.expires_at = input_time(from.expires_at);
        spec.flags = (from.require_secure ? 0u : INSPIRE_KEY_ALLOW_INSECURE) |
                     (from.enabled ? 0u : INSPIRE_KEY_DISABLED);
    }
    raw_spec(const raw_spec &) = delete;
    raw_spec &operator=(const raw_spec &) = delete;
};

} // namespace detail

/** The API keys of a handle; lives as long as the handle. */
class keys {
public:
    explicit keys(const inspire_auth *raw) noexcept : raw_(raw) {}

    result<created_key> try_create(const key_spec &spec, const caller &by) const noexcept {
        detail::raw_spec raw(spec);
        return detail::make<created_key, inspire_created_key>(
            [&](auto out, auto err) { return inspire_key_create(raw_, &raw.spec, by.raw(), out, err); });
    }
    created_key create(const key_spec &spec, const caller &by) const { return try_create(spec, by).value(); }

    result<key> try_import(const key_spec &spec, hash_format format, std::string_view hash, strength how,
                           const caller &by) const noexcept {
        detail::raw_spec raw(spec);
        return detail::make<key, inspire_key>([&](auto out, auto err) {
            return inspire_key_import(raw_, &raw.spec, static_cast<std::uint32_t>(format), detail::str(hash),
                                      static_cast<std::uint32_t>(how), by.raw(), out, err);
        });
    }
    key import(const key_spec &spec, hash_format format, std::string_view hash, strength how, const caller &by) const {
        return try_import(spec, format, hash, how, by).value();
    }

    /** Adds all of them, in one transaction, or none. */
    result<std::uint64_t> try_import_all(const std::vector<key_import> &imports, const caller &by) const noexcept {
        std::deque<detail::raw_spec> specs;
        std::vector<inspire_import> raw;
        raw.reserve(imports.size());
        for (const key_import &each : imports) {
            const detail::raw_spec &spec = specs.emplace_back(each.spec);
            raw.push_back(inspire_import{&spec.spec, detail::str(each.hash), static_cast<std::uint32_t>(each.format),
                                         static_cast<std::uint32_t>(each.how)});
        }
        std::uint64_t count = 0;
        inspire_error *err = nullptr;
        inspire_result code = inspire_key_import_all(raw_, raw.data(), raw.size(), by.raw(), &count, &err);
        return code == INSPIRE_RESULT_OK ? result<std::uint64_t>(count) : result<std::uint64_t>(failure(code, err));
    }
    std::uint64_t import_all(const std::vector<key_import> &imports, const caller &by) const {
        return try_import_all(imports, by).value();
    }

    result<key> try_get(std::string_view name) const noexcept {
        return detail::make<key, inspire_key>(
            [&](auto out, auto err) { return inspire_key_get(raw_, detail::str(name), out, err); });
    }
    key get(std::string_view name) const { return try_get(name).value(); }

    result<key_list> try_list(const key_filter &filter = {}) const noexcept {
        inspire_key_filter raw = INSPIRE_KEY_FILTER_INIT;
        raw.after = detail::str(filter.after);
        raw.level = detail::str(filter.level);
        raw.limit = filter.limit;
        return detail::make<key_list, inspire_keys>(
            [&](auto out, auto err) { return inspire_key_list(raw_, &raw, out, err); });
    }
    key_list list(const key_filter &filter = {}) const { return try_list(filter).value(); }

    result<key_list> try_export_all() const noexcept {
        return detail::make<key_list, inspire_keys>(
            [&](auto out, auto err) { return inspire_key_export(raw_, out, err); });
    }
    key_list export_all() const { return try_export_all().value(); }

    result<key> try_update(std::string_view name, std::uint64_t revision, const key_changes &changes,
                           const caller &by) const noexcept {
        inspire_key_changes raw = INSPIRE_KEY_CHANGES_INIT;
        std::vector<inspire_str> levels;
        if (changes.description) {
            raw.set |= INSPIRE_SET_DESCRIPTION;
            raw.description = detail::str(*changes.description);
        }
        if (changes.levels) {
            raw.set |= INSPIRE_SET_LEVELS;
            levels = detail::strs(*changes.levels);
            raw.levels = levels.data();
            raw.level_count = levels.size();
        }
        if (changes.require_secure) {
            raw.set |= INSPIRE_SET_REQUIRE_SECURE;
            raw.require_secure = *changes.require_secure;
        }
        if (changes.enabled) {
            raw.set |= INSPIRE_SET_ENABLED;
            raw.enabled = *changes.enabled;
        }
        if (changes.expires_at) {
            raw.set |= INSPIRE_SET_EXPIRES_AT;
            raw.expires_at = detail::input_time(*changes.expires_at);
        }
        return detail::make<key, inspire_key>([&](auto out, auto err) {
            return inspire_key_update(raw_, detail::str(name), revision, &raw, by.raw(), out, err);
        });
    }
    key update(std::string_view name, std::uint64_t revision, const key_changes &changes, const caller &by) const {
        return try_update(name, revision, changes, by).value();
    }

    result<key> try_rename(std::string_view name, std::string_view new_name, revision seen,
                           const caller &by) const noexcept {
        return detail::make<key, inspire_key>([&](auto out, auto err) {
            return inspire_key_rename(raw_, detail::str(name), detail::str(new_name), detail::revision_of(seen),
                                      by.raw(), out, err);
        });
    }
    key rename(std::string_view name, std::string_view new_name, revision seen, const caller &by) const {
        return try_rename(name, new_name, seen, by).value();
    }

    result<key> try_set_enabled(std::string_view name, bool enabled, revision seen,
                                const caller &by) const noexcept {
        return detail::make<key, inspire_key>([&](auto out, auto err) {
            return inspire_key_set_enabled(raw_, detail::str(name), enabled, detail::revision_of(seen), by.raw(), out,
                                           err);
        });
    }
    key set_enabled(std::string_view name, bool enabled, revision seen, const caller &by) const {
        return try_set_enabled(name, enabled, seen, by).value();
    }

    result<created_key> try_duplicate(std::string_view name, std::string_view new_name, revision seen,
                                      const caller &by) const noexcept {
        return detail::make<created_key, inspire_created_key>([&](auto out, auto err) {
            return inspire_key_duplicate(raw_, detail::str(name), detail::str(new_name), detail::revision_of(seen),
                                         by.raw(), out, err);
        });
    }
    created_key duplicate(std::string_view name, std::string_view new_name, revision seen, const caller &by) const {
        return try_duplicate(name, new_name, seen, by).value();
    }

    result<created_key> try_rotate(std::string_view name, std::uint64_t overlap_seconds, revision seen,
                                   const caller &by) const noexcept {
        return detail::make<created_key, inspire_created_key>([&](auto out, auto err) {
            return inspire_key_rotate(raw_, detail::str(name), overlap_seconds, detail::revision_of(seen), by.raw(),
                                      out, err);
        });
    }
    created_key rotate(std::string_view name, std::uint64_t overlap_seconds, revision seen, const caller &by) const {
        return try_rotate(name, overlap_seconds, seen, by).value();
    }

    result<void> try_remove(std::string_view name, revision seen, const caller &by) const noexcept {
        return detail::run([&](inspire_error **err) {
            return inspire_key_delete(raw_, detail::str(name), detail::revision_of(seen), by.raw(), err);
        });
    }
    /** Deletes a key: `delete` is C++'s own word. */
    void remove(std::string_view name, revision seen, const caller &by) const { try_remove(name, seen, by).value(); }

    result<std::uint64_t> try_seal_all(const caller &by) const noexcept {
        std::uint64_t count = 0;
        inspire_error *err = nullptr;
        inspire_result code = inspire_key_seal_all(raw_, by.raw(), &count, &err);
        return code == INSPIRE_RESULT_OK ? result<std::uint64_t>(count) : result<std::uint64_t>(failure(code, err));
    }
    std::uint64_t seal_all(const caller &by) const { return try_seal_all(by).value(); }

private:
    const inspire_auth *raw_;
};

/** The license as it was at one moment. */
class license_status {
public:
    explicit license_status(inspire_license *raw) noexcept : raw_(raw) {}
    license_state state() const noexcept { return static_cast<license_state>(inspire_license_state(raw_.get())); }
    /** Why it may not be used; `errc::ok` when it is active. */
    errc reason() const noexcept { return static_cast<errc>(inspire_license_reason(raw_.get())); }
    std::optional<std::string_view> name() const noexcept {
        return detail::optional_view(inspire_license_name(raw_.get()));
    }
    /** Masked. */
    std::optional<std::string_view> key() const noexcept {
        return detail::optional_view(inspire_license_key(raw_.get()));
    }
    license_mode mode() const noexcept { return static_cast<license_mode>(inspire_license_mode(raw_.get())); }
    std::optional<std::int64_t> expires_at() const noexcept {
        return detail::time(inspire_license_expires_at(raw_.get()));
    }
    std::optional<std::int64_t> lease_expires_at() const noexcept {
        return detail::time(inspire_license_lease_expires_at(raw_.get()));
    }
    std::optional<std::int64_t> last_validated_at() const noexcept {
        return detail::time(inspire_license_last_validated_at(raw_.get()));
    }
    /** When the licensing server was last asked in vain, and why. */
    std::optional<std::pair<std::int64_t, errc>> last_attempt() const noexcept {
        auto at = detail::time(inspire_license_last_attempt_at(raw_.get()));
        if (!at)
            return std::nullopt;
        return std::make_pair(*at, static_cast<errc>(inspire_license_last_attempt_code(raw_.get())));
    }
    /** In force; -1 is unlimited. */
    std::vector<std::pair<std::string_view, std::int64_t>> limits() const {
        return detail::limits(inspire_license_limits(raw_.get()));
    }
    /** In force. */
    std::vector<std::string_view> entitlements() const {
        return detail::views(inspire_license_entitlements(raw_.get()));
    }
    std::vector<std::string_view> warnings() const { return detail::views(inspire_license_warnings(raw_.get())); }

private:
    detail::owned<inspire_license, inspire_license_free> raw_;
};

/** An entitlement, and whether it is granted. */
struct entitlement {
    std::string code;
    std::optional<std::string> feature;
    bool granted;
};

/** What became of this machine's place on its license at the licensing server. */
enum class release : std::uint32_t {
    none = INSPIRE_RELEASE_NONE,
    server = INSPIRE_RELEASE_SERVER,
    pending = INSPIRE_RELEASE_PENDING,
};

/** What a deactivation came to. The license is out, whatever it was. */
class deactivation {
public:
    explicit deactivation(inspire_deactivation *raw) noexcept : raw_(raw) {}
    auth::release release() const noexcept {
        return static_cast<auth::release>(inspire_deactivation_release(raw_.get()));
    }
    /** Why it is pending; `errc::ok` where it is not. */
    errc problem() const noexcept { return static_cast<errc>(inspire_deactivation_problem(raw_.get())); }
    /** For the vendor. */
    std::optional<std::string_view> receipt() const noexcept {
        return detail::optional_view(inspire_deactivation_receipt(raw_.get()));
    }

private:
    detail::owned<inspire_deactivation, inspire_deactivation_free> raw_;
};

/** A part of an installation, with a limit of its own; -1 is the license's. */
struct tenant {
    std::string_view name;
    std::int64_t limit = INSPIRE_UNLIMITED;
    /** The limit that holds, of the license's and its own; -1 is none. */
    std::int64_t effective(std::int64_t license_limit) const noexcept {
        inspire_tenant raw{detail::str(name), limit};
        return inspire_tenant_effective(&raw, license_limit);
    }
};

/** What is left of an allocation of credits; -1 is unlimited. */
struct balance {
    std::int64_t limit;
    std::int64_t used;
    std::int64_t left;
    std::int64_t resets_at;
    /** 100 times the year, plus 1 for January. */
    std::uint32_t month;
};

/** What a tick came to. */
struct tick {
    /** When there will be something to do. */
    std::optional<std::int64_t> next;
    /** What was due and failed; `errc::ok` when nothing did. */
    errc problem;
};

/** The license of a handle; lives as long as the handle. */
class license {
public:
    explicit license(const inspire_auth *raw) noexcept : raw_(raw) {}

    result<license_status> try_activate_offline(std::string_view license_key, std::string_view file, bool force,
                                                const caller &by) const noexcept {
        return detail::make<license_status, inspire_license>([&](auto out, auto err) {
            return inspire_license_activate_offline(raw_, detail::str(license_key), detail::str(file), force, by.raw(),
                                                    out, err);
        });
    }
    license_status activate_offline(std::string_view license_key, std::string_view file, bool force,
                                    const caller &by) const {
        return try_activate_offline(license_key, file, force, by).value();
    }

    result<license_status> try_status(std::int64_t now = 0) const noexcept {
        return detail::make<license_status, inspire_license>(
            [&](auto out, auto err) { return inspire_license_status(raw_, now, out, err); });
    }
    license_status status(std::int64_t now = 0) const { return try_status(now).value(); }

    /** Success only when the entitlement is granted; otherwise `not_entitled`, `unlicensed`, or the license's first
     *  failure. */
    result<void> check_entitlement(std::string_view code, std::int64_t now = 0) const noexcept {
        return detail::run([&](inspire_error **err) {
            return inspire_license_check_entitlement(raw_, detail::str(code), now, err);
        });
    }

    result<std::int64_t> try_limit(std::string_view name, std::int64_t now = 0) const noexcept {
        std::int64_t limit = 0;
        inspire_error *err = nullptr;
        inspire_result code = inspire_license_limit(raw_, detail::str(name), now, &limit, &err);
        return code == INSPIRE_RESULT_OK ? result<std::int64_t>(limit) : result<std::int64_t>(failure(code, err));
    }
    std::int64_t limit(std::string_view name, std::int64_t now = 0) const { return try_limit(name, now).value(); }

    /** Success only when so many, the new one included, are within the limit. */
    result<void> check_limit(std::string_view name, std::int64_t in_use, std::int64_t now = 0) const noexcept {
        return detail::run([&](inspire_error **err) {
            return inspire_license_check_limit(raw_, detail::str(name), in_use, now, err);
        });
    }

    /** The ten that are known by name, then what else is granted. */
    std::vector<entitlement> entitlements(std::int64_t now = 0) const {
        inspire_entitlements *table = nullptr;
        detail::run([&](inspire_error **err) {
            return inspire_license_list_entitlements(raw_, now, &table, err);
        }).value();
        detail::owned<inspire_entitlements, inspire_entitlements_free> keep(table);
        std::vector<entitlement> all;
        for (std::size_t at = 0; at < inspire_entitlements_count(table); ++at) {
            inspire_entitlement row = inspire_entitlements_at(table, at);
            std::optional<std::string> feature;
            if (auto known = detail::optional_view(row.feature))
                feature.emplace(*known);
            all.push_back(entitlement{std::string(detail::view(row.code)), std::move(feature), row.granted != 0});
        }
        return all;
    }

    result<license_status> try_revalidate(const caller &by) const noexcept {
        return detail::make<license_status, inspire_license>(
            [&](auto out, auto err) { return inspire_license_revalidate(raw_, by.raw(), out, err); });
    }
    license_status revalidate(const caller &by) const { return try_revalidate(by).value(); }

    result<license_status> try_deactivate(const caller &by) const noexcept {
        return detail::make<license_status, inspire_license>(
            [&](auto out, auto err) { return inspire_license_deactivate(raw_, by.raw(), out, err); });
    }
    license_status deactivate(const caller &by) const { return try_deactivate(by).value(); }

    result<license_status> try_activate_online(std::string_view license_key, const caller &by) const noexcept {
        return detail::make<license_status, inspire_license>([&](auto out, auto err) {
            return inspire_license_activate_online(raw_, detail::str(license_key), by.raw(), out, err);
        });
    }
    license_status activate_online(std::string_view license_key, const caller &by) const {
        return try_activate_online(license_key, by).value();
    }

    result<license_status> try_refresh(std::string_view file, const caller &by) const noexcept {
        return detail::make<license_status, inspire_license>(
            [&](auto out, auto err) { return inspire_license_refresh(raw_, detail::str(file), by.raw(), out, err); });
    }
    license_status refresh(std::string_view file, const caller &by) const { return try_refresh(file, by).value(); }

    /** With a receipt, and what became of the machine's place; `local_only` says nothing to the server. */
    result<deactivation> try_deactivate_with(bool local_only, const caller &by) const noexcept {
        return detail::make<deactivation, inspire_deactivation>([&](auto out, auto err) {
            return inspire_license_deactivate_with(raw_, local_only, by.raw(), out, err);
        });
    }
    deactivation deactivate_with(bool local_only, const caller &by) const {
        return try_deactivate_with(local_only, by).value();
    }

    /** A request for a machine file, for the vendor. */
    result<std::string> try_request(std::optional<std::string_view> license_key, const caller &by) const noexcept {
        inspire_text *text = nullptr;
        inspire_error *err = nullptr;
        inspire_result code = inspire_license_request(raw_, detail::str(license_key), by.raw(), &text, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        detail::owned<inspire_text, inspire_text_free> keep(text);
        return std::string(detail::view(inspire_text_str(text)));
    }
    std::string request(std::optional<std::string_view> license_key, const caller &by) const {
        return try_request(license_key, by).value();
    }

    /** The license key as it was entered, which `license_status::key` masks; who saw it is recorded. */
    result<std::string> try_reveal_key(const caller &by) const noexcept {
        inspire_text *text = nullptr;
        inspire_error *err = nullptr;
        inspire_result code = inspire_license_reveal_key(raw_, by.raw(), &text, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        detail::owned<inspire_text, inspire_text_free> keep(text);
        return std::string(detail::view(inspire_text_str(text)));
    }
    std::string reveal_key(const caller &by) const { return try_reveal_key(by).value(); }

    /** How many machines were released that were still to be. */
    result<std::size_t> try_release_pending(const caller &by) const noexcept {
        std::size_t released = 0;
        inspire_error *err = nullptr;
        inspire_result code = inspire_license_release_pending(raw_, by.raw(), &released, &err);
        return code == INSPIRE_RESULT_OK ? result<std::size_t>(released) : result<std::size_t>(failure(code, err));
    }
    std::size_t release_pending(const caller &by) const { return try_release_pending(by).value(); }

    /** Does what is due at the licensing server. */
    result<auth::tick> try_tick(std::int64_t now = 0, const cancel *until = nullptr) const noexcept {
        std::int64_t next = INSPIRE_NEVER;
        inspire_result problem = INSPIRE_RESULT_OK;
        inspire_error *err = nullptr;
        inspire_result code =
            inspire_license_tick(raw_, now, until == nullptr ? nullptr : until->raw(), &next, &problem, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return auth::tick{detail::time(next), static_cast<errc>(problem)};
    }
    auth::tick tick(std::int64_t now = 0, const cancel *until = nullptr) const { return try_tick(now, until).value(); }

    /** Consumes credits, once for each operation. */
    result<auth::balance> try_consume(std::int64_t amount, std::string_view operation, const tenant *of = nullptr,
                                      std::int64_t now = 0) const noexcept {
        return credits([&](auto left, auto err) {
            inspire_tenant raw = tenant_of(of);
            return inspire_credits_consume(raw_, amount, detail::str(operation), of == nullptr ? nullptr : &raw, now,
                                           left, err);
        });
    }
    auth::balance consume(std::int64_t amount, std::string_view operation, const tenant *of = nullptr,
                          std::int64_t now = 0) const {
        return try_consume(amount, operation, of, now).value();
    }
    /** Gives back what an operation consumed, once. */
    result<auth::balance> try_refund(std::string_view operation, const tenant *of = nullptr,
                                     std::int64_t now = 0) const noexcept {
        return credits([&](auto left, auto err) {
            inspire_tenant raw = tenant_of(of);
            return inspire_credits_refund(raw_, detail::str(operation), of == nullptr ? nullptr : &raw, now, left,
                                          err);
        });
    }
    auth::balance refund(std::string_view operation, const tenant *of = nullptr, std::int64_t now = 0) const {
        return try_refund(operation, of, now).value();
    }
    result<auth::balance> try_balance(const tenant *of = nullptr, std::int64_t now = 0) const noexcept {
        return credits([&](auto left, auto err) {
            inspire_tenant raw = tenant_of(of);
            return inspire_credits_balance(raw_, of == nullptr ? nullptr : &raw, now, left, err);
        });
    }
    auth::balance balance(const tenant *of = nullptr, std::int64_t now = 0) const {
        return try_balance(of, now).value();
    }

    /** Success only when the tenant's are within its limit, and all within the license's. */
    result<void> check_tenant_limit(std::string_view name, const tenant &of, std::int64_t in_use,
                                    std::int64_t in_use_by_all, std::int64_t now = 0) const noexcept {
        return detail::run([&](inspire_error **err) {
            inspire_tenant raw = tenant_of(&of);
            return inspire_license_check_tenant_limit(raw_, detail::str(name), &raw, in_use, in_use_by_all, now, err);
        });
    }

private:
    static inspire_tenant tenant_of(const tenant *of) noexcept {
        return of == nullptr ? inspire_tenant{{nullptr, 0}, INSPIRE_UNLIMITED}
                             : inspire_tenant{detail::str(of->name), of->limit};
    }
    template <typename F> result<auth::balance> credits(F call) const noexcept {
        inspire_balance left = INSPIRE_BALANCE_INIT;
        inspire_error *err = nullptr;
        inspire_result code = call(&left, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return auth::balance{left.limit, left.used, left.left, left.resets_at, left.month};
    }

    const inspire_auth *raw_;
};

/** This machine, as a machine file names it. */
class machine {
public:
    explicit machine(inspire_machine *raw) noexcept : raw_(raw) {}
    /** As options like these would identify it. */
    static machine identify(std::optional<std::string_view> machine_id = std::nullopt,
                            std::optional<std::string_view> product = std::nullopt) {
        return detail::make<machine, inspire_machine>([&](auto out, auto err) {
                   return inspire_machine_identify(detail::str(machine_id), detail::str(product), out, err);
               })
            .value();
    }
    std::string_view fingerprint() const noexcept { return detail::view(inspire_machine_fingerprint(raw_.get())); }
    /** The kind of container that this process seems to run in. */
    std::optional<std::string_view> container() const noexcept {
        return detail::optional_view(inspire_machine_container(raw_.get()));
    }
    bool is_from_option() const noexcept {
        return inspire_machine_source(raw_.get()) == INSPIRE_MACHINE_FROM_OPTION;
    }
    /** What is looked at: name and finding. */
    static std::vector<std::pair<std::string, std::string>>
    explain(std::optional<std::string_view> machine_id = std::nullopt,
            std::optional<std::string_view> product = std::nullopt) {
        inspire_machine_parts *parts = nullptr;
        detail::run([&](inspire_error **err) {
            return inspire_machine_explain(detail::str(machine_id), detail::str(product), &parts, err);
        }).value();
        detail::owned<inspire_machine_parts, inspire_machine_parts_free> keep(parts);
        std::vector<std::pair<std::string, std::string>> all;
        for (std::size_t at = 0; at < inspire_machine_parts_count(parts); ++at) {
            inspire_machine_part part = inspire_machine_parts_at(parts, at);
            all.emplace_back(detail::view(part.name), detail::view(part.found));
        }
        return all;
    }

private:
    detail::owned<inspire_machine, inspire_machine_free> raw_;
};

/** API keys and licensing on one store. Any number of threads use one at once. */
class handle {
public:
    static result<handle> try_open(const options &from) noexcept {
        inspire_auth_options raw = INSPIRE_AUTH_OPTIONS_INIT;
        raw.store = detail::str(from.store);
        raw.realm = detail::str(from.realm);
        std::vector<inspire_str> headers = detail::strs(from.extra_headers);
        raw.extra_headers = headers.data();
        raw.extra_header_count = headers.size();
        raw.level_mode = static_cast<std::uint32_t>(from.level_mode);
        raw.enforcement = static_cast<std::uint32_t>(from.enforcement);
        raw.scheme = static_cast<std::uint32_t>(from.scheme);
        raw.flags = (from.local_is_secure ? INSPIRE_AUTH_LOCAL_IS_SECURE : 0u) |
                    (from.remember_chosen ? INSPIRE_AUTH_REMEMBER_CHOSEN : 0u) |
                    (from.allow_unbound ? INSPIRE_AUTH_ALLOW_UNBOUND : 0u) |
                    (from.payment_required ? INSPIRE_AUTH_PAYMENT_REQUIRED : 0u);
        raw.hash_memory_kib = from.hash_memory_kib;
        raw.hash_iterations = from.hash_iterations;
        raw.hash_parallelism = from.hash_parallelism;
        raw.chosen_failures_per_minute = from.chosen_failures_per_minute;
        raw.max_hash_memory = from.max_hash_memory;
        raw.max_lease = from.max_lease;
        std::vector<inspire_pepper> peppers;
        for (const pepper &each : from.peppers)
            peppers.push_back(inspire_pepper{detail::str(each.id), detail::str(each.secret)});
        raw.peppers = peppers.data();
        raw.pepper_count = peppers.size();
        std::vector<inspire_str> write, admin;
        raw.write_requirement = spec(from.write_requirement, write);
        raw.admin_requirement = spec(from.admin_requirement, admin);
        std::vector<inspire_trusted_key> trusted = detail::trusted(from.trusted_keys);
        raw.trusted_keys = trusted.data();
        raw.trusted_key_count = trusted.size();
        raw.product = detail::str(from.product);
        raw.machine_id = detail::str(from.machine_id);
        std::unique_ptr<sink> audit;
        if (from.audit) {
            audit = std::make_unique<sink>(from.audit);
            raw.audit = &hear;
            raw.audit_userdata = audit.get();
        }
        if (from.audit_file) {
            raw.audit_file = detail::str(from.audit_file->path);
            raw.audit_max_bytes = from.audit_file->max_bytes;
            raw.audit_keep = from.audit_file->keep;
            raw.audit_chain = from.audit_file->chain ? 1 : 0;
            raw.audit_on_failure = static_cast<std::uint32_t>(from.audit_file->on_failure);
        }
        inspire_server server = INSPIRE_SERVER_INIT;
        std::vector<inspire_str> hosts;
        std::unique_ptr<carrier> transport;
        if (from.server) {
            server.url = detail::str(from.server->url);
            server.account = detail::str(from.server->account);
            server.account_id = detail::str(from.server->account_id);
            server.signing_host = detail::str(from.server->signing_host);
            hosts = detail::strs(from.server->allowed_hosts);
            server.allowed_hosts = hosts.data();
            server.allowed_host_count = hosts.size();
            if (from.server->proxy) {
                server.proxy = from.server->proxy->empty() ? INSPIRE_PROXY_NONE : INSPIRE_PROXY_URL;
                if (!from.server->proxy->empty())
                    server.proxy_url = detail::str(*from.server->proxy);
            }
            server.ca_file = detail::str(from.server->ca_file);
            server.connect_timeout_ms = from.server->connect_timeout_ms;
            server.timeout_ms = from.server->timeout_ms;
            server.lease = from.server->lease;
            server.auto_refresh = from.server->auto_refresh ? 1 : 0;
            if (from.server->transport) {
                transport = std::make_unique<carrier>(from.server->transport);
                server.transport = &carry;
                server.transport_userdata = transport.get();
            }
            raw.server = &server;
        }
        inspire_auth *auth = nullptr;
        inspire_error *err = nullptr;
        inspire_result code = inspire_auth_open(&raw, &auth, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return handle(auth, std::move(audit), std::move(transport));
    }
    static handle open(const options &from) { return try_open(from).value(); }

    handle(handle &&) noexcept = default;
    /** What the former handle calls is let go of after it. */
    handle &operator=(handle &&other) noexcept {
        raw_ = std::move(other.raw_);
        audit_ = std::move(other.audit_);
        transport_ = std::move(other.transport_);
        return *this;
    }

    auth::keys keys() const noexcept { return auth::keys(raw_.get()); }
    auth::license license() const noexcept { return auth::license(raw_.get()); }

    /** Compiles `any(A/B, C)`, `all(A, B)`, or one level. */
    result<requirement> try_parse_requirement(std::string_view text) const noexcept {
        return detail::make<requirement, inspire_requirement>(
            [&](auto out, auto err) { return inspire_requirement_parse(raw_.get(), detail::str(text), out, err); });
    }
    requirement parse_requirement(std::string_view text) const { return try_parse_requirement(text).value(); }

    /** Compiles `any_of({...})` or `all_of({...})`. */
    result<requirement> try_compile(const levels &required) const noexcept {
        std::vector<inspire_str> names;
        inspire_requirement_spec raw = spec(required, names);
        return detail::make<requirement, inspire_requirement>(
            [&](auto out, auto err) { return inspire_requirement_compile(raw_.get(), &raw, out, err); });
    }
    requirement compile(const levels &required) const { return try_compile(required).value(); }

    /** Decides one request. Only a value grants. */
    result<principal> try_authenticate(const request &asked) const noexcept {
        inspire_request raw = asked.raw();
        inspire_principal who = INSPIRE_PRINCIPAL_INIT;
        inspire_error *err = nullptr;
        inspire_result code = inspire_auth_authenticate(raw_.get(), &raw, &who, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return principal(who);
    }
    principal authenticate(const request &asked) const { return try_authenticate(asked).value(); }

    /** Decides one request without waiting for a slow hash: a principal, or a ticket for one. */
    result<attempt> try_authenticate_no_wait(const request &asked) const noexcept {
        inspire_request raw = asked.raw();
        inspire_principal who = INSPIRE_PRINCIPAL_INIT;
        inspire_ticket *pending = nullptr;
        inspire_error *err = nullptr;
        inspire_result code = inspire_auth_authenticate_no_wait(raw_.get(), &raw, &who, &pending, &err);
        if (code == INSPIRE_RESULT_PENDING)
            return attempt(ticket(pending));
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        return attempt(principal(who));
    }
    attempt authenticate_no_wait(const request &asked) const { return try_authenticate_no_wait(asked).value(); }

    /** The HTTP status that answers a request with this result. */
    std::uint32_t http_status(errc code) const noexcept {
        return inspire_auth_http_status(raw_.get(), static_cast<std::uint32_t>(code));
    }
    /** The value of `WWW-Authenticate`, if there is one; lives as long as the handle. */
    std::optional<std::string_view> challenge(errc code) const noexcept {
        return detail::optional_view(inspire_auth_challenge(raw_.get(), static_cast<std::uint32_t>(code)));
    }
    /** The value of `Retry-After` in seconds; 0 for none. */
    std::uint32_t retry_after(errc code) const noexcept {
        return inspire_auth_retry_after(raw_.get(), static_cast<std::uint32_t>(code));
    }

    /** The names of the headers that may carry a credential: a host that forwards requests must strip all of them. They
     *  live as long as the handle. */
    std::vector<std::string_view> credential_headers() const {
        std::vector<std::string_view> names;
        while (auto name = detail::optional_view(inspire_auth_credential_header(raw_.get(), names.size())))
            names.push_back(*name);
        return names;
    }

    /** What the principal's key holds now. */
    std::vector<std::string> principal_levels(const principal &who) const {
        inspire_str_list *list = nullptr;
        detail::run([&](inspire_error **err) {
            return inspire_principal_levels(raw_.get(), who.raw(), &list, err);
        }).value();
        return detail::strings(list);
    }
    /** Judges a principal again, as it stands now. */
    result<void> recheck(const principal &who, const requirement &required, std::int64_t now = 0) const noexcept {
        return detail::run([&](inspire_error **err) {
            return inspire_principal_recheck(raw_.get(), who.raw(), required.raw(), now, err);
        });
    }
    /** The levels for want of which a principal fails a requirement. */
    std::vector<std::string> explain(const principal &who, const requirement &required) const {
        inspire_str_list *list = nullptr;
        detail::run([&](inspire_error **err) {
            return inspire_principal_explain(raw_.get(), who.raw(), required.raw(), &list, err);
        }).value();
        return detail::strings(list);
    }

    /** The dry run: what a request with a key (by name, with its right secret; none is a request without a credential)
     *  would get. Notes nothing. */
    result<explanation> try_would_allow(const routes &table, std::optional<std::string_view> key,
                                        std::string_view method, std::string_view path, auth::channel channel,
                                        std::int64_t now = 0) const noexcept {
        return detail::make<explanation, inspire_explanation>([&](auto out, auto err) {
            return inspire_auth_would_allow(raw_.get(), table.raw(), detail::str(key), detail::str(method),
                                            detail::str(path), static_cast<std::uint32_t>(channel), now, out, err);
        });
    }
    explanation would_allow(const routes &table, std::optional<std::string_view> key, std::string_view method,
                            std::string_view path, auth::channel channel, std::int64_t now = 0) const {
        return try_would_allow(table, key, method, path, channel, now).value();
    }
    /** The same for a principal: what its next request would get. */
    result<explanation> try_explain_route(const principal &who, const routes &table, std::string_view method,
                                          std::string_view path, std::int64_t now = 0) const noexcept {
        return detail::make<explanation, inspire_explanation>([&](auto out, auto err) {
            return inspire_principal_explain_route(raw_.get(), who.raw(), table.raw(), detail::str(method),
                                                   detail::str(path), now, out, err);
        });
    }
    explanation explain_route(const principal &who, const routes &table, std::string_view method,
                              std::string_view path, std::int64_t now = 0) const {
        return try_explain_route(who, table, method, path, now).value();
    }

    /** The newest audit events, newest first. */
    std::vector<audit_event> audit_log(std::size_t limit) const {
        inspire_audit_log *log = nullptr;
        detail::run([&](inspire_error **err) { return inspire_audit_log_read(raw_.get(), limit, &log, err); }).value();
        detail::owned<inspire_audit_log, inspire_audit_log_free> keep(log);
        std::vector<audit_event> events;
        for (std::size_t at = 0; at < inspire_audit_log_count(log); ++at)
            events.emplace_back(inspire_audit_log_at(log, at));
        return events;
    }

    /** Counters and gauges of this process, in the OpenMetrics text format (1.0.0). */
    std::string metrics_text() const {
        inspire_text *text = nullptr;
        detail::run([&](inspire_error **err) { return inspire_auth_metrics_text(raw_.get(), &text, err); }).value();
        detail::owned<inspire_text, inspire_text_free> keep(text);
        return std::string(detail::view(inspire_text_str(text)));
    }

    /** Writes what was noted on the side to the store and the audit file now. */
    result<void> try_flush() const noexcept {
        return detail::run([&](inspire_error **err) { return inspire_auth_flush(raw_.get(), err); });
    }
    void flush() const { try_flush().value(); }

    /** Accepts what the store holds now as its history, after `errc::store_history_changed`. */
    result<void> try_adopt_store() const noexcept {
        return detail::run([&](inspire_error **err) { return inspire_auth_adopt_store(raw_.get(), err); });
    }
    void adopt_store() const { try_adopt_store().value(); }

    /** This machine, as the options identify it. */
    auth::machine machine() const {
        return detail::make<auth::machine, inspire_machine>(
                   [&](auto out, auto err) { return inspire_machine_of(raw_.get(), out, err); })
            .value();
    }

    const inspire_auth *raw() const noexcept { return raw_.get(); }

private:
    using sink = std::function<void(const audit_event &)>;
    using carrier = std::function<http_response(const http_request &)>;

    handle(inspire_auth *raw, std::unique_ptr<sink> audit, std::unique_ptr<carrier> transport) noexcept
        : audit_(std::move(audit)), transport_(std::move(transport)), raw_(raw) {}

    static inspire_requirement_spec spec(const std::optional<levels> &from, std::vector<inspire_str> &names) {
        if (!from)
            return inspire_requirement_spec{INSPIRE_REQUIRE_NONE, nullptr, 0};
        names = detail::strs(from->names);
        return inspire_requirement_spec{from->kind, names.data(), names.size()};
    }
    static void hear(void *userdata, const inspire_audit_event *event) noexcept {
        try {
            (*static_cast<const sink *>(userdata))(audit_event(*event));
        } catch (...) {
        }
    }

    static inspire_result carry(void *userdata, const inspire_http_request *request,
                                inspire_http_answer *answer) noexcept {
        try {
            http_request from{detail::view(request->method), detail::view(request->url), {},
                              detail::view(request->body), request->timeout_ms};
            for (std::size_t at = 0; at < request->header_count; ++at)
                from.headers.emplace_back(detail::view(request->headers[at].name),
                                          detail::view(request->headers[at].value));
            http_response got = (*static_cast<const carrier *>(userdata))(from);
            inspire_http_answer_set_status(answer, got.status);
            for (const auto &[name, value] : got.headers)
                inspire_http_answer_add_header(answer, detail::str(std::string_view(name)),
                                               detail::str(std::string_view(value)));
            inspire_http_answer_add_body(answer, detail::str(std::string_view(got.body)));
            return INSPIRE_RESULT_OK;
        } catch (const error &failed) {
            /* What was thrown is no success, whatever it says. */
            errc code = failed.code() == errc::ok ? errc::network_connect : failed.code();
            return static_cast<inspire_result>(code);
        } catch (...) {
            return INSPIRE_RESULT_NETWORK_CONNECT;
        }
    }

    /* Before the handle, so that they are destroyed after it. */
    std::unique_ptr<sink> audit_;
    std::unique_ptr<carrier> transport_;
    detail::owned<inspire_auth, inspire_auth_free> raw_;
};

/** What a file is inspected against; what is not given is not judged. */
struct inspect_options {
    std::vector<trusted_key> trusted_keys;
    std::optional<std::string_view> license_key;
    std::optional<std::string_view> machine_id;
    std::optional<std::string_view> product;
    std::int64_t now = 0;
    /** Whether the file must be fit for an offline installation. */
    bool offline = false;
};

/** What a license file says, and what is wrong with it. */
class inspection {
public:
    explicit inspection(inspire_inspection *raw) noexcept : raw_(raw) {}
    /** Every check that failed, in the order of checking. */
    std::vector<errc> failures() const {
        std::vector<errc> all;
        for (std::size_t at = 0; at < inspire_inspection_failure_count(raw_.get()); ++at)
            all.push_back(static_cast<errc>(inspire_inspection_failure_at(raw_.get(), at)));
        return all;
    }
    bool ok() const noexcept { return inspire_inspection_failure_count(raw_.get()) == 0; }
    file_kind kind() const noexcept { return static_cast<file_kind>(inspire_inspection_kind(raw_.get())); }
    std::optional<std::int64_t> issued_at() const noexcept {
        return detail::time(inspire_inspection_issued_at(raw_.get()));
    }
    std::optional<std::int64_t> file_expires_at() const noexcept {
        return detail::time(inspire_inspection_file_expires_at(raw_.get()));
    }
    std::optional<std::string_view> machine_fingerprint() const noexcept {
        return detail::optional_view(inspire_inspection_machine_fingerprint(raw_.get()));
    }
    /** Whether the license was read; the functions below say nothing otherwise. */
    bool has_license() const noexcept { return inspire_inspection_has_license(raw_.get()); }
    std::optional<std::string_view> license_id() const noexcept {
        return detail::optional_view(inspire_inspection_license_id(raw_.get()));
    }
    /** Not masked. */
    std::optional<std::string_view> license_key() const noexcept {
        return detail::optional_view(inspire_inspection_license_key(raw_.get()));
    }
    std::optional<std::string_view> license_name() const noexcept {
        return detail::optional_view(inspire_inspection_license_name(raw_.get()));
    }
    std::optional<std::string_view> license_status() const noexcept {
        return detail::optional_view(inspire_inspection_license_status(raw_.get()));
    }
    std::optional<std::int64_t> license_expires_at() const noexcept {
        return detail::time(inspire_inspection_license_expires_at(raw_.get()));
    }
    std::vector<std::pair<std::string_view, std::int64_t>> limits() const {
        return detail::limits(inspire_inspection_limits(raw_.get()));
    }
    std::vector<std::string_view> entitlements() const {
        return detail::views(inspire_inspection_entitlements(raw_.get()));
    }
    /** A JSON object. */
    std::string_view metadata() const noexcept { return detail::view(inspire_inspection_metadata(raw_.get())); }

private:
    detail::owned<inspire_inspection, inspire_inspection_free> raw_;
};

/** Reads a license file, and runs every check on it, without installing anything. Fails only when the arguments can't
 *  be used: what the checks found is in the inspection. */
inline result<inspection> try_inspect(std::string_view file, const inspect_options &against) noexcept {
    inspire_inspect_options raw = INSPIRE_INSPECT_OPTIONS_INIT;
    std::vector<inspire_trusted_key> trusted = detail::trusted(against.trusted_keys);
    raw.trusted_keys = trusted.data();
    raw.trusted_key_count = trusted.size();
    raw.license_key = detail::str(against.license_key);
    raw.machine_id = detail::str(against.machine_id);
    raw.product = detail::str(against.product);
    raw.now = against.now;
    raw.flags = against.offline ? INSPIRE_INSPECT_OFFLINE : 0u;
    inspire_inspection *found = nullptr;
    inspire_error *err = nullptr;
    inspire_result code = inspire_inspection_run(detail::str(file), &raw, &found, &err);
    failure why(code, err);
    if (found == nullptr)
        return why;
    return inspection(found);
}
inline inspection inspect(std::string_view file, const inspect_options &against) {
    return try_inspect(file, against).value();
}

/** What a signed license key says: what was so when the key was made. Wiped when destroyed. */
class signed_license_key {
public:
    explicit signed_license_key(inspire_signed_key *raw) noexcept : raw_(raw) {}
    /** The id of the trusted key that signed it. */
    std::string_view key_id() const noexcept { return detail::view(inspire_signed_key_key_id(raw_.get())); }
    /** Everything that was signed: bytes, which need not be text. */
    std::string_view dataset() const noexcept { return detail::view(inspire_signed_key_dataset(raw_.get())); }
    /** The license's id, and what follows it, where the dataset is the one that Keygen writes by itself. */
    std::optional<std::string_view> license() const noexcept {
        return detail::optional_view(inspire_signed_key_license(raw_.get()));
    }
    std::optional<std::string_view> product() const noexcept {
        return detail::optional_view(inspire_signed_key_product(raw_.get()));
    }
    std::optional<std::int64_t> created_at() const noexcept {
        return detail::time(inspire_signed_key_created_at(raw_.get()));
    }
    std::optional<std::int64_t> expires_at() const noexcept {
        return detail::time(inspire_signed_key_expires_at(raw_.get()));
    }

private:
    detail::owned<inspire_signed_key, inspire_signed_key_free> raw_;
};

/** Reads a license key that is signed itself, and verifies it; see `inspire_signed_key_read`. */
inline result<signed_license_key> try_inspect_license_key(std::string_view license_key,
                                                          const std::vector<trusted_key> &trusted_keys,
                                                          std::int64_t now = 0) noexcept {
    std::vector<inspire_trusted_key> trusted = detail::trusted(trusted_keys);
    return detail::make<signed_license_key, inspire_signed_key>([&](auto out, auto err) {
        return inspire_signed_key_read(detail::str(license_key), trusted.data(), trusted.size(), now, out, err);
    });
}
inline signed_license_key inspect_license_key(std::string_view license_key,
                                              const std::vector<trusted_key> &trusted_keys, std::int64_t now = 0) {
    return try_inspect_license_key(license_key, trusted_keys, now).value();
}

/** An Ed25519 signing key: a vendor's secret, wiped when destroyed. */
class signing_key {
public:
    explicit signing_key(inspire_signing_key *raw) noexcept : raw_(raw) {}
    static signing_key generate() {
        return detail::make<signing_key, inspire_signing_key>(
                   [](auto out, auto err) { return inspire_signing_key_generate(out, err); })
            .value();
    }
    /** From PEM PKCS#8, or the seed as 64 hexadecimal digits. */
    static result<signing_key> try_read(std::string_view text) noexcept {
        return detail::make<signing_key, inspire_signing_key>(
            [&](auto out, auto err) { return inspire_signing_key_read(detail::str(text), out, err); });
    }
    static signing_key read(std::string_view text) { return try_read(text).value(); }
    /** 64 hexadecimal digits: what products trust. */
    std::string_view public_key() const noexcept { return detail::view(inspire_signing_key_public(raw_.get())); }
    /** The secret. */
    std::string_view pem() const noexcept { return detail::view(inspire_signing_key_pem(raw_.get())); }

    /** Signs a license or machine file from its JSON description. */
    result<std::string> try_sign(std::string_view description, file_kind kind, bool encrypted,
                                 std::int64_t now = 0) const noexcept {
        inspire_text *file = nullptr;
        inspire_error *err = nullptr;
        inspire_result code = inspire_signing_key_sign(raw_.get(), detail::str(description),
                                                       static_cast<std::uint32_t>(kind), encrypted, now, &file, &err);
        if (code != INSPIRE_RESULT_OK)
            return failure(code, err);
        detail::owned<inspire_text, inspire_text_free> keep(file);
        return std::string(detail::view(inspire_text_str(file)));
    }
    std::string sign(std::string_view description, file_kind kind, bool encrypted, std::int64_t now = 0) const {
        return try_sign(description, kind, encrypted, now).value();
    }

private:
    detail::owned<inspire_signing_key, inspire_signing_key_free> raw_;
};

/** Copies a store to a new file, while it is in use. */
inline result<void> try_backup(std::string_view store, std::string_view to) noexcept {
    return detail::run([&](inspire_error **err) {
        return inspire_store_backup(detail::str(store), detail::str(to), err);
    });
}
inline void backup(std::string_view store, std::string_view to) { try_backup(store, to).value(); }

/** What a restore did. */
class restore_report {
public:
    explicit restore_report(inspire_restore_report *raw) noexcept : raw_(raw) {}
    inspire_restore_counts counts() const noexcept { return inspire_restore_report_counts(raw_.get()); }
    /** The names of the keys that it deleted. */
    std::vector<std::string_view> deleted() const { return detail::views(inspire_restore_report_deleted(raw_.get())); }
    restored_license license() const noexcept {
        return static_cast<restored_license>(inspire_restore_report_license(raw_.get()));
    }

private:
    detail::owned<inspire_restore_report, inspire_restore_report_free> raw_;
};

/** Brings a backup back into a store; it revives nothing that was revoked since. */
inline result<restore_report> try_restore(std::string_view store, std::string_view from,
                                          bool accept_revived = false) noexcept {
    return detail::make<restore_report, inspire_restore_report>([&](auto out, auto err) {
        return inspire_store_restore(detail::str(store), detail::str(from),
                                     accept_revived ? INSPIRE_RESTORE_ACCEPT_REVIVED : 0u, out, err);
    });
}
inline restore_report restore(std::string_view store, std::string_view from, bool accept_revived = false) {
    return try_restore(store, from, accept_revived).value();
}

/** The version of the library that runs. */
inline std::string_view version() noexcept { return detail::view(inspire_auth_version()); }

} // namespace auth
} // namespace inspire

#endif
