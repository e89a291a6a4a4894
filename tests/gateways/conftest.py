import os

import pytest
from gateways import ALL
from setting import Site
from upstream import Upstream


@pytest.fixture(scope="session")
def site():
    site = Site(os.environ["INSPIRE_AUTH_CLI"])
    yield site
    site.close()


@pytest.fixture(scope="session")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module", params=ALL, ids=lambda kind: kind.name)
def gateway(request, site, upstream):
    gateway = request.param(site, upstream)
    try:
        yield gateway.start()
    finally:
        gateway.stop()
