// Reading arguments, strictly: a member that is not asked for is as wrong as one that can't be read.

/** The arguments can't be read: INVALID_ARGUMENT. */
export class Unreadable extends Error {}

const refuse = () => {
  throw new Unreadable()
}

/** The members of an object, each taken once. An optional one that is null is absent. */
export class Arguments {
  #members

  constructor(members) {
    if (typeof members !== 'object' || members === null || Array.isArray(members)) refuse()
    this.#members = new Map(Object.entries(members))
  }

  /** Refuses what has not been taken. */
  end() {
    if (this.#members.size > 0) refuse()
  }

  has(name) {
    return this.#members.has(name)
  }

  /** The value, or undefined when it is absent or null. */
  optional(name, read) {
    const value = this.#members.get(name) ?? undefined
    this.#members.delete(name)
    return value === undefined ? undefined : read(value)
  }

  required(name, read) {
    return this.optional(name, read) ?? refuse()
  }

  /** `{"any": [...]}` or `{"all": [...]}`. */
  requirement(name) {
    const value = this.optional(name, (members) => new Arguments(members))
    if (value === undefined) return undefined
    const any = value.optional('any', texts)
    const all = value.optional('all', texts)
    value.end()
    if ((any === undefined) === (all === undefined)) refuse()
    return any === undefined ? { all } : { any }
  }
}

/** A string, or the bytes of `{"b64": "..."}`, as a Buffer. */
export function octets(value) {
  // A lone surrogate is no text; writing it as UTF-8 would make another text of it.
  if (typeof value === 'string') return value.isWellFormed() ? Buffer.from(value, 'utf8') : refuse()
  const members = new Arguments(value)
  const encoded = members.required('b64', only('string'))
  members.end()
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.toString('base64') === encoded ? bytes : refuse()
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function text(value) {
  try {
    return utf8.decode(octets(value))
  } catch {
    return refuse()
  }
}

/** What the package takes for a header's bytes: a string of latin-1, as Node's own headers are. */
export const latin1 = (value) => octets(value).toString('latin1')

export const flag = only('boolean')
export const integer = (value) => (Number.isSafeInteger(value) ? value : refuse())
export const list = (value) => (Array.isArray(value) ? value : refuse())
export const texts = (value) => list(value).map(text)

export const oneOf = (...choices) => (value) => {
  const chosen = text(value)
  return choices.includes(chosen) ? chosen : refuse()
}

export function only(type) {
  return (value) => (typeof value === type ? value : refuse())
}
