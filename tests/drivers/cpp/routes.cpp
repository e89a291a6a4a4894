// The operations on route tables.
#include "driver.hpp"

answer routes_parse(handles &open, arguments &from) {
    std::string text = from.text("json");
    from.end();
    ia::routes table = ia::routes::parse(text);
    std::size_t count = table.size();
    open.tables.emplace(++open.last, std::move(table));
    return {ia::errc::ok, {{"routes", open.last}, {"count", count}}};
}

answer routes_would_allow(handles &open, arguments &from) {
    ia::handle &auth = open.get(from);
    const ia::routes *table = open.routes(from);
    if (table == nullptr)
        throw unreadable();
    std::optional<std::string> key = from.text_or_none("key");
    std::string method = from.text("method"), path = from.text("path");
    ia::channel channel = channel_of(from.text_or_none("channel").value_or("plain"));
    std::int64_t now = from.now();
    from.end();
    ia::explanation found = auth.would_allow(*table, key, method, path, channel, now);
    json::value rule;
    if (auto prefix = found.prefix())
        rule = json::object{{"prefix", *prefix}, {"methods", found.methods()}};
    return {ia::errc::ok, {{"code", ia::name(found.code())}, {"rule", rule}, {"missing", found.missing()}}};
}
