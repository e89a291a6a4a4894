// The gateway of examples/c in C++17: the same routes, keys, levels and license, with cpp-httplib and inspire_auth.hpp.
//
// cpp-httplib serves each connection on a thread of a pool, so the blocking call is the right one here: a key's first
// use, a slow hash, holds up its own connection only. A server with an event loop calls try_authenticate_no_wait().
#include <getopt.h>
#include <httplib.h>
#include <signal.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <inspire_auth.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../c/openapi.h"
namespace ia = inspire::auth;

namespace {

using Method = httplib::Server &(httplib::Server::*)(const std::string &, httplib::Server::Handler);

// What each route requires.
struct Route {
    Method method;
    const char *path;
    std::string_view requirement;                // who may: security levels
    std::optional<std::string_view> entitlement; // what the license must hold as well
    const char *answer;                          // what the granted get: JSON
};

constexpr Method GET = &httplib::Server::Get;
constexpr Method POST = static_cast<Method>(&httplib::Server::Post);
constexpr Method PUT = static_cast<Method>(&httplib::Server::Put);

const Route ROUTES[] = {
    {GET, "/data/api/v1/resources", "Authenticated/Gateway/Read", {}, R"({"resources":["tags","views"]})"},
    {POST, "/data/api/v1/sync", "Authenticated/Gateway/Write", {}, R"({"sync":"started"})"},
    {GET, "/data/api/v1/modes", "any(Authenticated/Gateway/Read, Authenticated/Gateway/Write)", {},
     R"({"mode":"running"})"},
    {PUT, "/data/api/v1/modes", "all(Authenticated/Gateway/Read, Authenticated/Gateway/Write)", {},
     R"({"mode":"changed"})"},
    {POST, "/video-walls", "Authenticated/Gateway/Write", "VIDEO_WALL_SYNC", R"({"videoWall":"created"})"},
    {GET, "/openapi", "Public", {}, OPENAPI}, // everyone, without a key; but a wrong key is refused
};

// Decides one request, and answers it.
void answer(const ia::handle &auth, const ia::requirement &required, const Route &route, ia::channel channel,
            const httplib::Request &received, httplib::Response &response) {
    // All header lines, one by one. Asking for one by its name would hide that a request carries two credentials; the
    // library refuses such a request. (cpp-httplib keeps lines of one name apart. It decodes `%` in values, which lets
    // nobody in: what it makes of a value must still be a name and its key.)
    std::vector<ia::header> lines;
    lines.reserve(received.headers.size());
    for (const auto &[name, value] : received.headers)
        lines.push_back(ia::make_header(name, value));

    ia::request request(required);
    request.headers(lines.data(), lines.size());
    request.channel = channel; // what the host knows; no header is believed about it
    request.entitlement = route.entitlement;
    const ia::result<ia::principal> caller = auth.try_authenticate(request);
    if (caller) { // caller->name() is who, for the host's own log
        response.set_content(route.answer, "application/json");
        return;
    }
    // The caller learns the code and its general message. The details (which level is missing) are for the log.
    std::fprintf(stderr, "refused: %s %s: %s\n", received.method.c_str(), route.path,
                 std::string(caller.why().message()).c_str());
    const ia::errc code = caller.code();
    response.status = static_cast<int>(auth.http_status(code));
    if (const auto challenge = auth.challenge(code))
        response.set_header("WWW-Authenticate", std::string(*challenge));
    if (const auto seconds = auth.retry_after(code); seconds != 0)
        response.set_header("Retry-After", std::to_string(seconds));
    response.set_content("{\"error\":\"" + std::string(ia::name(code)) + "\",\"message\":\"" +
                             std::string(ia::message(code)) + "\"}", "application/json");
}

// A port on the loopback interface, and what is known about whoever comes through it: whether a request was encrypted
// on its way is for the host to say, which ended the TLS or knows the proxy that did.
class Door {
public:
    Door(const ia::handle &auth, const std::vector<ia::requirement> &requirements, ia::channel channel, int port) {
        for (std::size_t i = 0; i < std::size(ROUTES); ++i)
            (server_.*ROUTES[i].method)(ROUTES[i].path, [&, i, channel](const auto &request, auto &response) {
                answer(auth, requirements[i], ROUTES[i], channel, request, response);
            });
        server_.set_error_handler([](const httplib::Request &, httplib::Response &response) {
            if (response.status == 404 && response.body.empty())
                response.set_content(R"({"error":"NO_SUCH_ROUTE"})", "application/json");
        });
        server_.set_payload_max_length(64 * 1024).set_keep_alive_max_count(10000);
        server_.set_tcp_nodelay(true); // cpp-httplib writes an answer in two pieces
        port_ = port == 0 ? server_.bind_to_any_port("127.0.0.1") : server_.bind_to_port("127.0.0.1", port) ? port : -1;
        if (port_ < 0)
            throw std::runtime_error("the port can't be had");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
        while (!server_.is_running()) // before that, stop() would not be heard
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ~Door() {
        server_.stop();
        thread_.join();
    }
    int port() const { return port_; }

private:
    httplib::Server server_;
    std::thread thread_;
    int port_ = 0;
};

struct Settings {
    ia::options options;
    ia::channel channel = ia::channel::secure;
    std::optional<int> port = 0, plain_port; // 0: any; the plain one need not be
};

std::optional<int> read_port(std::string_view text) {
    int port = -1;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool good = fault == std::errc() && end == text.data() + text.size() && port >= 0 && port <= 65535;
    return good ? std::optional(port) : std::nullopt;
}

std::optional<Settings> read_settings(int argc, char **argv) {
    static const option names[] = {
        {"store", required_argument, nullptr, 's'},       {"port", required_argument, nullptr, 'p'},
        {"channel", required_argument, nullptr, 'c'},     {"plain-port", required_argument, nullptr, 'P'},
        {"trusted-key", required_argument, nullptr, 't'}, {"machine-id", required_argument, nullptr, 'm'},
        {"product", required_argument, nullptr, 'd'},     {nullptr, 0, nullptr, 0}};
    Settings settings;
    for (int name; (name = getopt_long(argc, argv, "", names, nullptr)) != -1;) {
        const std::string_view value = optarg != nullptr ? optarg : "";
        const std::size_t equals = value.find('=');
        switch (name) {
        case 's': settings.options.store = value; break;
        case 'm': settings.options.machine_id = value; break;
        case 'd': settings.options.product = value; break;
        case 'p': case 'P':
            if (!((name == 'p' ? settings.port : settings.plain_port) = read_port(value)))
                return std::nullopt;
            break;
        case 't':
            if (equals == std::string_view::npos)
                return std::nullopt;
            settings.options.trusted_keys.push_back({value.substr(0, equals), value.substr(equals + 1)});
            break;
        case 'c':
            if (value != "secure" && value != "plain" && value != "local")
                return std::nullopt;
            settings.channel = value == "secure" ? ia::channel::secure
                               : value == "plain" ? ia::channel::plain : ia::channel::local;
            break;
        default: return std::nullopt;
        }
    }
    return optind == argc && settings.options.store ? std::optional(std::move(settings)) : std::nullopt;
}

} // namespace

int main(int argc, char **argv) try {
    const std::optional<Settings> settings = read_settings(argc, argv);
    if (!settings) {
        std::fputs("usage: gateway --store PATH [--port N] [--channel secure|plain|local] [--plain-port N]\n"
                   "               [--trusted-key ID=HEX] [--machine-id TEXT] [--product ID]\n", stderr);
        return 2;
    }
    sigset_t ends; // blocked before any thread is started, so that all inherit it: the signals are main's alone
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    const ia::handle auth = ia::handle::open(settings->options);
    std::vector<ia::requirement> requirements; // compiled once: a check is then a few bit operations
    for (const Route &route : ROUTES)
        requirements.push_back(auth.parse_requirement(route.requirement));

    const Door front(auth, requirements, settings->channel, *settings->port);
    std::printf("listening on 127.0.0.1:%d\n", front.port());
    std::optional<Door> plain;
    if (settings->plain_port) {
        plain.emplace(auth, requirements, ia::channel::plain, *settings->plain_port);
        std::printf("listening on 127.0.0.1:%d (plain)\n", plain->port());
    }
    std::fflush(stdout);
    int signal = 0;
    sigwait(&ends, &signal);
    return 0; // the doors close first, then the library goes: in the reverse of the order in which they were opened
} catch (const std::exception &error) {
    std::fprintf(stderr, "gateway: %s\n", error.what());
    return 1;
}
