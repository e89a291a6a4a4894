"""A small FastAPI service whose routes are guarded by API keys, security levels and the license.

Everything that a host of inspire_auth needs is here, in the order in which one would write it: what each route
requires, the routes, and a start and an end. HTTP is FastAPI's and uvicorn's.
"""

import argparse
import logging
import signal
import socket
import sys
from typing import Annotated, Literal

import uvicorn
from fastapi import FastAPI, Request, Security
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from inspire_auth import InspireAuth, InspireAuthError, Principal, TrustedKey
from inspire_auth.fastapi import ApiKey, Refused, refused

READ = "Authenticated/Gateway/Read"
WRITE = "Authenticated/Gateway/Write"


def service(auth: InspireAuth, plain_port: int | None, front: Literal["secure", "plain", "local"]) -> FastAPI:
    """The application. A request's channel is that of the port it came through: whether it was encrypted on its way is
    for the host to say, which ended the TLS or knows the proxy that did."""

    def channel(connection: HTTPConnection) -> Literal["secure", "plain", "local"]:
        return "plain" if connection.scope["server"][1] == plain_port else front

    # What routes require. Compiled once: a check is then a few bit operations.
    reader = ApiKey(auth, any_of=[READ], channel=channel)
    writer = ApiKey(auth, any_of=[WRITE], channel=channel)
    either = ApiKey(auth, any_of=[READ, WRITE], channel=channel)
    both = ApiKey(auth, all_of=[READ, WRITE], channel=channel)
    walls = ApiKey(auth, any_of=[WRITE], entitlement="VIDEO_WALL_SYNC", channel=channel)
    everyone = ApiKey(auth, require="Public", channel=channel)  # without a key; but a wrong key is refused

    app = FastAPI(title="Example gateway", version="1.0.0", openapi_url=None)
    # The refused learn the code and its general message. The details (which level is missing) are for the log.
    app.add_exception_handler(Refused, refused)

    @app.get("/data/api/v1/resources")
    async def resources(caller: Annotated[Principal, Security(reader)]) -> dict[str, list[str]]:
        return {"resources": ["tags", "views"]}

    @app.post("/data/api/v1/sync")
    async def sync(caller: Annotated[Principal, Security(writer)]) -> dict[str, str]:
        return {"sync": "started"}

    @app.get("/data/api/v1/modes")
    async def modes(caller: Annotated[Principal, Security(either)]) -> dict[str, str]:
        return {"mode": "running"}

    @app.put("/data/api/v1/modes")
    async def change_mode(caller: Annotated[Principal, Security(both)]) -> dict[str, str]:
        return {"mode": "changed"}

    @app.post("/video-walls")
    async def video_walls(caller: Annotated[Principal, Security(walls)]) -> dict[str, str]:
        return {"videoWall": "created"}

    @app.get("/openapi", include_in_schema=False)
    async def openapi(caller: Annotated[Principal, Security(everyone)]) -> JSONResponse:
        return JSONResponse(app.openapi())

    async def no_such_route(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "NO_SUCH_ROUTE"}, 404)

    app.add_exception_handler(404, no_such_route)
    app.add_exception_handler(405, no_such_route)
    return app


def listen(port: int, note: str) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does this for sockets of its own only
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]}{note}", flush=True)
    return listener


def trusted_key(text: str) -> TrustedKey:
    id, _, public_key = text.partition("=")
    return TrustedKey(id, public_key)


def main() -> None:
    parser = argparse.ArgumentParser(description="An example gateway on the loopback interface.")
    parser.add_argument("--store", required=True, metavar="PATH", help="the store of keys and of the license")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: any that is free")
    parser.add_argument("--channel", choices=["secure", "plain", "local"], default="secure", help="of the first port")
    parser.add_argument("--plain-port", type=int, metavar="N", help="a second port, whose requests are plain ones")
    parser.add_argument("--trusted-key", type=trusted_key, metavar="ID=HEX", help="the vendor's public key")
    parser.add_argument("--machine-id", metavar="TEXT", help="where the machine has none of its own")
    parser.add_argument("--product", metavar="ID", help="what the license must be for")
    given = parser.parse_args()

    logging.basicConfig(format="%(message)s")
    logging.getLogger("inspire_auth").setLevel(logging.INFO)  # who was refused, and why
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: sys.exit(0))  # uvicorn closes the doors first
    trusted = [given.trusted_key] if given.trusted_key else []
    try:
        auth = InspireAuth.open(given.store, trusted_keys=trusted, machine_id=given.machine_id, product=given.product)
    except InspireAuthError as error:
        sys.exit(f"app: {error}")
    with auth, listen(given.port, "") as front:
        doors = [front] if given.plain_port is None else [front, listen(given.plain_port, " (plain)")]
        plain_port = doors[1].getsockname()[1] if len(doors) > 1 else None
        app = service(auth, plain_port, given.channel)
        # What a proxy says is for inspire_auth.TrustedProxies to judge, so uvicorn is to leave addresses as they are.
        uvicorn.Server(uvicorn.Config(app, log_level="warning", proxy_headers=False)).run(sockets=doors)


if __name__ == "__main__":
    main()
