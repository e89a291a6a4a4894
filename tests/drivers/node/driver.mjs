// The conformance driver over the Node package: JSON lines in, JSON lines out, in order, until end of input.
//
// It is a thin shell: what it decides itself is only whether the arguments could be read. Every answer names all the
// fields of its operation; those that there is nothing to say for are null.

import { createInterface } from 'node:readline'

import { InspireAuthError } from '../../../bindings/node/index.mjs'
import { Arguments, Unreadable, text } from './arguments.mjs'
import { OPERATIONS, Refusal, State } from './operations.mjs'

/** The answer to one line, whatever the line is. */
function answer(state, line) {
  const unreadable = (id) => ({ id, result: 'INVALID_ARGUMENT' })
  let request
  let args
  try {
    request = JSON.parse(line)
    args = new Arguments(request)
  } catch {
    return unreadable(null)
  }
  const id = args.optional('id', (value) => value) ?? null
  let op
  try {
    op = args.required('op', text)
  } catch {
    return unreadable(id)
  }
  if (!OPERATIONS.has(op)) return { id, result: 'UNKNOWN_OP' }
  const [names, operation] = OPERATIONS.get(op)
  const absent = Object.fromEntries(names.map((name) => [name, null]))
  try {
    return { id, result: 'OK', ...absent, ...operation(state, args) }
  } catch (error) {
    if (error instanceof Unreadable) return { ...unreadable(id), ...absent }
    if (error instanceof Refusal) return { id, result: error.code, ...absent, ...error.fields }
    if (error instanceof InspireAuthError) return { id, result: error.code, ...absent }
    throw error
  }
}

const state = new State()
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(answer(state, line))}\n`)
}
