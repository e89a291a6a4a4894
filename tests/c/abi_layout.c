/* The layout of every structure on LP64, as it was released: fields are only added, at the end. The same sizes are
 * asserted in ffi/src, next to each structure.
 *
 * Nothing of it runs.
 *
 * xtask: c11, no-sanitizers, no-valgrind
 */
#include <inspire_auth.h>

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#define FIELD(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)

#if UINTPTR_MAX == UINT64_MAX
SIZE(inspire_result, 4);

SIZE(inspire_str, 16);
FIELD(inspire_str, len, 8);

SIZE(inspire_header, 32);
FIELD(inspire_header, value, 16);

SIZE(inspire_requirement_spec, 24);
FIELD(inspire_requirement_spec, levels, 8);
FIELD(inspire_requirement_spec, level_count, 16);

SIZE(inspire_pepper, 32);
SIZE(inspire_trusted_key, 40);
FIELD(inspire_trusted_key, not_after, 32);

SIZE(inspire_auth_options, 280);
FIELD(inspire_auth_options, struct_size, 0);
FIELD(inspire_auth_options, store, 8);
FIELD(inspire_auth_options, realm, 24);
FIELD(inspire_auth_options, extra_headers, 40);
FIELD(inspire_auth_options, level_mode, 56);
FIELD(inspire_auth_options, enforcement, 60);
FIELD(inspire_auth_options, scheme, 64);
FIELD(inspire_auth_options, flags, 68);
FIELD(inspire_auth_options, hash_memory_kib, 72);
FIELD(inspire_auth_options, hash_iterations, 76);
FIELD(inspire_auth_options, hash_parallelism, 80);
FIELD(inspire_auth_options, chosen_failures_per_minute, 84);
FIELD(inspire_auth_options, max_hash_memory, 88);
FIELD(inspire_auth_options, max_lease, 96);
FIELD(inspire_auth_options, peppers, 104);
FIELD(inspire_auth_options, write_requirement, 120);
FIELD(inspire_auth_options, admin_requirement, 144);
FIELD(inspire_auth_options, trusted_keys, 168);
FIELD(inspire_auth_options, product, 184);
FIELD(inspire_auth_options, machine_id, 200);
FIELD(inspire_auth_options, audit, 216);
FIELD(inspire_auth_options, audit_userdata, 224);
FIELD(inspire_auth_options, audit_file, 232);
FIELD(inspire_auth_options, audit_max_bytes, 248);
FIELD(inspire_auth_options, audit_keep, 256);
FIELD(inspire_auth_options, audit_chain, 260);
FIELD(inspire_auth_options, audit_on_failure, 264);
FIELD(inspire_auth_options, server, 272);

SIZE(inspire_server, 168);
FIELD(inspire_server, struct_size, 0);
FIELD(inspire_server, url, 8);
FIELD(inspire_server, account, 24);
FIELD(inspire_server, account_id, 40);
FIELD(inspire_server, signing_host, 56);
FIELD(inspire_server, allowed_hosts, 72);
FIELD(inspire_server, allowed_host_count, 80);
FIELD(inspire_server, proxy_url, 88);
FIELD(inspire_server, ca_file, 104);
FIELD(inspire_server, connect_timeout_ms, 120);
FIELD(inspire_server, timeout_ms, 128);
FIELD(inspire_server, lease, 136);
FIELD(inspire_server, transport, 144);
FIELD(inspire_server, transport_userdata, 152);
FIELD(inspire_server, proxy, 160);
FIELD(inspire_server, auto_refresh, 164);

SIZE(inspire_http_header, 32);
FIELD(inspire_http_header, value, 16);

SIZE(inspire_http_request, 72);
FIELD(inspire_http_request, url, 16);
FIELD(inspire_http_request, headers, 32);
FIELD(inspire_http_request, header_count, 40);
FIELD(inspire_http_request, body, 48);
FIELD(inspire_http_request, timeout_ms, 64);

SIZE(inspire_request, 120);
FIELD(inspire_request, headers, 8);
FIELD(inspire_request, header_count, 16);
FIELD(inspire_request, value, 24);
FIELD(inspire_request, presented, 40);
FIELD(inspire_request, channel, 44);
FIELD(inspire_request, requirement, 48);
FIELD(inspire_request, entitlement, 56);
FIELD(inspire_request, now, 72);
FIELD(inspire_request, routes, 80);
FIELD(inspire_request, method, 88);
FIELD(inspire_request, path, 104);

SIZE(inspire_principal, 128);
FIELD(inspire_principal, revision, 8);
FIELD(inspire_principal, id, 16);
FIELD(inspire_principal, credential, 32);
FIELD(inspire_principal, channel, 48);
FIELD(inspire_principal, warning, 52);
FIELD(inspire_principal, name_len, 56);
FIELD(inspire_principal, name, 60);

SIZE(inspire_caller, 40);
FIELD(inspire_caller, principal, 8);
FIELD(inspire_caller, now, 16);
FIELD(inspire_caller, actor, 24);
FIELD(inspire_caller, cancel, 32);

SIZE(inspire_key_spec, 72);
FIELD(inspire_key_spec, name, 8);
FIELD(inspire_key_spec, description, 24);
FIELD(inspire_key_spec, levels, 40);
FIELD(inspire_key_spec, expires_at, 56);
FIELD(inspire_key_spec, flags, 64);

SIZE(inspire_import, 32);
FIELD(inspire_import, hash, 8);
FIELD(inspire_import, format, 24);
FIELD(inspire_import, strength, 28);

SIZE(inspire_key_changes, 64);
FIELD(inspire_key_changes, description, 8);
FIELD(inspire_key_changes, levels, 24);
FIELD(inspire_key_changes, expires_at, 40);
FIELD(inspire_key_changes, set, 48);
FIELD(inspire_key_changes, require_secure, 52);
FIELD(inspire_key_changes, enabled, 56);

SIZE(inspire_key_filter, 48);
FIELD(inspire_key_filter, after, 8);
FIELD(inspire_key_filter, level, 24);
FIELD(inspire_key_filter, limit, 40);

SIZE(inspire_inspect_options, 88);
FIELD(inspire_inspect_options, trusted_keys, 8);
FIELD(inspire_inspect_options, license_key, 24);
FIELD(inspire_inspect_options, machine_id, 40);
FIELD(inspire_inspect_options, product, 56);
FIELD(inspire_inspect_options, now, 72);
FIELD(inspire_inspect_options, flags, 80);

SIZE(inspire_tenant, 24);
FIELD(inspire_tenant, limit, 16);

SIZE(inspire_balance, 48);
FIELD(inspire_balance, limit, 8);
FIELD(inspire_balance, used, 16);
FIELD(inspire_balance, left, 24);
FIELD(inspire_balance, resets_at, 32);
FIELD(inspire_balance, month, 40);

SIZE(inspire_limit, 24);
SIZE(inspire_entitlement, 40);
FIELD(inspire_entitlement, feature, 16);
FIELD(inspire_entitlement, granted, 32);
SIZE(inspire_audit_event, 80);
FIELD(inspire_audit_event, event, 8);
FIELD(inspire_audit_event, detail, 56);
FIELD(inspire_audit_event, code, 72);
SIZE(inspire_machine_part, 32);
SIZE(inspire_restore_counts, 56);
#endif

int main(void)
{
    return 0;
}
