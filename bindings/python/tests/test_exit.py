"""The end of the interpreter, while the library's threads are at work: silent, and with exit code 0."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROLOGUE = """
import asyncio, atexit, os, sys, threading, time
from inspire_auth import SYSTEM, HashParameters, InspireAuth
auth = InspireAuth.open(hash=HashParameters(memory_kib=4096, iterations=4), audit=lambda event: None)
keys = [auth.keys.create(f"k{n}", require_secure=False, actor=SYSTEM) for n in range(4)]
def value(key): return "Bearer " + key.credential
"""

ENDINGS = {
    "a task that is left": """
async def main():
    for key in keys:
        asyncio.ensure_future(auth.authenticate_async(value(key)))
    await asyncio.sleep(0)
asyncio.run(main())
""",
    "a loop that is left": """
async def main():
    for key in keys:
        task = asyncio.ensure_future(auth.authenticate_async(value(key)))
        task._log_destroy_pending = False
    await asyncio.sleep(0)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
""",
    "a hash that takes longer than the program": """
loop = asyncio.new_event_loop()
for key in keys:
    auth._attempt(value(key), "plain", None, None, None).call_when_ready(loop, print, "never")
""",
    "daemon threads in a slow check": """
for key in keys:
    threading.Thread(target=auth.authenticate, args=(value(key),), daemon=True).start()
""",
    "daemon threads in checks of every kind": """
def work(key):
    while True:
        auth.authenticate(value(key))
        try:
            auth.authenticate("Bearer nobody:x")
        except Exception:
            pass
        auth.keys.list()
for key in keys:
    threading.Thread(target=work, args=(key,), daemon=True).start()
time.sleep(0.02)
""",
    "a slow check in atexit": """
atexit.register(lambda: auth.authenticate(value(keys[0])))
""",
    "a handle that is closed in atexit": """
atexit.register(auth.close)
threading.Thread(target=auth.authenticate, args=(value(keys[0]),), daemon=True).start()
""",
    "sys.exit in a forked child": """
child = os.fork()
if child == 0:
    auth.authenticate(value(keys[0]))
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
    "a child of a parent that is busy": """
for key in keys:
    threading.Thread(target=auth.authenticate, args=(value(key),), daemon=True).start()
child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_interpreter_ends_as_if_nothing_were_going_on(ending: str) -> None:
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROLOGUE + ending], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
