// What passes between an installation and its licensing server, credits, and license keys that are signed.
#include <algorithm>
#include <cstdio>

#include "driver.hpp"

ia::server server_of::view() const {
    ia::server server;
    server.url = url;
    server.account = account;
    server.account_id = account_id;
    server.signing_host = signing_host;
    server.allowed_hosts = views(allowed_hosts);
    server.proxy = proxy;
    server.ca_file = ca_file;
    server.connect_timeout_ms = connect_timeout_ms;
    server.timeout_ms = timeout_ms;
    server.lease = lease;
    server.auto_refresh = auto_refresh;
    return server;
}

std::optional<server_of> server_or_none(arguments &from) {
    std::optional<json::value> member = from.optional("server");
    if (!member)
        return std::nullopt;
    arguments inner(*member);
    server_of given;
    given.url = inner.text("url");
    given.account = inner.text_or_none("account");
    given.account_id = inner.text_or_none("account_id");
    given.signing_host = inner.text_or_none("signing_host");
    auto hosts = inner.texts_or_none("allowed_hosts");
    // Not every door can say this.
    if (hosts && hosts->empty())
        throw unreadable();
    given.allowed_hosts = hosts.value_or(std::vector<std::string>());
    given.proxy = inner.text_or_none("proxy");
    given.ca_file = inner.text_or_none("ca_file");
    for (auto [name, to] : {std::pair("connect_timeout_ms", &given.connect_timeout_ms),
                            std::pair("timeout_ms", &given.timeout_ms), std::pair("lease", &given.lease)})
        *to = inner.positive_or_default(name);
    given.auto_refresh = inner.flag_or_none("auto_refresh").value_or(false);
    inner.end();
    return given;
}

namespace {

json::value problem_of(ia::errc code) { return code == ia::errc::ok ? json::value() : json::value(ia::name(code)); }

// Whose credits: the member `tenant`.
struct whose {
    std::string name;
    std::int64_t limit;
    ia::tenant view() const { return ia::tenant{name, limit}; }
};

std::optional<whose> tenant_or_none(arguments &from) {
    std::optional<json::value> member = from.optional("tenant");
    if (!member)
        return std::nullopt;
    arguments inner(*member);
    whose given{inner.text("name"), -1};
    if (auto limit = inner.optional("limit"))
        given.limit = integer_of(*limit);
    inner.end();
    return given;
}

answer with(const ia::balance &left) {
    char period[16];
    std::snprintf(period, sizeof period, "%04u-%02u", static_cast<unsigned>(left.month / 100),
                  static_cast<unsigned>(left.month % 100));
    return {ia::errc::ok,
            {{"balance", json::object{{"limit", left.limit},
                                      {"used", left.used},
                                      {"left", left.left},
                                      {"period", period},
                                      {"resets_at", left.resets_at}}}}};
}

// Calls with the tenant that was given, or with none.
template <typename Call> answer balanced(const std::optional<whose> &given, Call call) {
    if (!given)
        return with(call(nullptr));
    ia::tenant tenant = given->view();
    return with(call(&tenant));
}

// Base64 of RFC 4648, section 4.
std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 3))) {
        std::uint32_t group = 0;
        for (std::size_t at = 0; at < 3; ++at)
            group = group << 8 | (at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u);
        for (std::size_t digit = 0; digit < 4; ++digit)
            text += digit <= bytes.size() ? alphabet[group >> (18 - 6 * digit) & 63] : '=';
    }
    return text;
}

} // namespace

answer license_activate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string license_key = from.text("license_key");
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.license().activate_online(license_key, by));
}

answer license_refresh(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string file = from.text("lic");
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.license().refresh(file, by));
}

answer license_request(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    auto license_key = from.text_or_none("license_key");
    ia::caller by = open.caller(from);
    from.end();
    return {ia::errc::ok, {{"value", auth.license().request(license_key, by)}}};
}

answer license_reveal_key(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    ia::caller by = open.caller(from);
    from.end();
    return {ia::errc::ok, {{"value", auth.license().reveal_key(by)}}};
}

answer license_deactivate_with(handles &open, arguments &from) {
    constexpr const char *releases[] = {"none", "server", "pending"};
    ia::handle &auth = open.get(from);
    bool local_only = from.flag_or_none("local_only").value_or(false);
    ia::caller by = open.caller(from);
    from.end();
    ia::deactivation done = auth.license().deactivate_with(local_only, by);
    answer given = with(auth.license().status(by.raw()->now));
    given.fields["release"] = releases[static_cast<std::size_t>(done.release())];
    given.fields["problem"] = problem_of(done.problem());
    given.fields["receipt"] = done.receipt();
    return given;
}

answer license_release_pending(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    ia::caller by = open.caller(from);
    from.end();
    return {ia::errc::ok, {{"value", static_cast<std::uint64_t>(auth.license().release_pending(by))}}};
}

answer license_tick(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::int64_t now = from.now();
    from.end();
    ia::tick tick = auth.license().tick(now);
    return {ia::errc::ok, {{"next", tick.next}, {"problem", problem_of(tick.problem)}}};
}

answer license_last_attempt(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::int64_t now = from.now();
    from.end();
    json::value attempt;
    if (auto last = auth.license().status(now).last_attempt())
        attempt = json::object{{"code", ia::name(last->second)}, {"at", last->first}};
    return {ia::errc::ok, {{"attempt", attempt}}};
}

answer license_consume(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::int64_t amount = integer_of(from.required("amount"));
    std::string operation = from.text("operation");
    auto tenant = tenant_or_none(from);
    std::int64_t now = from.now();
    from.end();
    return balanced(tenant,
                    [&](const ia::tenant *of) { return auth.license().consume(amount, operation, of, now); });
}

answer license_refund(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string operation = from.text("operation");
    auto tenant = tenant_or_none(from);
    std::int64_t now = from.now();
    from.end();
    return balanced(tenant, [&](const ia::tenant *of) { return auth.license().refund(operation, of, now); });
}

answer license_balance(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    auto tenant = tenant_or_none(from);
    std::int64_t now = from.now();
    from.end();
    return balanced(tenant, [&](const ia::tenant *of) { return auth.license().balance(of, now); });
}

answer license_tenant_limit(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    auto tenant = tenant_or_none(from);
    if (!tenant)
        throw unreadable();
    std::int64_t in_use = integer_of(from.required("in_use")), of_all = integer_of(from.required("in_use_by_all"));
    std::int64_t now = from.now();
    from.end();
    return {auth.license().check_tenant_limit(name, tenant->view(), in_use, of_all, now).code(), {}};
}

answer license_inspect_key(handles &, arguments &from) {
    std::string license_key = from.text("license_key");
    auto keys = from.trusted_keys();
    std::int64_t now = from.now();
    from.end();
    ia::signed_license_key key = ia::inspect_license_key(license_key, trusted(keys), now);
    return {ia::errc::ok,
            {{"key_id", key.key_id()},
             {"dataset", base64(key.dataset())},
             {"license", key.license()},
             {"product", key.product()},
             {"created_at", key.created_at()},
             {"expires_at", key.expires_at()}}};
}
