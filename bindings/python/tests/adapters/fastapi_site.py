"""A FastAPI service as one would write it, for servers that import it: `uvicorn fastapi_site:app`."""

import os
from typing import Annotated, Any

from fastapi import FastAPI, Security

from inspire_auth import InspireAuth, Principal
from inspire_auth.fastapi import ApiKey, Refused, refused

auth = InspireAuth.open(os.environ["INSPIRE_STORE"])
if credential := os.environ.get("INSPIRE_CREDENTIAL"):
    # Used before any fork, so that what a use starts is there when the workers are forked.
    auth.authenticate(f"Bearer {credential}")

service = FastAPI()
service.add_exception_handler(Refused, refused)
reader = ApiKey(auth, any_of=["Authenticated/Gateway/Read"])


@service.get("/read")
async def read(caller: Annotated[Principal, Security(reader)]) -> dict[str, Any]:
    return {"name": caller.name}


@service.get("/read-in-a-thread")
def read_in_a_thread(caller: Annotated[Principal, Security(reader)]) -> dict[str, Any]:
    return {"name": caller.name}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The service; each answer says which process gave it."""

    async def with_pid(event: Any) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event["headers"], (b"x-pid", str(os.getpid()).encode())]
        await send(event)

    await service(scope, receive, with_pid)
