"""How late the timers of an asyncio event loop are while eight keys are checked for the first time at once.

    PYTHONPATH=python python bench/loop_lateness.py [--blocking]

A timer is due every millisecond; each is measured against the moment it asked for. `--blocking` decides with
`authenticate` on the loop's own thread instead, to show what the measurement sees. The keys are hashed with the default
Argon2 parameters (19 MiB, 2 passes), on the library's own threads.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time

from inspire_auth import SYSTEM, CreatedKey, InspireAuth


class Ticker:
    """Asks for a timer every millisecond, and notes how late each comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, every: float = 0.001) -> None:
        self.loop, self.every, self.late = loop, every, [0.0]
        self._ask()

    def _ask(self) -> None:
        due = self.loop.time() + self.every
        self._timer = self.loop.call_at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        self.late.append(self.loop.time() - due)
        self._ask()

    def stop(self) -> list[float]:
        self._timer.cancel()
        return sorted(self.late)


async def measure(auth: InspireAuth, keys: list[CreatedKey], blocking: bool) -> tuple[list[float], float]:
    ticker = Ticker(asyncio.get_running_loop())
    await asyncio.sleep(0.05)
    ticker.late.clear()
    began = time.perf_counter()
    if blocking:
        for key in keys:
            auth.authenticate(f"Bearer {key.credential}", "secure")
            await asyncio.sleep(0)
    else:
        await asyncio.gather(*(auth.authenticate_async(f"Bearer {key.credential}", "secure") for key in keys))
    took = time.perf_counter() - began
    await asyncio.sleep(0.002)
    return ticker.stop(), took


async def rest(seconds: float) -> list[float]:
    """The same timers with nothing to do: what the machine itself makes of them."""
    ticker = Ticker(asyncio.get_running_loop())
    await asyncio.sleep(seconds)
    return ticker.stop()


def line(name: str, late: list[float]) -> str:
    median, most, worst = (late[int((len(late) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1))
    return f"{name:28} {len(late):6} timers   median {median:6.2f} ms   99 % {most:6.2f} ms   worst {worst:6.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocking", action="store_true", help="decide on the loop's thread, for comparison")
    parser.add_argument("--keys", type=int, default=8, help="keys at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds, each with new keys (default: %(default)s)")
    parser.add_argument("--hash-memory", type=int, default=64, help="MiB for all hashing (default: %(default)s)")
    args = parser.parse_args()

    print(f"{os.cpu_count()} cores, {args.keys} cold keys at once, {args.rounds} rounds")
    everything: list[float] = []
    with InspireAuth.open(max_hash_memory=args.hash_memory << 20) as auth:
        for round in range(args.rounds):
            keys = [auth.keys.create(f"r{round}k{n}", actor=SYSTEM) for n in range(args.keys)]
            late, took = asyncio.run(measure(auth, keys, args.blocking))
            print(line(f"round {round}: {took * 1e3:.0f} ms in all", late))
            everything += late
    print(line("all rounds", sorted(everything)))
    print(line("the machine at rest", asyncio.run(rest(1.0))))


if __name__ == "__main__":
    main()
