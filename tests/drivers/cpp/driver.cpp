// The conformance driver over the C++ API: JSON lines in, JSON lines out, in order, until end of input. It is a thin
// shell: what it decides itself is only whether the arguments could be read.
#include "driver.hpp"

#include <iostream>

json::value limits_of(const std::vector<std::pair<std::string_view, std::int64_t>> &limits) {
    json::object object;
    for (const auto &[name, value] : limits)
        object.emplace(name, value);
    return object;
}

ia::handle &handles::get(arguments &from) {
    auto found = open.find(from.required_unsigned("handle"));
    if (found == open.end())
        throw unreadable();
    return found->second;
}

const ia::routes *handles::routes(arguments &from) const {
    std::optional<std::uint64_t> number = from.unsigned_or_none("routes");
    if (!number)
        return nullptr;
    auto found = tables.find(*number);
    if (found == tables.end())
        throw unreadable();
    return &found->second;
}

ia::channel channel_of(const std::string &name) {
    if (name == "secure")
        return ia::channel::secure;
    if (name == "local")
        return ia::channel::local;
    if (name != "plain")
        throw unreadable();
    return ia::channel::plain;
}

ia::caller handles::caller(arguments &from) const {
    std::optional<std::uint64_t> actor = from.unsigned_or_none("actor");
    std::int64_t now = from.now();
    if (!actor)
        return ia::caller::system(now);
    auto found = principals.find(*actor);
    if (found == principals.end())
        throw unreadable();
    return ia::caller::by(found->second, now);
}

namespace {

answer version(handles &, arguments &from) {
    from.end();
    return {ia::errc::ok, {{"version", ia::version()}, {"abi", inspire_auth_abi_version()}}};
}

answer errors(handles &, arguments &from) {
    from.end();
    std::vector<json::value> table;
    for (std::size_t at = 0; at < inspire_result_count(); ++at) {
        inspire_result code = inspire_result_at(at);
        std::uint32_t http = inspire_result_http_status(code);
        table.push_back(json::object{
            {"code", ia::name(static_cast<ia::errc>(code))},
            {"number", code},
            {"http", http == 0 ? json::value() : json::value(http)},
            {"vector", inspire_result_has_vector(code)},
        });
    }
    return {ia::errc::ok, {{"errors", std::move(table)}}};
}

answer open_store(handles &open, arguments &from) {
    ia::options options;
    std::string store = from.text("store");
    options.store = store;
    auto keys = from.trusted_keys();
    options.trusted_keys = trusted(keys);
    auto product = from.text_or_none("product"), machine_id = from.text_or_none("machine_id");
    options.product = product;
    options.machine_id = machine_id;
    auto write = from.requirement_or_none("write_requirement"), admin = from.requirement_or_none("admin_requirement");
    if (write)
        options.write_requirement = write->view();
    if (admin)
        options.admin_requirement = admin->view();
    if (auto hash = from.optional("hash")) {
        arguments inner(*hash);
        options.hash_memory_kib = static_cast<std::uint32_t>(inner.positive("m", UINT32_MAX));
        options.hash_iterations = static_cast<std::uint32_t>(inner.positive("t", UINT32_MAX));
        options.hash_parallelism = static_cast<std::uint32_t>(inner.positive("p", UINT32_MAX));
        inner.end();
    }
    options.max_hash_memory = from.positive_or_default("max_hash_memory");
    options.max_lease = from.positive_or_default("max_lease");
    std::string mode = from.text_or_none("mode").value_or("default");
    if (mode != "default" && mode != "ignition")
        throw unreadable();
    options.level_mode = mode == "ignition" ? ia::level_mode::ignition : ia::level_mode::standard;
    options.local_is_secure = from.flag_or_none("local_is_secure").value_or(false);
    options.allow_unbound = from.flag_or_none("allow_unbound").value_or(false);
    std::string path;
    options.audit_file = audit_file_of(from, path);
    auto server = server_or_none(from);
    if (server)
        options.server = server->view();
    from.end();
    open.open.emplace(open.last + 1, ia::handle::open(options));
    return {ia::errc::ok, {{"handle", ++open.last}}};
}

answer close_handle(handles &open, arguments &from) {
    std::uint64_t number = from.required_unsigned("handle");
    from.end();
    if (open.open.erase(number) == 0)
        throw unreadable();
    return {};
}

std::vector<std::vector<std::string>> pairs_of(arguments &from) {
    json::value lines = from.required("headers");
    if (lines.type != json::type::array)
        throw unreadable();
    std::vector<std::vector<std::string>> pairs;
    for (const json::value &line : lines.items) {
        pairs.push_back(texts_of(line));
        if (pairs.back().size() != 2)
            throw unreadable();
    }
    return pairs;
}

std::vector<ia::header> views_of(const std::vector<std::vector<std::string>> &pairs) {
    std::vector<ia::header> headers;
    for (const auto &pair : pairs)
        headers.push_back(ia::make_header(pair[0], pair[1]));
    return headers;
}

answer channel_of_request(handles &, arguments &from) {
    std::string list = from.text("proxies"), peer = from.text("peer");
    ia::channel direct = channel_of(from.text("direct"));
    std::vector<std::vector<std::string>> pairs = pairs_of(from);
    std::vector<ia::header> headers = views_of(pairs);
    from.end();
    switch (ia::proxies::parse(list).channel(peer, direct, headers.data(), headers.size())) {
    case ia::channel::secure:
        return {ia::errc::ok, {{"channel", "secure"}}};
    case ia::channel::local:
        return {ia::errc::ok, {{"channel", "local"}}};
    default:
        return {ia::errc::ok, {{"channel", "plain"}}};
    }
}

answer authenticate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::vector<std::vector<std::string>> pairs = pairs_of(from);
    std::vector<ia::header> headers = views_of(pairs);
    ia::channel channel = channel_of(from.text("channel"));
    // A table says what is required: `require` and `entitlement` are members that nobody asks for then.
    const ia::routes *table = open.routes(from);
    std::string method = table ? from.text("method") : "", path = table ? from.text("path") : "";
    auto require = table ? std::nullopt : from.requirement_or_none("require");
    auto entitlement = table ? std::nullopt : from.text_or_none("entitlement");
    std::int64_t now = from.now();
    from.end();

