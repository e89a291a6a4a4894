// inspire_auth.hpp: online licensing against a real licensing server, and transports that are functions of the host's.
//
// xtask: server
#include <inspire_auth.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::cerr << __FILE__ << ':' << __LINE__ << ": not so: " #condition << '\n';  \
            std::exit(1);                                                                 \
        }                                                                                 \
    } while (0)

#include "../c/vendor.h"

namespace ia = inspire::auth;

template <typename T> constexpr bool moves_only =
    std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<ia::deactivation> && moves_only<ia::signed_license_key> && moves_only<ia::cancel>);
static_assert(std::is_nothrow_move_assignable_v<ia::handle>);
// The half without exceptions says so.
static_assert(noexcept(std::declval<const ia::license &>().try_tick()));
static_assert(noexcept(std::declval<const ia::license &>().try_consume(1, "")));
static_assert(noexcept(std::declval<const ia::license &>().try_activate_online("", ia::caller::system())));
static_assert(noexcept(std::declval<const ia::license &>().try_request(std::nullopt, ia::caller::system())));
static_assert(noexcept(ia::try_inspect_license_key("", {})));

namespace {

vendor acme;
const ia::caller host = ia::caller::system();

ia::server at_acme() {
    ia::server server;
    server.url = acme.url;
    server.proxy = "";
    return server;
}

ia::handle installation(std::string_view store, std::optional<ia::server> server) {
    ia::options options;
    options.store = store;
    options.hash_memory_kib = 64;
    options.hash_iterations = 1;
    options.machine_id = "machine-7";
    options.trusted_keys = {ia::trusted_key{"acme", acme.public_key}};
    options.server = std::move(server);
    return ia::handle::open(options);
}

// HTTP/1.1 over a plain socket.
ia::http_response carry(const ia::http_request &request) {
    std::string base = std::string(acme.url).substr(0, std::string_view(acme.url).find("/v1"));
    CHECK(request.url.substr(0, base.size()) == base);
    int port = std::atoi(base.c_str() + base.rfind(':') + 1);
    std::string text = std::string(request.method) + " " + std::string(request.url.substr(base.size())) +
                       " HTTP/1.1\r\nhost: " + base.substr(base.find("//") + 2) + "\r\nconnection: close\r\n";
    for (const auto &[name, value] : request.headers)
        text += std::string(name) + ": " + std::string(value) + "\r\n";
    text += "content-length: " + std::to_string(request.body.size()) + "\r\n\r\n" + std::string(request.body);
    std::size_t length = 0;
    char *raw = vendor_exchange(port, text.data(), text.size(), &length);
    if (raw == nullptr)
        throw std::runtime_error("nobody is there");
    std::string got(raw, length);
    std::free(raw);
    ia::http_response answer;
    answer.status = static_cast<std::uint32_t>(std::atoi(got.c_str() + 9));
    std::size_t at = got.find("\r\n") + 2, end;
    for (; (end = got.find("\r\n", at)) != at; at = end + 2) {
        std::size_t colon = got.find(": ", at);
        answer.headers.emplace_back(got.substr(at, colon - at), got.substr(colon + 2, end - colon - 2));
    }
    answer.body = got.substr(at + 2);
    return answer;
}

void a_license_lives() {
    ia::handle auth = installation(":memory:", at_acme());
    ia::license license = auth.license();
    CHECK(license.try_activate_online("NO-KEY", host).code() == ia::errc::license_unknown);
    bool thrown = false;
    try {
        license.activate_online("", host);
    } catch (const ia::error &error) {
        thrown = error.code() == ia::errc::license_key_required;
    }
    CHECK(thrown);
    ia::license_status active = license.activate_online(acme.license_key, host);
    CHECK(active.state() == ia::license_state::active && active.mode() == ia::license_mode::online);
    CHECK(!active.last_attempt() && vendor_has_machine(&acme));

    vendor_change(&acme, "entitle", "--add", "AI");
    CHECK(license.check_entitlement("AI").code() == ia::errc::not_entitled);
    license.revalidate(host);
    CHECK(license.check_entitlement("AI"));
    vendor_change(&acme, "suspend", nullptr, nullptr);
    CHECK(license.try_revalidate(host).code() == ia::errc::license_suspended);
    CHECK(license.check_entitlement("AI").code() == ia::errc::license_suspended);
    vendor_change(&acme, "reinstate", nullptr, nullptr);
    license.revalidate(host);

    ia::tick tick = license.tick();
    CHECK(tick.next && tick.problem == ia::errc::ok);
    CHECK(license.tick(*tick.next).problem == ia::errc::clock_skew);
    CHECK(license.status().last_attempt()->second == ia::errc::clock_skew);
    license.revalidate(host);

    vendor_stop(&acme);
    CHECK(license.try_revalidate(host).code() == ia::errc::network_connect);
    CHECK(license.status().last_attempt()->second == ia::errc::network_connect);
    CHECK(license.check_entitlement("AI"));
    ia::deactivation done = license.deactivate_with(false, host);
    CHECK(done.release() == ia::release::pending && done.problem() == ia::errc::network_connect);
    CHECK(done.receipt()->substr(0, 36) == "-----BEGIN DEACTIVATION RECEIPT-----");
    CHECK(license.try_release_pending(host).code() == ia::errc::network_connect);
    vendor_start(&acme, nullptr);
    CHECK(vendor_has_machine(&acme) && license.release_pending(host) == 1 && !vendor_has_machine(&acme));
    CHECK(license.release_pending(host) == 0);
}

void without_a_server() {
    ia::handle auth = installation(":memory:", std::nullopt);
    CHECK(auth.license().try_activate_online("KEY", host).code() == ia::errc::unsupported_option);
    CHECK(!auth.license().tick().next);
    CHECK(auth.license().try_reveal_key(host).code() == ia::errc::unlicensed);
    CHECK(auth.license().request("KEY", host).substr(0, 31) == "-----BEGIN LICENSE REQUEST-----");
    CHECK(auth.license().try_refresh("x", host).code() == ia::errc::unlicensed);

    ia::server server = at_acme();
    server.allowed_hosts = {"licensing.example"};
    ia::options options;
    options.store = ":memory:";
    options.server = server;
    CHECK(ia::handle::try_open(options).code() == ia::errc::network_policy);
    options.server->url = "";
    CHECK(ia::handle::try_open(options).code() == ia::errc::invalid_argument);
}

void the_host_carries() {
    std::function<ia::http_response(const ia::http_request &)> does = carry;
    std::atomic<int> calls{0};
    ia::server server = at_acme();
    server.transport = [&](const ia::http_request &request) {
        ++calls;
        CHECK(request.timeout_ms > 0 && !request.headers.empty());
        return does(request);
    };
    ia::handle first = installation("carried.db", server);
    ia::handle auth = std::move(first); // the transport moves along
    ia::license license = auth.license();
    license.activate_online(acme.license_key, host);
    CHECK(calls == 3);

    auto comes_to = [&](ia::errc code) {
        ia::errc got = license.try_revalidate(host).code();
        CHECK(got == code);
        CHECK(license.status().state() == ia::license_state::active);
        CHECK(license.status().last_attempt()->second == code);
    };
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::network_tls, "not ours"); };
    comes_to(ia::errc::network_tls);
    does = [](const ia::http_request &) -> ia::http_response { throw std::runtime_error("anything"); };
    comes_to(ia::errc::network_connect);
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::network_dns, ""); };
    comes_to(ia::errc::network_dns);
    does = [](const ia::http_request &) -> ia::http_response { throw 7; };
    comes_to(ia::errc::network_connect);
    // Neither a success nor a refusal can be thrown.
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::network_proxy, ""); };
    comes_to(ia::errc::network_proxy);
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::ok, ""); };
    comes_to(ia::errc::network_connect);
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::network_timeout, ""); };
    comes_to(ia::errc::network_timeout);
    does = [](const ia::http_request &) -> ia::http_response { throw ia::error(ia::errc::license_suspended, ""); };
    comes_to(ia::errc::network_connect);
    does = [](const ia::http_request &) { return ia::http_response(); };
    comes_to(ia::errc::server_status);
    does = [](const ia::http_request &) { return ia::http_response{200, {{"Date", "never"}}, "{}"}; };
    comes_to(ia::errc::server_signature_invalid);
    does = [](const ia::http_request &) { return ia::http_response{200, {}, std::string((1 << 20) + 1, ' ')}; };
    comes_to(ia::errc::server_answer_malformed);
    does = carry;
    license.revalidate(host);

    // Cancelled while the host's transport waits for an answer, which is dropped then.
    std::mutex lock;
    std::condition_variable changed;
    bool is_waiting = false, is_let_go = false;
    does = [&](const ia::http_request &request) {
        std::unique_lock<std::mutex> held(lock);
        is_waiting = true;
        changed.notify_all();
        changed.wait(held, [&] { return is_let_go; });
        return carry(request);
    };
    ia::cancel cancel;
    ia::errc ended = ia::errc::ok;
    std::thread errand([&] { ended = license.try_revalidate(host.until(cancel)).code(); });
    {
        std::unique_lock<std::mutex> held(lock);
        changed.wait(held, [&] { return is_waiting; });
        cancel.now();
        is_let_go = true;
        changed.notify_all();
    }
    errand.join();
    CHECK(ended == ia::errc::cancelled);
    calls = 0;
    CHECK(license.try_revalidate(host.until(cancel)).code() == ia::errc::cancelled && calls == 0);

    // In the place of the former handle, with its transport.
    does = carry;
    auth = installation("carried.db", at_acme());
    auth.license().revalidate(host);
    CHECK(calls == 0);
    CHECK(auth.license().deactivate_with(false, host).release() == ia::release::server);
}

