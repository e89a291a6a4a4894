// inspire_auth.hpp: what is owned is freed once, moves leave nothing behind, and failures arrive both ways.
#include <inspire_auth.hpp>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <type_traits>

namespace ia = inspire::auth;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::cerr << __FILE__ << ':' << __LINE__ << ": not so: " #condition << '\n';  \
            std::exit(1);                                                                 \
        }                                                                                 \
    } while (0)

// Owners move and do not copy; values copy.
template <typename T> constexpr bool moves_only =
    std::is_nothrow_move_constructible_v<T> && !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<ia::handle> && moves_only<ia::requirement> && moves_only<ia::ticket>);
static_assert(moves_only<ia::key> && moves_only<ia::key_list> && moves_only<ia::created_key>);
static_assert(moves_only<ia::license_status> && moves_only<ia::inspection> && moves_only<ia::machine>);
static_assert(moves_only<ia::routes> && moves_only<ia::explanation>);
static_assert(moves_only<ia::signing_key> && moves_only<ia::restore_report> && moves_only<ia::failure>);
static_assert(std::is_trivially_copyable_v<ia::principal> && std::is_copy_constructible_v<ia::caller>);
static_assert(!std::is_default_constructible_v<ia::caller>);
// The half without exceptions says so.
static_assert(noexcept(std::declval<const ia::handle &>().try_authenticate(std::declval<const ia::request &>())));
static_assert(noexcept(std::declval<const ia::keys &>().try_get("")));
static_assert(noexcept(ia::handle::try_open(std::declval<const ia::options &>())));
static_assert(noexcept(std::declval<const ia::license &>().check_entitlement("")));