    std::optional<ia::requirement> required;
    if (!table)
        required = auth.compile(require ? require->view() : ia::any_of({"Authenticated"}));
    ia::request request = table ? ia::request(*table, method, path) : ia::request(*required);
    request.headers(headers.data(), headers.size());
    request.channel = channel;
    request.entitlement = entitlement;
    request.now = now;
    ia::result<ia::principal> decision = auth.try_authenticate(request);
    answer given{decision.code(), {}};
    // A code that answers no request has no status.
    if (inspire_result_http_status(static_cast<std::uint32_t>(given.code)) != 0)
        given.fields["http"] = auth.http_status(given.code);
    given.fields["challenge"] = auth.challenge(given.code);
    if (decision) {
        json::value name, number;
        std::vector<std::string> levels = auth.principal_levels(*decision);
        if (!decision->is_anonymous()) {
            name = decision->name();
            open.principals.emplace(++open.last, *decision);
            number = open.last;
        }
        given.fields["principal"] = json::object{{"name", name}, {"levels", levels}, {"handle", number}};
    }
    return given;
}

const struct {
    const char *name;
    operation *run;
    std::vector<const char *> fields;
} operations[] = {
    {"version", version, {"version", "abi"}},
    {"errors", errors, {"errors"}},
    {"open", open_store, {"handle"}},
    {"close", close_handle, {}},
    {"keys.create", keys_create, {"record", "key"}},
    {"keys.get", keys_get, {"record"}},
    {"keys.list", keys_list, {"records"}},
    {"keys.update", keys_update, {"record"}},
    {"keys.rename", keys_rename, {"record"}},
    {"keys.duplicate", keys_duplicate, {"record", "key"}},
    {"keys.rotate", keys_rotate, {"record", "key"}},
    {"keys.delete", keys_delete, {}},
    {"keys.import", keys_import, {"record"}},
    {"keys.import_all", keys_import_all, {"count"}},
    {"authenticate", authenticate, {"http", "challenge", "principal"}},
    {"channel", channel_of_request, {"channel"}},
    {"audit", audit_events, {"events"}},
    {"metrics", metrics, {"families", "verifications"}},
    {"routes.parse", routes_parse, {"routes", "count"}},
    {"routes.would_allow", routes_would_allow, {"code", "rule", "missing"}},
    {"license.inspect",
     license_inspect,
     {"failures", "kind", "license", "issued_at", "file_expires_at", "machine_fingerprint"}},
    {"license.activate_offline", license_activate_offline, {"status"}},
    {"license.status", license_status, {"status"}},
    {"license.has", license_has, {"value"}},
    {"license.limit", license_limit, {"value"}},
    {"license.revalidate", license_revalidate, {"status"}},
    {"license.deactivate", license_deactivate, {"status"}},
    {"license.activate", license_activate, {"status"}},
    {"license.refresh", license_refresh, {"status"}},
    {"license.request", license_request, {"value"}},
    {"license.reveal_key", license_reveal_key, {"value"}},
    {"license.deactivate_with", license_deactivate_with, {"status", "release", "problem", "receipt"}},
    {"license.release_pending", license_release_pending, {"value"}},
    {"license.tick", license_tick, {"next", "problem"}},
    {"license.last_attempt", license_last_attempt, {"attempt"}},
    {"license.consume", license_consume, {"balance"}},
    {"license.refund", license_refund, {"balance"}},
    {"license.balance", license_balance, {"balance"}},
    {"license.tenant_limit", license_tenant_limit, {}},
    {"license.inspect_key",
     license_inspect_key,
     {"key_id", "dataset", "license", "product", "created_at", "expires_at"}},
};

// The answer to one line, whatever the line is.
json::object answer_to(handles &open, const std::string &line) {
    json::object out{{"id", {}}, {"result", ia::name(ia::errc::invalid_argument)}};
    std::optional<json::value> request = json::parse(line);
    if (!request || request->type != json::type::object)
        return out;
    arguments from(std::move(*request));
    out["id"] = from.raw("id").value_or(json::value());
    std::string op;
    try {
        op = from.text("op");
    } catch (const unreadable &) {
        return out;
    }
    for (const auto &each : operations) {
        if (op != each.name)
            continue;
        answer given;
        try {
            given = each.run(open, from);
        } catch (const ia::error &error) {
            given.code = error.code();
        } catch (const unreadable &) {
            given.code = ia::errc::invalid_argument;
        }
        out["result"] = ia::name(given.code);
        for (const char *field : each.fields)
            out[field] = given.fields[field];
        return out;
    }
    out["result"] = "UNKNOWN_OP";
    return out;
}

} // namespace

int main() {
    std::ios::sync_with_stdio(false);
    handles open;
    std::string line;
    while (std::getline(std::cin, line))
        std::cout << json::value(answer_to(open, line)).write() << std::endl;
}
