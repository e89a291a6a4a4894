// The operations: each is a thin shell over the package's public API.
//
// What an operation returns are the fields of its answer; a refusal is the package's own error.

import {
  ABI_VERSION, ERRORS, InspireAuth, InspireAuthError, Routes, SYSTEM, TrustedProxies, VERSION, inspect, inspectLicenseKey,
  open,
} from '../../../bindings/node/index.mjs'
import { Arguments, Unreadable, flag, integer, latin1, list, octets, oneOf, text, texts } from './arguments.mjs'

const channelName = oneOf('plain', 'secure', 'local')

/** A refusal whose answer has more to say than its code. */
export class Refusal extends Error {
  constructor(code, fields) {
    super(code)
    this.code = code
    this.fields = fields
  }
}

/** Handles, principals and tables, numbered from one counter so that none is taken for another. */
export class State {
  #last = 0
  #open = new Map()
  #principals = new Map()
  #routes = new Map()

  keep(thing) {
    const kept = thing instanceof InspireAuth ? this.#open : thing instanceof Routes ? this.#routes : this.#principals
    kept.set(++this.#last, thing)
    return this.#last
  }

  auth(args) {
    return known(this.#open, args.required('handle', integer))
  }

  close(args) {
    const number = args.required('handle', integer)
    args.end()
    known(this.#open, number).close()
    this.#open.delete(number)
    return {}
  }

  /** The table that `routes` names; undefined when absent. */
  routes(args) {
    const number = args.optional('routes', integer)
    return number === undefined ? undefined : known(this.#routes, number)
  }

  /** `actor` and `now`. An absent actor is the host itself, said explicitly. */
  caller(args) {
    const number = args.optional('actor', integer)
    const actor = number === undefined ? SYSTEM : known(this.#principals, number)
    return { actor, now: args.optional('now', integer) }
  }
}

function known(things, number) {
  if (!things.has(number)) throw new Unreadable()
  return things.get(number)
}

function version(_, args) {
  args.end()
  return { version: VERSION, abi: ABI_VERSION }
}

function errors(_, args) {
  args.end()
  const table = Object.values(ERRORS).map((entry) => ({
    code: entry.code,
    number: entry.number,
    http: entry.httpStatus,
    vector: entry.hasVector,
  }))
  return { errors: table }
}

function openStore(state, args) {
  const store = args.required('store', text)
  const options = {
    trustedKeys: trustedKeys(args),
    product: args.optional('product', text),
    machineId: args.optional('machine_id', text),
    writeRequirement: args.requirement('write_requirement'),
    adminRequirement: args.requirement('admin_requirement'),
    hash: args.optional('hash', hashParameters),
    maxHashMemory: args.optional('max_hash_memory', integer),
    mode: args.optional('mode', oneOf('default', 'ignition')),
    localIsSecure: args.optional('local_is_secure', flag),
    allowUnbound: args.optional('allow_unbound', flag),
    maxLease: args.optional('max_lease', integer),
    auditFile: args.optional('audit_file', auditFile),
    server: args.optional('server', server),
  }
  args.end()
  return { handle: state.keep(open(store, options)) }
}

function hashParameters(value) {
  const members = new Arguments(value)
  const [memoryKib, iterations, parallelism] = ['m', 't', 'p'].map((name) => members.required(name, integer))
  members.end()
  return { memoryKib, iterations, parallelism }
}

function auditFile(value) {
  const members = new Arguments(value)
  const file = {
    path: members.required('path', text),
    maxBytes: members.optional('max_bytes', integer),
    keep: members.optional('keep', integer),
    chain: members.optional('chain', flag),
    onFailure: members.optional('on_failure', oneOf('warn', 'deny_mutations')),
  }
  members.end()
  return file
}

function server(value) {
  const members = new Arguments(value)
  const found = {
    url: members.required('url', text),
    account: members.optional('account', text),
    accountId: members.optional('account_id', text),
    signingHost: members.optional('signing_host', text),
    allowedHosts: members.optional('allowed_hosts', texts),
    proxy: members.optional('proxy', text),
    caFile: members.optional('ca_file', text),
    connectTimeoutMs: members.optional('connect_timeout_ms', integer),
    timeoutMs: members.optional('timeout_ms', integer),
    lease: members.optional('lease', integer),
    autoRefresh: members.optional('auto_refresh', flag),
  }
  members.end()
  return found
}

function trustedKeys(args) {
  return args.required('trusted_keys', list).map((value) => {
    const members = new Arguments(value)
    const key = { id: members.required('id', text), publicKey: members.required('public_key', text) }
    members.end()
    return key
  })
}

function create(state, args) {
  const auth = state.auth(args)
  const key = newKey(args)
  const by = state.caller(args)
  args.end()
  return created(auth.keys.createSync(key, by))
}

function get(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  args.optional('now', integer)
  args.end()
  return { record: record(auth.keys.get(name)) }
}

function listKeys(state, args) {
  const auth = state.auth(args)
  args.optional('now', integer)
  args.end()
  return { records: auth.keys.list().map(record) }
}

function update(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  const revision = args.required('revision', integer)
  const changes = {
    description: args.optional('description', text),
    levels: args.optional('levels', texts),
    requireSecure: args.optional('require_secure', flag),
    enabled: args.optional('enabled', flag),
  }
  // Here alone null says something: it clears.
  if (args.has('expires_at')) changes.expiresAt = args.optional('expires_at', integer) ?? null
  const by = state.caller(args)
  args.end()
  return { record: record(auth.keys.updateSync(name, revision, changes, by)) }
}

function rename(state, args) {
  const [auth, name, newName, by] = [state.auth(args), ...twoNames(args), revised(state, args)]
  return { record: record(auth.keys.renameSync(name, newName, by)) }
}

function duplicate(state, args) {
  const [auth, name, newName, by] = [state.auth(args), ...twoNames(args), revised(state, args)]
  return created(auth.keys.duplicateSync(name, newName, by))
}

function rotate(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  const overlap = args.required('overlap_seconds', integer)
  return created(auth.keys.rotateSync(name, { overlap, ...revised(state, args) }))
}

function remove(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  auth.keys.deleteSync(name, revised(state, args))
  return {}
}

function importKey(state, args) {
  const auth = state.auth(args)
  const key = importedKey(args)
  const by = state.caller(args)
  args.end()
  return { record: record(auth.keys.importSync(key, by)) }
}

function importAll(state, args) {
  const auth = state.auth(args)
  const keys = args.required('imports', list).map((value) => {
    const members = new Arguments(value)
    const key = importedKey(members)
    members.end()
    return key
  })
  const by = state.caller(args)
  args.end()
  return { count: auth.keys.importAllSync(keys, by) }
}

const importedKey = (args) => ({
  format: args.required('format', oneOf('phc', 'ignition')),
  hash: args.required('hash', text),
  strength: args.optional('strength', oneOf('random', 'chosen')) ?? 'chosen',
  ...newKey(args),
})

const twoNames = (args) => [args.required('name', text), args.required('new_name', text)]

function revised(state, args) {
  const by = { revision: args.optional('revision', integer), ...state.caller(args) }
  args.end()
  return by
}

function newKey(args) {
  return {
    name: args.required('name', text),
    description: args.optional('description', text),
    levels: args.required('levels', texts),
    requireSecure: args.optional('require_secure', flag),
    expiresAt: args.optional('expires_at', integer),
  }
}

const created = (made) => ({ record: record(made.record), key: made.key })

/** The record under the names of the protocol. */
const record = (key) => ({
  id: key.id,
  type: key.type,
  name: key.name,
  description: key.description,
  levels: key.levels,
  require_secure: key.requireSecure,
  enabled: key.enabled,
  created_at: key.createdAt,
  updated_at: key.updatedAt,
  expires_at: key.expiresAt,
  last_used_at: key.lastUsedAt,
  revision: key.revision,
  origin: key.origin,
  overlap_ends_at: key.overlapEndsAt,
})

function authenticate(state, args) {
  const auth = state.auth(args)
  const lines = headers(args)
  const options = {
    channel: args.required('channel', channelName),
    require: args.requirement('require'),
    entitlement: args.optional('entitlement', text),
    routes: state.routes(args),
    method: args.optional('method', text),
    path: args.optional('path', latin1),
    now: args.optional('now', integer),
  }
  args.end()
  let principal
  try {
    principal = auth.authenticateSync(lines, given(options))
  } catch (error) {
    if (!(error instanceof InspireAuthError)) throw error
    const answer = auth.http(error)
    // A code that answers no request has no status.
    const http = error.httpStatus === null ? null : answer.status
    throw new Refusal(error.code, { http, challenge: answer.challenge })
  }
  const levels = auth.principalLevels(principal)
  const handle = principal.isAnonymous ? null : state.keep(principal)
  return { http: 200, principal: { name: principal.name, levels, handle } }
}

/** What was given: the package takes a member that is undefined for a mistake. */
const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

function channel(_, args) {
  const proxies = new TrustedProxies(args.required('proxies', text))
  const peer = args.required('peer', text)
  const direct = args.required('direct', channelName)
  const lines = headers(args)
  args.end()
  return { channel: proxies.channel(peer, direct, lines.flat()) }
}

function parseRoutes(state, args) {
  const table = args.required('json', text)
  args.end()
  const routes = Routes.parse(table)
  return { routes: state.keep(routes), count: routes.rules.length }
}

function wouldAllow(state, args) {
  const auth = state.auth(args)
  const routes = state.routes(args)
  const key = args.optional('key', text) ?? null
  const method = args.required('method', text)
  const path = args.required('path', latin1)
  const options = { channel: args.optional('channel', channelName), now: args.optional('now', integer) }
  args.end()
  if (routes === undefined) throw new Unreadable()
  const { code, rule, missing } = auth.wouldAllow(routes, key, method, path, given(options))
  return { code, rule: rule && { prefix: rule.prefix, methods: rule.methods }, missing }
}

function audit(state, args) {
  const auth = state.auth(args)
  const limit = args.required('limit', integer)
  args.end()
  return { events: auth.audit(limit) }
}

function metrics(state, args) {
  const auth = state.auth(args)
  args.end()
  const said = auth.metricsText()
  const counts = said.matchAll(/^inspire_apikey_verifications_total\{result="([A-Z_]+)"\} (\d+)$/gm)
  const families = [...said.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name)
  return {
    families: [...new Set(families)].sort(),
    verifications: Object.fromEntries([...counts].map(([, result, count]) => [result, Number(count)])),
  }
}

function headers(args) {
  return args.required('headers', list).map((value) => {
    if (list(value).length !== 2) throw new Unreadable()
    return value.map(latin1)
  })
}

function inspectFile(_, args) {
  const file = args.required('lic', octets)
  const options = {
    trustedKeys: trustedKeys(args),
    licenseKey: args.optional('license_key', text),
    machineId: args.optional('machine_id', text),
    product: args.optional('product', text),
    now: args.optional('now', integer),
    offline: args.optional('offline', flag),
  }
  args.end()
  const found = inspect(file, options)
  const { license } = found
  const fields = {
    failures: found.failures,
    kind: found.kind,
    license: license && {
      id: license.id,
      key: license.key,
      name: license.name,
      status: license.status,
      expires_at: license.expiresAt,
      limits: license.limits,
      entitlements: license.entitlements,
      metadata: license.metadata,
    },
    issued_at: found.issuedAt,
    file_expires_at: found.fileExpiresAt,
    machine_fingerprint: found.machineFingerprint,
  }
  if (found.failures.length > 0) throw new Refusal(found.failures[0], fields)
  return fields
}

function activateOffline(state, args) {
  const auth = state.auth(args)
  const licenseKey = args.required('license_key', text)
  const file = args.required('lic', octets)
  const by = { force: args.optional('force', flag), ...state.caller(args) }
  args.end()
  return status(auth.license.activateOfflineSync(licenseKey, file, by))
}

function licenseStatus(state, args) {
  const auth = state.auth(args)
  const now = args.optional('now', integer)
  args.end()
  return status(auth.license.status(now))
}

function has(state, args) {
  const auth = state.auth(args)
  const code = args.required('entitlement', text)
  const now = args.optional('now', integer)
  args.end()
  return { value: auth.license.hasEntitlement(code, now) }
}

function limit(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  const now = args.optional('now', integer)
  args.end()
  return { value: auth.license.limit(name, now) }
}

function revalidate(state, args) {
  const auth = state.auth(args)
  const by = state.caller(args)
  args.end()
  return status(auth.license.revalidateSync(by))
}

function deactivate(state, args) {
  const auth = state.auth(args)
  const by = state.caller(args)
  args.end()
  return status(auth.license.deactivateSync(by).status)
}

function activate(state, args) {
  const auth = state.auth(args)
  const licenseKey = args.required('license_key', text)
  const by = state.caller(args)
  args.end()
  return status(auth.license.activateOnlineSync(licenseKey, by))
}

function refresh(state, args) {
  const auth = state.auth(args)
  const file = args.required('lic', octets)
  const by = state.caller(args)
  args.end()
  return status(auth.license.refreshSync(file, by))
}

function request(state, args) {
  const auth = state.auth(args)
  const by = { licenseKey: args.optional('license_key', text), ...state.caller(args) }
  args.end()
  return { value: auth.license.requestSync(by) }
}

function revealKey(state, args) {
  const auth = state.auth(args)
  const by = state.caller(args)
  args.end()
  return { value: auth.license.revealKeySync(by) }
}

function deactivateWith(state, args) {
  const auth = state.auth(args)
  const by = { localOnly: args.optional('local_only', flag), ...state.caller(args) }
  args.end()
  const done = auth.license.deactivateSync(by)
  return { ...status(done.status), release: done.release, problem: done.problem, receipt: done.receipt }
}

function releasePending(state, args) {
  const auth = state.auth(args)
  const by = state.caller(args)
  args.end()
  return { value: auth.license.releasePendingSync(by) }
}

function tick(state, args) {
  const auth = state.auth(args)
  const now = args.optional('now', integer)
  args.end()
  const { next, problem } = auth.license.tickSync({ now })
  return { next, problem }
}

function lastAttempt(state, args) {
  const auth = state.auth(args)
  const now = args.optional('now', integer)
  args.end()
  return { attempt: auth.license.status(now).lastAttempt }
}

function consume(state, args) {
  const auth = state.auth(args)
  const amount = args.required('amount', integer)
  const operation = args.required('operation', text)
  const options = credits(args)
  args.end()
  return balance(auth.license.consumeSync(amount, operation, options))
}

function refund(state, args) {
  const auth = state.auth(args)
  const operation = args.required('operation', text)
  const options = credits(args)
  args.end()
  return balance(auth.license.refundSync(operation, options))
}

function balanceNow(state, args) {
  const auth = state.auth(args)
  const options = credits(args)
  args.end()
  return balance(auth.license.balanceSync(options))
}

const credits = (args) => ({ tenant: args.optional('tenant', tenant), now: args.optional('now', integer) })

function tenant(value) {
  const members = new Arguments(value)
  const found = { name: members.required('name', text), limit: members.optional('limit', integer) }
  members.end()
  return found
}

const balance = ({ limit, used, left, period, resetsAt }) => ({ balance: { limit, used, left, period, resets_at: resetsAt } })

function tenantLimit(state, args) {
  const auth = state.auth(args)
  const name = args.required('name', text)
  const whose = args.required('tenant', tenant)
  const inUse = args.required('in_use', integer)
  const inUseByAll = args.required('in_use_by_all', integer)
  const now = args.optional('now', integer)
  args.end()
  auth.license.checkTenantLimit(name, whose, inUse, inUseByAll, now)
  return {}
}

function inspectKey(_, args) {
  const licenseKey = args.required('license_key', text)
  const options = { trustedKeys: trustedKeys(args), now: args.optional('now', integer) }
  args.end()
  const found = inspectLicenseKey(licenseKey, options)
  return {
    key_id: found.keyId,
    dataset: Buffer.from(found.dataset).toString('base64'),
    license: found.license,
    product: found.product,
    created_at: found.createdAt,
    expires_at: found.expiresAt,
  }
}

const status = (found) => ({
  status: {
    state: found.state,
    name: found.name,
    key: found.key,
    mode: found.mode,
    expires_at: found.expiresAt,
    lease_expires_at: found.leaseExpiresAt,
    last_validated_at: found.lastValidatedAt,
    limits: found.limits,
    entitlements: found.entitlements,
    warnings: found.warnings.map(({ code }) => code),
  },
})

/** Name: the fields of its answer, and what it does. */
export const OPERATIONS = new Map([
  ['version', [['version', 'abi'], version]],
  ['errors', [['errors'], errors]],
  ['open', [['handle'], openStore]],
  ['close', [[], (state, args) => state.close(args)]],
  ['keys.create', [['record', 'key'], create]],
  ['keys.get', [['record'], get]],
  ['keys.list', [['records'], listKeys]],
  ['keys.update', [['record'], update]],
  ['keys.rename', [['record'], rename]],
  ['keys.duplicate', [['record', 'key'], duplicate]],
  ['keys.rotate', [['record', 'key'], rotate]],
  ['keys.delete', [[], remove]],
  ['keys.import', [['record'], importKey]],
  ['keys.import_all', [['count'], importAll]],
  ['authenticate', [['http', 'challenge', 'principal'], authenticate]],
  ['channel', [['channel'], channel]],
  ['routes.parse', [['routes', 'count'], parseRoutes]],
  ['routes.would_allow', [['code', 'rule', 'missing'], wouldAllow]],
  ['audit', [['events'], audit]],
  ['metrics', [['families', 'verifications'], metrics]],
  [
    'license.inspect',
    [['failures', 'kind', 'license', 'issued_at', 'file_expires_at', 'machine_fingerprint'], inspectFile],
  ],
  ['license.activate_offline', [['status'], activateOffline]],
  ['license.status', [['status'], licenseStatus]],
  ['license.has', [['value'], has]],
  ['license.limit', [['value'], limit]],
  ['license.revalidate', [['status'], revalidate]],
  ['license.deactivate', [['status'], deactivate]],
  ['license.activate', [['status'], activate]],
  ['license.refresh', [['status'], refresh]],
  ['license.request', [['value'], request]],
  ['license.reveal_key', [['value'], revealKey]],
  ['license.deactivate_with', [['status', 'release', 'problem', 'receipt'], deactivateWith]],
  ['license.release_pending', [['value'], releasePending]],
  ['license.tick', [['next', 'problem'], tick]],
  ['license.last_attempt', [['attempt'], lastAttempt]],
  ['license.consume', [['balance'], consume]],
  ['license.refund', [['balance'], refund]],
  ['license.balance', [['balance'], balanceNow]],
  ['license.tenant_limit', [[], tenantLimit]],
  ['license.inspect_key', [['key_id', 'dataset', 'license', 'product', 'created_at', 'expires_at'], inspectKey]],
])