namespace {

constexpr std::int64_t now = 1800000000;

ia::options cheap() {
    ia::options options;
    options.store = ":memory:";
    options.hash_memory_kib = 64;
    options.hash_iterations = 1;
    return options;
}

ia::created_key make_key(const ia::handle &auth, std::string_view name, std::vector<std::string_view> levels = {}) {
    ia::key_spec spec;
    spec.name = name;
    spec.levels = std::move(levels);
    return auth.keys().create(spec, ia::caller::system());
}

void failures_arrive_both_ways() {
    ia::options none;
    ia::result<ia::handle> refused = ia::handle::try_open(none);
    CHECK(!refused && refused.code() == ia::errc::invalid_argument);
    CHECK(refused.why().message().find("options.store") != std::string_view::npos);
    CHECK(refused.why().detail().has_value());
    bool thrown = false;
    try {
        ia::handle::open(none);
    } catch (const ia::error &error) {
        thrown = true;
        CHECK(error.code() == ia::errc::invalid_argument && std::string(error.what()) == refused.why().message());
    }
    CHECK(thrown);
    CHECK(ia::name(ia::errc::license_expired) == "LICENSE_EXPIRED" && !ia::message(ia::errc::busy).empty());
    CHECK(ia::name(static_cast<ia::errc>(7)).empty());
}

void requests_are_decided() {
    std::atomic<int> heard{0};
    ia::options options = cheap();
    options.write_requirement = ia::any_of({"Admin"});
    options.audit = [&](const ia::audit_event &event) {
        CHECK(!event.event.empty());
        ++heard;
        throw std::runtime_error("lost, not passed through C");
    };
    ia::handle first = ia::handle::open(options);
    ia::handle auth = std::move(first); // the sink moves along
    ia::requirement line = auth.parse_requirement("any(Plant/Line)");
    ia::requirement admin = auth.compile(ia::all_of({"Admin", "Plant"}));
    CHECK(line.text() == "any(Plant/Line)" && admin.text() == "all(Admin, Plant)");
    CHECK(auth.try_parse_requirement("any(").code() == ia::errc::invalid_level);

    ia::created_key key = make_key(auth, "caller", {"Plant/Line/3"});
    CHECK(key.record().name() == "caller" && key.secret().size() == 53);
    CHECK(std::string(key.credential()) == "caller:" + std::string(key.secret()));
    CHECK(std::string(key.rfc6750()) == "caller~" + std::string(key.secret()));
    CHECK(key.record().levels() == std::vector<std::string_view>{"Plant/Line/3"});
    CHECK(!key.record().expires_at() && key.record().origin() == ia::origin::generated);

    std::string bearer = "Bearer " + std::string(key.credential());
    std::vector<ia::header> headers{ia::make_header("Accept", "*/*"), ia::make_header("Authorization", bearer)};
    ia::request request(line);
    request.headers(headers.data(), headers.size());
    request.channel = ia::channel::secure;
    ia::principal who = auth.authenticate(request);
    ia::principal copy = who;
    CHECK(copy.name() == "caller" && !copy.is_anonymous() && copy.revision() == 1);
    CHECK(copy.channel() == ia::channel::secure && copy.warning() == ia::errc::ok && copy.id() == who.id());
    CHECK((auth.principal_levels(who) == std::vector<std::string>{"Authenticated", "Plant/Line/3"}));
    CHECK(auth.explain(who, admin) == std::vector<std::string>{"Admin"});
    CHECK(auth.recheck(who, line) && auth.recheck(who, admin).code() == ia::errc::insufficient_level);

    ia::result<ia::principal> refused = auth.try_authenticate(request.authorization("Bearer caller:wrong"));
    CHECK(refused.code() == ia::errc::invalid_credential);
    CHECK(auth.http_status(refused.code()) == 401);
    CHECK(auth.challenge(refused.code()) == "Bearer realm=\"inspire\", error=\"invalid_token\"");
    CHECK(!auth.challenge(ia::errc::ok) && auth.retry_after(ia::errc::busy) == 1);
    CHECK(auth.try_authenticate(request.legacy(key.credential())).ok());

    CHECK((auth.credential_headers() == std::vector<std::string_view>{"Authorization", "X-Ignition-API-Token"}));
    ia::proxies proxies = ia::proxies::parse("10.0.0.0/8");
    ia::header forwarded = ia::make_header("X-Forwarded-Proto", "https");
    CHECK(proxies.channel("10.1.2.3", ia::channel::plain, &forwarded, 1) == ia::channel::secure);
    CHECK(proxies.channel("11.1.2.3", ia::channel::plain, &forwarded, 1) == ia::channel::plain);
    CHECK(proxies.try_channel("x", ia::channel::plain, nullptr, 0).code() == ia::errc::invalid_argument);
    CHECK(ia::proxies::try_parse("x").code() == ia::errc::invalid_argument);

    // A principal acts by what it is.
    ia::key_spec spec;
    spec.name = "other";
    CHECK(auth.keys().try_create(spec, ia::caller::by(who)).code() == ia::errc::permission_denied);
    CHECK(heard > 0);
    auth.flush();
    CHECK(auth.audit_log(1).front().code == ia::errc::permission_denied);
    CHECK(auth.metrics_text().find("inspire_apikey_verifications_total{result=\"OK\"} 2\n") != std::string::npos);

    ia::options nowhere = cheap();
    nowhere.audit_file = ia::audit_file{"/dev/null/audit.log"};
    nowhere.audit_file->on_failure = ia::audit_failure::deny_mutations;
    ia::handle strict = ia::handle::open(nowhere);
    CHECK(strict.keys().try_create(spec, ia::caller::system()).code() == ia::errc::audit_unavailable);
}

void a_host_does_not_block() {
    ia::handle auth = ia::handle::open(cheap());
    ia::requirement any_key = auth.parse_requirement("Authenticated");
    ia::created_key key = make_key(auth, "cold");
    std::string bearer = "Bearer " + std::string(key.credential());
    ia::request request(any_key);
    request.authorization(bearer).channel = ia::channel::secure;
    ia::attempt attempt = auth.authenticate_no_wait(request);
    ia::ticket ticket = std::move(std::get<ia::ticket>(attempt));
    std::atomic<bool> ready{false};
    ticket.on_ready([&] { ready = true; }).value();
    CHECK(ticket.wait().value().name() == "cold");
    while (!ready)
        CHECK(ticket.wait(1).ok());
    CHECK(ticket.poll()->name() == "cold");
    CHECK(std::holds_alternative<ia::principal>(auth.authenticate_no_wait(request)));
    ia::created_key other = make_key(auth, "colder");
    bearer = "Bearer " + std::string(other.credential());
    request.authorization(bearer);
    attempt = auth.authenticate_no_wait(request);
    std::get<ia::ticket>(attempt).cancel();
    CHECK(std::get<ia::ticket>(attempt).wait().code() == ia::errc::cancelled);
}

void keys_are_managed() {
    ia::handle auth = ia::handle::open(cheap());
    ia::keys keys = auth.keys();
    ia::caller system = ia::caller::system(now);
    ia::key_spec spec;
    spec.name = "a";
    spec.description = "one";
    spec.require_secure = false;
    spec.enabled = false;
    spec.expires_at = now + 60;
    ia::created_key created = keys.create(spec, system);
    CHECK(!created.record().require_secure() && !created.record().enabled());
    CHECK(created.record().expires_at() == now + 60 && created.record().created_at() == now);
    spec.expires_at = 0;
    CHECK(keys.try_create(spec, system).code() == ia::errc::invalid_argument);

    ia::key_changes changes;
    changes.enabled = true;
    changes.levels = std::vector<std::string_view>{"Plant"};
    changes.expires_at = std::optional<std::int64_t>();
    ia::key key = keys.update("a", 1, changes, system);
    CHECK(key.view().enabled() && key.view().description() == "one" && !key.view().expires_at());
    CHECK(keys.try_update("a", 1, changes, system).code() == ia::errc::conflict);
    key = keys.rename("a", "b", std::nullopt, system);
    CHECK(key.view().name() == "b" && key.view().revision() == 3);
    CHECK(!keys.set_enabled("b", false, 3, system).view().enabled());
    CHECK(keys.duplicate("b", "c", std::nullopt, system).record().name() == "c");
    CHECK(keys.rotate("b", 0, std::nullopt, system).secret() != created.secret());
    spec = {};
    spec.name = "d";
    CHECK(keys.try_import(spec, ia::hash_format::phc, "x", ia::strength::chosen, system).code() ==
          ia::errc::invalid_hash);
    std::vector<ia::key_import> imports(2);
    for (ia::key_import &each : imports) {
        each.hash = "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU";
        each.format = ia::hash_format::ignition;
    }
    imports[0].spec.name = "d";
    imports[1].spec.name = "b";
    CHECK(keys.try_import_all(imports, system).code() == ia::errc::name_taken);
    CHECK(keys.try_get("d").code() == ia::errc::not_found);
    imports[1].spec.name = "e";
    imports[1].spec.levels = {"Ops"};
    CHECK(keys.import_all(imports, system) == 2 && keys.import_all({}, system) == 0);
    CHECK(keys.get("e").view().levels().size() == 1 && keys.get("d").view().levels().empty());
    keys.remove("d", std::nullopt, system);
    keys.remove("e", std::nullopt, system);
    std::string names;
    ia::key_list list = keys.list();
    for (ia::key_view each : list)
        names += each.name();
    CHECK(names == "bc" && list.size() == 2 && keys.export_all().size() == 2);
    ia::key_filter filter;
    filter.after = "b";
    CHECK(keys.list(filter).size() == 1);
    keys.remove("b", std::nullopt, system);
    CHECK(keys.try_get("b").code() == ia::errc::not_found);
    CHECK(keys.try_seal_all(system).code() == ia::errc::invalid_argument);
}

void licenses_are_signed_and_installed() {
    ia::signing_key signer = ia::signing_key::generate();
    CHECK(ia::signing_key::read(signer.pem()).public_key() == signer.public_key());
    std::string file = signer.sign(R"({"id":"lic-1","key":"ABCD-EFGH-IJKL","name":"Plant 3","limits":{"MAX_DISPLAYS":4},
        "entitlements":["VIDEO_WALL_SYNC","OFFLINE_LICENSING"],"fingerprint":"machine-7"})",
                                   ia::file_kind::machine, true, now);
    CHECK(signer.try_sign("{}", ia::file_kind::license, false).code() == ia::errc::invalid_argument);

    ia::inspect_options against;
    against.trusted_keys.push_back(ia::trusted_key{"vendor", signer.public_key()});
    against.license_key = "ABCD-EFGH-IJKL";
    against.machine_id = "machine-7";
    against.now = now;
    ia::inspection good = ia::inspect(file, against);
    CHECK(good.ok() && good.kind() == ia::file_kind::machine && good.license_name() == "Plant 3");
    CHECK(good.limits().size() == 3 && good.entitlements().size() == 2 && good.metadata().front() == '{');
    against.machine_id = "machine-8";
    ia::inspection bad = ia::inspect(file, against);
    CHECK(bad.failures() == std::vector<ia::errc>{ia::errc::license_key_or_machine_mismatch} && !bad.has_license());

    ia::options options = cheap();
    options.trusted_keys = against.trusted_keys;
    options.machine_id = "machine-7";
    ia::handle auth = ia::handle::open(options);
    ia::license license = auth.license();
    ia::caller system = ia::caller::system(now);
    CHECK(license.status(now).state() == ia::license_state::unlicensed);
    CHECK(license.check_entitlement("VIDEO_WALL_SYNC", now).code() == ia::errc::unlicensed);
    ia::license_status status = license.activate_offline("ABCD-EFGH-IJKL", file, false, system);
    CHECK(status.state() == ia::license_state::active && status.reason() == ia::errc::ok);
    CHECK(status.key() == "********IJKL" && status.mode() == ia::license_mode::offline && !status.expires_at());
    CHECK(license.check_entitlement("VIDEO_WALL_SYNC", now) && license.limit("MAX_DISPLAYS", now) == 4);
    CHECK(license.check_limit("MAX_DISPLAYS", 5, now).code() == ia::errc::limit_exceeded);
    CHECK(license.entitlements(now).size() == 10);
    CHECK(license.try_revalidate(system).code() == ia::errc::not_available_offline);
    CHECK(license.deactivate(system).state() == ia::license_state::unlicensed);
    CHECK(auth.machine().fingerprint() == "machine-7" && auth.machine().is_from_option());
    CHECK(ia::machine::identify("other").fingerprint() == "other" && !ia::machine::explain().empty());
}

