// The operations on the license.
#include "driver.hpp"

answer with(const ia::license_status &license) {
    constexpr const char *states[] = {"unlicensed", "active", "expired", "suspended", "invalid"};
    json::value mode;
    if (license.mode() != ia::license_mode::none)
        mode = license.mode() == ia::license_mode::online ? "online" : "offline";
    json::object status{
        {"state", states[static_cast<std::size_t>(license.state())]},
        {"name", license.name()},
        {"key", license.key()},
        {"mode", mode},
        {"expires_at", license.expires_at()},
        {"lease_expires_at", license.lease_expires_at()},
        {"last_validated_at", license.last_validated_at()},
        {"limits", limits_of(license.limits())},
        {"entitlements", license.entitlements()},
        {"warnings", license.warnings()},
    };
    return {ia::errc::ok, {{"status", std::move(status)}}};
}

namespace {

// The license in a file, its key not masked.
json::value view(const ia::inspection &found) {
    if (!found.has_license())
        return {};
    return json::object{
        {"id", found.license_id()},
        {"key", found.license_key()},
        {"name", found.license_name()},
        {"status", found.license_status()},
        {"expires_at", found.license_expires_at()},
        {"limits", limits_of(found.limits())},
        {"entitlements", found.entitlements()},
        {"metadata", json::value::raw(found.metadata())},
    };
}

} // namespace

answer license_activate_offline(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string license_key = from.text("license_key"), file = from.text("lic");
    bool force = from.flag_or_none("force").value_or(false);
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.license().activate_offline(license_key, file, force, by));
}

answer license_status(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::int64_t now = from.now();
    from.end();
    return with(auth.license().status(now));
}

answer license_has(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string entitlement = from.text("entitlement");
    std::int64_t now = from.now();
    from.end();
    ia::errc code = auth.license().check_entitlement(entitlement, now).code();
    // A refusal by the license (3xx) is an answer; anything else is a failure to tell.
    bool refused = code >= ia::errc::unlicensed && code < ia::errc::store_unavailable;
    if (code != ia::errc::ok && !refused)
        return {code, {}};
    return {ia::errc::ok, {{"value", code == ia::errc::ok}}};
}

answer license_limit(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    std::int64_t now = from.now();
    from.end();
    return {ia::errc::ok, {{"value", auth.license().limit(name, now)}}};
}

answer license_revalidate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.license().revalidate(by));
}

answer license_deactivate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.license().deactivate(by));
}

answer license_inspect(handles &, arguments &from) {
    std::string file = from.text("lic");
    auto keys = from.trusted_keys();
    auto license_key = from.text_or_none("license_key"), machine_id = from.text_or_none("machine_id"),
         product = from.text_or_none("product");
    ia::inspect_options against;
    against.trusted_keys = trusted(keys);
    against.license_key = license_key;
    against.machine_id = machine_id;
    against.product = product;
    against.now = from.now();
    against.offline = from.flag_or_none("offline").value_or(false);
    from.end();

    ia::inspection found = ia::inspect(file, against);
    std::vector<ia::errc> failures = found.failures();
    std::vector<std::string_view> names;
    for (ia::errc failure : failures)
        names.push_back(ia::name(failure));
    json::value kind;
    if (found.kind() != ia::file_kind::unknown)
        kind = found.kind() == ia::file_kind::license ? "license" : "machine";
    return {failures.empty() ? ia::errc::ok : failures.front(),
            {{"failures", names},
             {"kind", kind},
             {"license", view(found)},
             {"issued_at", found.issued_at()},
             {"file_expires_at", found.file_expires_at()},
             {"machine_fingerprint", found.machine_fingerprint()}}};
}
