#include "json.hpp"

#include <cstdio>
#include <stdexcept>

namespace json {
namespace {

struct bad : std::exception {};

class reader {
public:
    explicit reader(std::string_view text) : rest_(text) {}

    value whole() {
        value read = any(0);
        space();
        if (!rest_.empty())
            throw bad();
        return read;
    }

private:
    static constexpr int max_depth = 128;
    std::string_view rest_;

    bool skip(std::string_view word) {
        if (rest_.substr(0, word.size()) != word)
            return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    void expect(std::string_view word) {
        if (!skip(word))
            throw bad();
    }

    void space() {
        while (!rest_.empty() && std::string_view(" \t\n\r").find(rest_.front()) != std::string_view::npos)
            rest_.remove_prefix(1);
    }

    unsigned char next() {
        if (rest_.empty())
            throw bad();
        unsigned char c = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return c;
    }

    value any(int depth) {
        space();
        if (rest_.empty() || depth == max_depth)
            throw bad();
        value read;
        switch (rest_.front()) {
        case '"':
            return value(string());
        case '[':
            read.type = type::array;
            items("[", "]", [&] { read.items.push_back(any(depth + 1)); });
            return read;
        case '{':
            read.type = type::object;
            items("{", "}", [&] {
                space();
                std::string name = string();
                space();
                expect(":");
                read.members.insert_or_assign(std::move(name), any(depth + 1));
            });
            return read;
        case 't':
            return expect("true"), value(true);
        case 'f':
            return expect("false"), value(false);
        case 'n':
            return expect("null"), value();
        default:
            return number();
        }
    }

    template <typename Item> void items(std::string_view open, std::string_view close, Item item) {
        expect(open);
        space();
        if (skip(close))
            return;
        do {
            item();
            space();
        } while (skip(","));
        expect(close);
    }

    void digits() {
        std::size_t count = rest_.find_first_not_of("0123456789");
        count = count == std::string_view::npos ? rest_.size() : count;
        if (count == 0)
            throw bad();
        rest_.remove_prefix(count);
    }

    value number() {
        std::string_view begin = rest_;
        skip("-");
        if (!skip("0"))
            digits();
        if (skip("."))
            digits();
        if (skip("e") || skip("E")) {
            if (!skip("+"))
                skip("-");
            digits();
        }
        return value::raw(begin.substr(0, begin.size() - rest_.size()));
    }

    static void put(std::string &to, std::uint32_t code) {
        if (code < 0x80) {
            to += static_cast<char>(code);
        } else if (code < 0x800) {
            to += static_cast<char>(0xc0 | code >> 6);
            to += static_cast<char>(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            to += static_cast<char>(0xe0 | code >> 12);
            to += static_cast<char>(0x80 | (code >> 6 & 0x3f));
            to += static_cast<char>(0x80 | (code & 0x3f));
        } else {
            to += static_cast<char>(0xf0 | code >> 18);
            to += static_cast<char>(0x80 | (code >> 12 & 0x3f));
            to += static_cast<char>(0x80 | (code >> 6 & 0x3f));
            to += static_cast<char>(0x80 | (code & 0x3f));
        }
    }

    std::uint32_t hex() {
        std::uint32_t unit = 0;
        for (int digit = 0; digit < 4; ++digit) {
            std::size_t found = std::string_view("0123456789abcdefABCDEF").find(static_cast<char>(next()));
            if (found == std::string_view::npos)
                throw bad();
            unit = unit << 4 | static_cast<std::uint32_t>(found < 16 ? found : found - 6);
        }
        return unit;
    }

    // What stands behind a backslash. A surrogate without its partner is no character.
    void escape(std::string &to) {
        constexpr std::string_view from = "\"\\/bfnrt", into = "\"\\/\b\f\n\r\t";
        unsigned char c = next();
        if (std::size_t at = from.find(static_cast<char>(c)); at != std::string_view::npos) {
            to += into[at];
            return;
        }
        if (c != 'u')
            throw bad();
        std::uint32_t code = hex();
        if (code >= 0xd800 && code < 0xe000) {
            if (code >= 0xdc00)
                throw bad();
            expect("\\u");
            std::uint32_t low = hex();
            if (low < 0xdc00 || low >= 0xe000)
                throw bad();
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
        }
        put(to, code);
    }

    // One character of UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF).
    void character(std::string &to, unsigned char lead) {
        int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
        if (more < 0 || lead < 0x20)
            throw bad();
        std::uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
        for (int left = more; left > 0; --left) {
            unsigned char c = next();
            if ((c & 0xc0) != 0x80)
                throw bad();
            code = code << 6 | (c & 0x3f);
        }
        constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            throw bad();
        put(to, code);
    }

    std::string string() {
        std::string read;
        expect("\"");
        for (;;) {
            unsigned char c = next();
            if (c == '"')
                return read;
            if (c == '\\')
                escape(read);
            else
                character(read, c);
        }
    }
};

void write_string(std::string &to, std::string_view text) {
    to += '"';
    for (char c : text) {
        if (c == '"' || c == '\\') {
            to += '\\';
            to += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escaped[7];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            to += escaped;
        } else {
            to += c;
        }
    }
    to += '"';
}

void write_to(std::string &to, const value &from) {
    const char *comma = "";
    switch (from.type) {
    case type::null:
        to += "null";
        break;
    case type::boolean:
        to += from.truth ? "true" : "false";
        break;
    case type::number:
        to += from.text;
        break;
    case type::string:
        write_string(to, from.text);
        break;
    case type::array:
        to += '[';
        for (const value &item : from.items) {
            to += comma;
            comma = ",";
            write_to(to, item);
        }
        to += ']';
        break;
    case type::object:
        to += '{';
        for (const auto &[name, member] : from.members) {
            to += comma;
            comma = ",";
            write_string(to, name);
            to += ':';
            write_to(to, member);
        }
        to += '}';
        break;
    }
}

} // namespace

std::string value::write() const {
    std::string text;
    write_to(text, *this);
    return text;
}

std::optional<value> parse(std::string_view text) {
    try {
        return reader(text).whole();
    } catch (const bad &) {
        return std::nullopt;
    }
}

} // namespace json
