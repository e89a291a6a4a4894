// The audit log and the metrics.
#include <set>
#include <sstream>

#include "driver.hpp"

answer audit_events(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::uint64_t limit = from.required_unsigned("limit");
    from.end();
    std::vector<json::value> events;
    for (const ia::audit_event &event : auth.audit_log(limit))
        events.push_back(json::object{
            {"at", event.at},
            {"event", event.event},
            {"actor", event.actor},
            {"subject", event.subject},
            {"detail", event.detail},
            {"code", ia::name(event.code)},
        });
    return {ia::errc::ok, {{"events", std::move(events)}}};
}

answer metrics(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    from.end();
    const std::string type = "# TYPE ", counted = "inspire_apikey_verifications_total{result=\"";
    std::set<std::string> names;
    json::object verifications;
    std::istringstream lines(auth.metrics_text());
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind(type, 0) == 0)
            names.insert(line.substr(type.size(), line.find(' ', type.size()) - type.size()));
        if (line.rfind(counted, 0) == 0) {
            std::size_t end = line.find('"', counted.size());
            std::uint64_t count = std::stoull(line.substr(end + 3));
            verifications.emplace(line.substr(counted.size(), end - counted.size()), count);
        }
    }
    std::vector<std::string> families(names.begin(), names.end());
    return {ia::errc::ok, {{"families", families}, {"verifications", std::move(verifications)}}};
}

std::optional<ia::audit_file> audit_file_of(arguments &from, std::string &path) {
    auto given = from.optional("audit_file");
    if (!given)
        return std::nullopt;
    arguments inner(*given);
    ia::audit_file file;
    path = inner.text("path");
    file.path = path;
    if (auto bytes = inner.unsigned_or_none("max_bytes"))
        file.max_bytes = *bytes == 0 ? throw unreadable() : *bytes;
    if (auto keep = inner.unsigned_or_none("keep"))
        file.keep = *keep == 0 || *keep > UINT32_MAX ? throw unreadable() : static_cast<std::uint32_t>(*keep);
    file.chain = inner.flag_or_none("chain").value_or(false);
    std::string on_failure = inner.text_or_none("on_failure").value_or("warn");
    if (on_failure != "warn" && on_failure != "deny_mutations")
        throw unreadable();
    if (on_failure == "deny_mutations")
        file.on_failure = ia::audit_failure::deny_mutations;
    inner.end();
    return file;
}
