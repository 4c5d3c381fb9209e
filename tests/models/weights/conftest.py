from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from models.weights.download import make_client


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with make_client() as client:
        yield client
