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

SILENCE = """
import socket
from inspire_auth import Server
listener = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{listener.getsockname()[1]}"
def arrived(): listener.accept()[0].detach()
# Whoever waited for an answer would wait for an hour.
online = InspireAuth.open(machine_id="m1", server=Server(url, proxy="", timeout=3600))
def ask(): online.license.activate_online("KEY", actor=SYSTEM)
"""
"""A licensing server that never answers."""

ONLINE_ENDINGS = {
    "daemon threads that wait for a licensing server": SILENCE + """
for _ in range(3):
    threading.Thread(target=ask, daemon=True).start()
    arrived()
listener.detach()
""",
    "a task that waits for a licensing server": SILENCE + """
async def main():
    task = asyncio.ensure_future(online.license.activate_online_async("KEY", actor=SYSTEM))
    await asyncio.to_thread(arrived)
asyncio.run(main())
listener.detach()
""",
    "a loop that is left while its task waits for a licensing server": SILENCE + """
async def main():
    task = asyncio.ensure_future(online.license.tick_async())
    await task
    task = asyncio.ensure_future(online.license.activate_online_async("KEY", actor=SYSTEM))
    task._log_destroy_pending = False
    await asyncio.to_thread(arrived)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_default_executor())
listener.detach()
""",
    "sys.exit in a child that was forked while a call waits for a licensing server": SILENCE + """
threading.Thread(target=ask, daemon=True).start()
arrived()
child = os.fork()
if child == 0:
    online.keys.create("k", actor=SYSTEM)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
listener.detach()
""",
}


def ends_silently(ending: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROLOGUE + ending], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_interpreter_ends_as_if_nothing_were_going_on(ending: str) -> None:
    for _ in range(10):
        ends_silently(ending)


@pytest.mark.parametrize("ending", ONLINE_ENDINGS.values(), ids=ONLINE_ENDINGS.keys())
def test_the_interpreter_ends_although_a_licensing_server_does_not_answer(ending: str) -> None:
    for _ in range(3):
        ends_silently(ending)


def test_the_interpreter_ends_although_a_transport_never_answers() -> None:
    ends_silently("""
from inspire_auth import Server
began = threading.Event()
def transport(request):
    began.set()
    time.sleep(3600)
online = InspireAuth.open(machine_id="m1", server=Server("https://a.example", transport=transport))
threading.Thread(target=online.license.activate_online, args=("KEY",), kwargs=dict(actor=SYSTEM), daemon=True).start()
began.wait()
""")
