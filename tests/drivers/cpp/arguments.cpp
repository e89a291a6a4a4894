#include "arguments.hpp"

#include <charconv>

namespace {

// Base64 of RFC 4648, section 4: padded, canonical.
std::string decode_base64(std::string_view encoded) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (encoded.size() % 4 != 0)
        throw unreadable();
    std::string bytes;
    for (; !encoded.empty(); encoded.remove_prefix(4)) {
        bool last = encoded.size() == 4;
        std::size_t padding = last && encoded[3] == '=' ? (encoded[2] == '=' ? 2 : 1) : 0;
        std::uint32_t group = 0;
        for (std::size_t at = 0; at < 4; ++at) {
            std::size_t digit = at < 4 - padding ? alphabet.find(encoded[at]) : 0;
            if (digit == std::string_view::npos)
                throw unreadable();
            group = group << 6 | static_cast<std::uint32_t>(digit);
        }
        if ((group & ((1u << (8 * padding)) - 1)) != 0)
            throw unreadable();
        for (std::size_t byte = 0; byte < 3 - padding; ++byte)
            bytes += static_cast<char>(group >> (16 - 8 * byte));
    }
    return bytes;
}

template <typename Integer> Integer read_integer(const json::value &from) {
    Integer integer = 0;
    // -0 is a floating-point number.
    if (from.type != json::type::number || from.text == "-0")
        throw unreadable();
    const char *end = from.text.data() + from.text.size();
    auto [at, problem] = std::from_chars(from.text.data(), end, integer);
    if (problem != std::errc() || at != end)
        throw unreadable();
    return integer;
}

} // namespace

std::string text_of(const json::value &from) {
    if (from.type == json::type::string)
        return from.text;
    auto encoded = from.members.find("b64");
    if (from.members.size() != 1 || encoded == from.members.end() || encoded->second.type != json::type::string)
        throw unreadable();
    return decode_base64(encoded->second.text);
}

std::vector<std::string> texts_of(const json::value &from) {
    if (from.type != json::type::array)
        throw unreadable();
    std::vector<std::string> texts;
    for (const json::value &item : from.items)
        texts.push_back(text_of(item));
    return texts;
}

std::int64_t integer_of(const json::value &from) { return read_integer<std::int64_t>(from); }

std::vector<std::string_view> views(const std::vector<std::string> &texts) { return {texts.begin(), texts.end()}; }

std::vector<ia::trusted_key> trusted(const std::vector<std::pair<std::string, std::string>> &keys) {
    std::vector<ia::trusted_key> list;
    for (const auto &[id, public_key] : keys)
        list.push_back(ia::trusted_key{id, public_key});
    return list;
}

std::optional<json::value> arguments::raw(const std::string &name) {
    auto taken = members_.extract(name);
    return taken.empty() ? std::nullopt : std::optional<json::value>(std::move(taken.mapped()));
}

std::optional<json::value> arguments::optional(const std::string &name) {
    std::optional<json::value> member = raw(name);
    return member && !member->is_null() ? member : std::nullopt;
}

json::value arguments::required(const std::string &name) {
    std::optional<json::value> member = optional(name);
    if (!member)
        throw unreadable();
    return *member;
}

std::string arguments::text(const std::string &name) { return text_of(required(name)); }

std::optional<std::string> arguments::text_or_none(const std::string &name) {
    std::optional<json::value> member = optional(name);
    return member ? std::optional<std::string>(text_of(*member)) : std::nullopt;
}

std::vector<std::string> arguments::texts(const std::string &name) { return texts_of(required(name)); }

std::optional<std::vector<std::string>> arguments::texts_or_none(const std::string &name) {
    std::optional<json::value> member = optional(name);
    return member ? std::optional<std::vector<std::string>>(texts_of(*member)) : std::nullopt;
}

std::optional<bool> arguments::flag_or_none(const std::string &name) {
    std::optional<json::value> member = optional(name);
    if (!member)
        return std::nullopt;
    if (member->type != json::type::boolean)
        throw unreadable();
    return member->truth;
}

std::int64_t arguments::now() {
    std::optional<json::value> member = optional("now");
    return member ? integer_of(*member) : 0;
}

std::optional<std::uint64_t> arguments::unsigned_or_none(const std::string &name) {
    std::optional<json::value> member = optional(name);
    return member ? std::optional<std::uint64_t>(read_integer<std::uint64_t>(*member)) : std::nullopt;
}

std::uint64_t arguments::required_unsigned(const std::string &name) {
    return read_integer<std::uint64_t>(required(name));
}

std::uint64_t arguments::positive(const std::string &name, std::uint64_t most) {
    std::uint64_t value = required_unsigned(name);
    if (value == 0 || value > most)
        throw unreadable();
    return value;
}

std::uint64_t arguments::positive_or_default(const std::string &name) {
    std::optional<std::uint64_t> value = unsigned_or_none(name);
    if (value && *value == 0)
        throw unreadable();
    return value.value_or(0);
}

ia::levels arguments::requirement::view() const { return all ? ia::all_of(views(names)) : ia::any_of(views(names)); }

std::optional<arguments::requirement> arguments::requirement_or_none(const std::string &name) {
    std::optional<json::value> member = optional(name);
    if (!member)
        return std::nullopt;
    arguments inner(*member);
    auto any = inner.texts_or_none("any"), all = inner.texts_or_none("all");
    inner.end();
    if (any.has_value() == all.has_value())
        throw unreadable();
    return requirement{all.has_value(), all ? *all : *any};
}

std::vector<std::pair<std::string, std::string>> arguments::trusted_keys() {
    json::value list = required("trusted_keys");
    if (list.type != json::type::array)
        throw unreadable();
    std::vector<std::pair<std::string, std::string>> keys;
    for (const json::value &item : list.items) {
        arguments inner(item);
        std::string id = inner.text("id");
        keys.emplace_back(std::move(id), inner.text("public_key"));
        inner.end();
    }
    return keys;
}
