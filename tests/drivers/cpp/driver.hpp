// What the files of the driver share.
#pragma once

#include <map>

#include "arguments.hpp"

// What is open, and the principals that were granted, numbered from one counter so that neither is taken for the other.
struct handles {
    std::uint64_t last = 0;
    std::map<std::uint64_t, ia::handle> open;
    std::map<std::uint64_t, ia::principal> principals;
    std::map<std::uint64_t, ia::routes> tables;

    // The open handle that `handle` names.
    ia::handle &get(arguments &from);
    // The table that `routes` names; null when it is absent.
    const ia::routes *routes(arguments &from) const;
    // `actor` and `now`. An absent actor is the host itself, said explicitly.
    ia::caller caller(arguments &from) const;
};

// What an operation answers.
struct answer {
    ia::errc code = ia::errc::ok;
    json::object fields;
};

using operation = answer(handles &, arguments &);

// One of `plain`, `secure` and `local`.
ia::channel channel_of(const std::string &name);

json::value limits_of(const std::vector<std::pair<std::string_view, std::int64_t>> &limits);

operation keys_create, keys_delete, keys_duplicate, keys_get, keys_import, keys_list, keys_rename, keys_rotate,
    keys_update;
operation audit_events, metrics;
operation routes_parse, routes_would_allow;

// The member `audit_file`, if it is there; `path` is what its path points to.
std::optional<ia::audit_file> audit_file_of(arguments &from, std::string &path);
operation license_activate_offline, license_deactivate, license_has, license_inspect, license_limit,
    license_revalidate, license_status;