void credits_are_counted() {
    ia::handle auth = installation(":memory:", at_acme());
    ia::license license = auth.license();
    ia::tenant north{"north", 10}, south{"south"};
    CHECK(license.try_consume(1, "x").code() == ia::errc::limit_exceeded);
    license.activate_online(acme.license_key, host);
    ia::balance left = license.consume(8, "n1", &north);
    CHECK(left.limit == 10 && left.used == 8 && left.left == 2 && left.month > 202400);
    CHECK(license.consume(8, "n1", &north).used == 8);
    CHECK(license.try_consume(3, "n2", &north).code() == ia::errc::limit_exceeded);
    CHECK(license.try_consume(9, "n1", &north).code() == ia::errc::conflict);
    CHECK(license.consume(50, "s1", &south).left == 42 && license.balance().used == 58);
    CHECK(license.refund("s1", &south).used == 0 && license.try_refund("s2").code() == ia::errc::not_found);
    CHECK(license.balance().left == 92 && license.balance(&north).left == 2);
    CHECK(license.check_tenant_limit("MAX_DISPLAYS", south, 10, 10));
    CHECK(license.check_tenant_limit("MAX_DISPLAYS", south, 1, 11).code() == ia::errc::limit_exceeded);
    CHECK(north.effective(100) == 10 && north.effective(-1) == 10 && north.effective(4) == 4);
    CHECK(south.effective(100) == 100 && south.effective(-1) == -1);

    // A newer file of the license, by hand.
    std::ifstream file("acme.key");
    ia::signing_key key = ia::signing_key::read(std::string(std::istreambuf_iterator<char>(file), {}));
    std::string description = std::string("{\"id\": \"") + acme.license + "\", \"key\": \"" + acme.license_key +
                              "\", \"fingerprint\": \"" + std::string(auth.machine().fingerprint()) +
                              "\", \"entitlements\": [\"PROCAPTIONS\"]}";
    license.refresh(key.sign(description, ia::file_kind::machine, false, std::time(nullptr) + 60), host);
    CHECK(license.check_entitlement("PROCAPTIONS"));
    CHECK(license.deactivate_with(true, host).release() == ia::release::none);
}

void signed_license_keys_are_read() {
    // Keygen's own; see shared/vectors/keygen/key-ed25519-test1.
    constexpr std::string_view text = "key/eyJ0ZXN0IjoxfQ==."
                                      "_f34UAAtNKM8TXGLlnblBGCLSy22Oa_gjp4jn0CpvEuwQ2gAcH0IntFKwtby"
                                      "V5iWnH9_x8l0R144oHp2_GviAw==";
    std::vector<ia::trusted_key> trusted{
        {"keygen", "e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788", 1800000000}};
    ia::signed_license_key key = ia::inspect_license_key(text, trusted, 1799999999);
    CHECK(key.key_id() == "keygen" && key.dataset() == "{\"test\":1}");
    CHECK(!key.license() && !key.product() && !key.created_at() && !key.expires_at());
    CHECK(ia::try_inspect_license_key(text, trusted, 1800000000).code() == ia::errc::license_signature_invalid);
    CHECK(ia::try_inspect_license_key("ABCD-EFGH", trusted).code() == ia::errc::license_malformed);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    vendor_open(&acme, argv[1]);
    a_license_lives();
    without_a_server();
    the_host_carries();
    credits_are_counted();
    signed_license_keys_are_read();
    vendor_stop(&acme);
}
