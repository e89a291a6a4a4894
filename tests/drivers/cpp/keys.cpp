// The operations on API keys.
#include "driver.hpp"

#include <deque>

namespace {

json::value record(ia::key_view key) {
    return json::object{
        {"id", key.id()},
        {"type", key.type()},
        {"name", key.name()},
        {"description", key.description()},
        {"levels", key.levels()},
        {"require_secure", key.require_secure()},
        {"enabled", key.enabled()},
        {"created_at", key.created_at()},
        {"updated_at", key.updated_at()},
        {"expires_at", key.expires_at()},
        {"last_used_at", key.last_used_at()},
        {"overlap_ends_at", key.overlap_ends_at()},
        {"revision", key.revision()},
        {"origin", key.origin() == ia::origin::imported ? "imported" : "generated"},
    };
}

answer with(const ia::key &key) { return {ia::errc::ok, {{"record", record(key.view())}}}; }

answer with(const ia::created_key &created) {
    return {ia::errc::ok, {{"record", record(created.record())}, {"key", created.secret()}}};
}

// A spec with the texts that it points to.
struct new_key {
    std::string name, description;
    std::vector<std::string> levels;
    ia::key_spec spec;

    explicit new_key(arguments &from)
        : name(from.text("name")), description(from.text_or_none("description").value_or("")),
          levels(from.texts("levels")) {
        spec.name = name;
        spec.description = description;
        spec.levels = views(levels);
        spec.require_secure = from.flag_or_none("require_secure").value_or(true);
        if (auto at = from.optional("expires_at"))
            spec.expires_at = integer_of(*at);
    }
    new_key(const new_key &) = delete;
    new_key &operator=(const new_key &) = delete;
};

// An import with the texts that it points to.
struct new_import {
    std::string hash;
    new_key key;
    ia::key_import import;

    explicit new_import(arguments &from) : hash(from.text("hash")), key(from) {
        std::string format = from.text("format"), strength = from.text_or_none("strength").value_or("chosen");
        if ((format != "phc" && format != "ignition") || (strength != "chosen" && strength != "random"))
            throw unreadable();
        import.spec = key.spec;
        import.hash = hash;
        import.format = format == "phc" ? ia::hash_format::phc : ia::hash_format::ignition;
        import.how = strength == "random" ? ia::strength::random : ia::strength::chosen;
    }
};

} // namespace

answer keys_create(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    new_key key(from);
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().create(key.spec, by));
}

answer keys_import(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    new_import key(from);
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().import(key.import.spec, key.import.format, key.import.hash, key.import.how, by));
}

answer keys_import_all(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    json::value list = from.required("imports");
    if (list.type != json::type::array)
        throw unreadable();
    std::deque<new_import> keys;
    std::vector<ia::key_import> imports;
    for (const json::value &item : list.items) {
        arguments inner(item);
        imports.push_back(keys.emplace_back(inner).import);
        inner.end();
    }
    ia::caller by = open.caller(from);
    from.end();
    return {ia::errc::ok, {{"count", auth.keys().import_all(imports, by)}}};
}

answer keys_get(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    from.now();
    from.end();
    return with(auth.keys().get(name));
}

answer keys_list(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    from.now();
    from.end();
    std::vector<json::value> records;
    ia::key_list list = auth.keys().list();
    for (ia::key_view key : list)
        records.push_back(record(key));
    return {ia::errc::ok, {{"records", std::move(records)}}};
}

answer keys_update(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    std::uint64_t revision = from.required_unsigned("revision");
    std::optional<std::string> description = from.text_or_none("description");
    std::optional<std::vector<std::string>> levels = from.texts_or_none("levels");
    ia::key_changes changes;
    changes.description = description;
    if (levels)
        changes.levels = views(*levels);
    changes.require_secure = from.flag_or_none("require_secure");
    changes.enabled = from.flag_or_none("enabled");
    // Here alone null says something: it clears.
    if (auto at = from.raw("expires_at"))
        changes.expires_at = at->is_null() ? std::nullopt : std::optional<std::int64_t>(integer_of(*at));
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().update(name, revision, changes, by));
}

answer keys_rename(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name"), new_name = from.text("new_name");
    ia::revision seen = from.unsigned_or_none("revision");
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().rename(name, new_name, seen, by));
}

answer keys_duplicate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name"), new_name = from.text("new_name");
    ia::revision seen = from.unsigned_or_none("revision");
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().duplicate(name, new_name, seen, by));
}

answer keys_rotate(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    std::uint64_t overlap = from.required_unsigned("overlap_seconds");
    ia::revision seen = from.unsigned_or_none("revision");
    ia::caller by = open.caller(from);
    from.end();
    return with(auth.keys().rotate(name, overlap, seen, by));
}

answer keys_delete(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    std::string name = from.text("name");
    ia::revision seen = from.unsigned_or_none("revision");
    ia::caller by = open.caller(from);
    from.end();
    auth.keys().remove(name, seen, by);
    return {};
}
