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

// The member `server`, and what a handle is opened with: views into it.
struct server_of {
    std::string url;
    std::optional<std::string> account, account_id, signing_host, proxy, ca_file;
    std::vector<std::string> allowed_hosts;
    std::uint64_t connect_timeout_ms = 0, timeout_ms = 0, lease = 0;
    bool auto_refresh = false;
    ia::server view() const;
};
std::optional<server_of> server_or_none(arguments &from);

// The member `status`.
answer with(const ia::license_status &license);

json::value limits_of(const std::vector<std::pair<std::string_view, std::int64_t>> &limits);

operation keys_create, keys_delete, keys_duplicate, keys_get, keys_import, keys_import_all, keys_list, keys_rename,
    keys_rotate, keys_update;
operation audit_events, metrics;
operation routes_parse, routes_would_allow;

// The member `audit_file`, if it is there; `path` is what its path points to.
std::optional<ia::audit_file> audit_file_of(arguments &from, std::string &path);
operation license_activate_offline, license_deactivate, license_has, license_inspect, license_limit,
    license_revalidate, license_status;
operation license_activate, license_balance, license_consume, license_deactivate_with, license_inspect_key,
    license_last_attempt, license_refresh, license_refund, license_release_pending, license_request, license_reveal_key,
    license_tenant_limit, license_tick;
