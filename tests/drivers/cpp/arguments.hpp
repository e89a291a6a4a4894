// Reading arguments, strictly: a member that is not asked for is as wrong as one that can't be read.
#pragma once

#include <inspire_auth.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"

namespace ia = inspire::auth;

// Arguments that can't be read.
struct unreadable {};

// The members of an object, each taken once. An optional one that is null is absent.
class arguments {
public:
    explicit arguments(json::value from) {
        if (from.type != json::type::object)
            throw unreadable();
        members_ = std::move(from.members);
    }

    // Refuses what has not been taken.
    void end() const {
        if (!members_.empty())
            throw unreadable();
    }

    // The member as it stands.
    std::optional<json::value> raw(const std::string &name);

    std::optional<json::value> optional(const std::string &name);
    json::value required(const std::string &name);

    // Strings, or the bytes of {"b64": "..."}.
    std::string text(const std::string &name);
    std::optional<std::string> text_or_none(const std::string &name);
    std::vector<std::string> texts(const std::string &name);
    std::optional<std::vector<std::string>> texts_or_none(const std::string &name);

    std::optional<bool> flag_or_none(const std::string &name);
    std::int64_t now();
    std::optional<std::uint64_t> unsigned_or_none(const std::string &name);
    std::uint64_t required_unsigned(const std::string &name);
    // Above 0: in this language 0 is the default, and can't be asked for.
    std::uint64_t positive(const std::string &name, std::uint64_t most);

    // The same, or 0, which is the default, when it is absent.
    std::uint64_t positive_or_default(const std::string &name);

    // {"any": [...]} or {"all": [...]}
    struct requirement {
        bool all;
        std::vector<std::string> names;
        ia::levels view() const;
    };
    std::optional<requirement> requirement_or_none(const std::string &name);

    // The list `trusted_keys`: id and public key.
    std::vector<std::pair<std::string, std::string>> trusted_keys();

private:
    json::object members_;
};

std::string text_of(const json::value &from);
std::vector<std::string> texts_of(const json::value &from);
std::int64_t integer_of(const json::value &from);
std::vector<std::string_view> views(const std::vector<std::string> &texts);
std::vector<ia::trusted_key> trusted(const std::vector<std::pair<std::string, std::string>> &keys);