void stores_are_backed_up() {
    std::remove("raii.db");
    std::remove("raii.backup");
    ia::options options = cheap();
    options.store = "raii.db";
    ia::handle auth = ia::handle::open(options);
    make_key(auth, "stays");
    ia::backup("raii.db", "raii.backup");
    make_key(auth, "new");
    ia::restore_report report = ia::restore("raii.db", "raii.backup");
    CHECK(report.counts().kept == 1 && report.deleted() == std::vector<std::string_view>{"new"});
    CHECK(report.license() == ia::restored_license::none);
    auth.adopt_store();
}

void routes_decide() {
    ia::handle auth = ia::handle::open(cheap());
    ia::created_key created = make_key(auth, "reader");
    CHECK(ia::routes::try_parse("{}").code() == ia::errc::invalid_argument);
    ia::routes routes = ia::routes::parse(R"({"routes": [
        {"prefix": "/data", "methods": ["GET"], "require": {"any": ["Authenticated"]}},
        {"prefix": "/data", "methods": ["PUT"], "require": {"any": ["Ops"]}}]})");
    CHECK(routes.size() == 2);
    std::string value = "Bearer " + std::string(created.credential());
    ia::request request(routes, "GET", "/data/x");
    request.authorization(value).channel = ia::channel::secure;
    ia::principal caller = auth.authenticate(request);
    CHECK(caller.name() == "reader");
    CHECK(auth.try_authenticate(ia::request(routes, "GET", "/data//x")).code() == ia::errc::path_not_canonical);
    CHECK(auth.try_authenticate(ia::request(routes, "POST", "/data")).code() == ia::errc::route_denied);

    ia::explanation denied = auth.would_allow(routes, "reader", "PUT", "/data", ia::channel::secure);
    CHECK(denied.code() == ia::errc::insufficient_level && denied.prefix() == "/data");
    CHECK(denied.methods() == std::vector<std::string_view>{"PUT"});
    CHECK(denied.missing() == std::vector<std::string_view>{"Ops"} && !denied.reason().empty());
    CHECK(auth.would_allow(routes, std::nullopt, "GET", "/data", ia::channel::secure).code() ==
          ia::errc::no_credential);
    CHECK(!auth.explain_route(caller, routes, "POST", "/data").prefix());
    CHECK(auth.try_would_allow(routes, "nobody", "GET", "/", ia::channel::secure).code() == ia::errc::not_found);

    ia::created_key turned = auth.keys().rotate("reader", 60, std::nullopt, ia::caller::system(now));
    CHECK(turned.record().overlap_ends_at() == now + 60 && !created.record().overlap_ends_at());
}

} // namespace

int main() {
    failures_arrive_both_ways();
    requests_are_decided();
    a_host_does_not_block();
    keys_are_managed();
    licenses_are_signed_and_installed();
    stores_are_backed_up();
    routes_decide();
    CHECK(ia::version() == INSPIRE_AUTH_VERSION);
}
