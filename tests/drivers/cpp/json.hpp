// Just enough JSON (RFC 8259) for one request a line: strict, bounded in depth, numbers as they are written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace json {

enum class type { null, boolean, number, string, array, object };

struct value {
    json::type type = json::type::null;
    bool truth = false;
    // A string's characters, a number's digits, or what `raw` was given.
    std::string text;
    std::vector<value> items;
    std::map<std::string, value> members;

    value() = default;
    value(bool from) : type(json::type::boolean), truth(from) {}
    value(std::int64_t from) : type(json::type::number), text(std::to_string(from)) {}
    value(std::uint64_t from) : type(json::type::number), text(std::to_string(from)) {}
    value(std::uint32_t from) : value(static_cast<std::uint64_t>(from)) {}
    value(std::string_view from) : type(json::type::string), text(from) {}
    value(const std::string &from) : value(std::string_view(from)) {}
    value(const char *from) : value(std::string_view(from)) {}
    template <typename T> value(const std::optional<T> &from) {
        if (from)
            *this = value(*from);
    }
    template <typename T> value(const std::vector<T> &from) : type(json::type::array) {
        for (const T &each : from)
            items.emplace_back(each);
    }
    value(std::vector<value> from) : type(json::type::array), items(std::move(from)) {}
    value(std::map<std::string, value> from) : type(json::type::object), members(std::move(from)) {}

    // What is JSON already.
    static value raw(std::string_view text) {
        value made;
        made.type = json::type::number;
        made.text = text;
        return made;
    }

    bool is_null() const { return type == json::type::null; }
    std::string write() const;
};

using object = std::map<std::string, value>;

// One value and nothing behind it. Of members with one name, the last counts.
std::optional<value> parse(std::string_view text);

} // namespace json
