// Whether hashing disturbs the event loop: eight cold keys at once, with the default Argon2 parameters, while a timer is
// to fire each millisecond. How late it was at worst is the time from when it should have fired to when it did.
//
//   node bench/loop_lateness.mjs [rounds]
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { open, SYSTEM } from 'inspire-auth';

const ROUNDS = Number(process.argv[2] ?? 20);
const KEYS = 8;

async function lateness(work) {
  let worst = 0;
  let expected = performance.now() + 1;
  const timer = setInterval(() => {
    const now = performance.now();
    worst = Math.max(worst, now - expected);
    expected = now + 1;
  }, 1);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begun = performance.now();
  await work();
  const took = performance.now() - begun;
  clearInterval(timer);
  delay.disable();
  return { worst, took, p99: delay.percentile(99) / 1e6 };
}

const auth = open(':memory:');
const rows = [];
const idle = await lateness(() => new Promise((resolve) => setTimeout(resolve, 300)));
for (let round = 0; round < ROUNDS; round++) {
  const made = await Promise.all(
    Array.from({ length: KEYS }, (_, n) =>
      auth.keys.create({ name: `cold-${round}-${n}`, requireSecure: false }, { actor: SYSTEM })),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  rows.push(await lateness(() => Promise.all(made.map(({ credential }) => auth.authenticate(`Bearer ${credential}`)))));
}
const worst = rows.map((row) => row.worst).toSorted((a, b) => a - b);
const took = rows.map((row) => row.took).toSorted((a, b) => a - b);
console.log(`idle: worst ${idle.worst.toFixed(2)} ms late`);
console.log(
  `${KEYS} cold keys at once, ${ROUNDS} rounds of ${took[ROUNDS >> 1].toFixed(0)} ms: ` +
    `worst ${worst.at(-1).toFixed(2)} ms late, median of the rounds' worst ${worst[ROUNDS >> 1].toFixed(2)} ms`,
);
auth.close();
