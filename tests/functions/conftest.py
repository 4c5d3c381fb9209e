from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.functions.app import App
from worker.local.stack import StackInfo


@pytest.fixture
def join(stack: StackInfo, make_user: Callable[[], Any]) -> Iterator[Callable[[], App]]:
    """The app of somebody who has just signed up."""
    with httpx.Client(timeout=30) as http:

        def joined() -> App:
            user = make_user()
            return App(
                user_id=user.user_id,
                token=user.access_token,
                publishable_key=stack.publishable_key,
                base=stack.url,
                http=http,
            )

        yield joined


@pytest.fixture
def app(join: Callable[[], App]) -> App:
    return join()
