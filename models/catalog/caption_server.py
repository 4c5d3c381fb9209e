"""A picture in words by a server of one's own that speaks OpenAI's protocol: Ollama, llama.cpp, vLLM.

Off unless CAPTION_MODEL=server names it. A picture goes to this machine, or to a host that its operator lists
in CAPTION_SERVER_HOSTS, and nowhere else: no proxy, no redirect, and unencrypted to private addresses only.
What comes back is a stranger's word: its bytes, its seconds and its characters are bounded, and of an answer
that is no description nothing is repeated, since servers quote what they were sent.
"""

from __future__ import annotations

import asyncio
import base64
import io
import ipaddress
import json
import re
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from models.errors import ModelFailed, ServerUnavailable, UnknownModel
from models.frame import Frame
from models.results import Caption, Level
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import CAPTION, Captioner, CaptionRequest

PROMPTS: Final[Mapping[Level, str]] = {
    "brief": "Describe this picture in one short sentence.",
    "medium": "Describe this picture in two or three sentences: what is to be seen, and where.",
    "detailed": "Describe this picture in one detailed paragraph: people, things, doings, place and mood.",
}
MANNER: Final = (
    " Answer with the description alone, in English, as plain text. Say nothing that is not to be seen."
)
MOST_TOKENS: Final[Mapping[Level, int]] = {"brief": 80, "medium": 200, "detailed": 500}
LONGEST: Final = 4000
"""Characters of a description that are kept; 500 tokens have some 2,000."""
LARGEST_ANSWER: Final = 256 * 1024
"""Bytes: a description and what servers say around it have a few thousand."""
LONG_SIDE: Final = 1024
"""Pixels of the picture that is sent: as many as Florence-2 is asked with."""
QUALITY: Final = 85
CONNECT_SECONDS: Final = 5.0
AWAY: Final = frozenset({401, 403, 404, 429, 502, 503, 504})
"""Of every picture: a wrong key or name of a model, a server that is starting, busy or gone."""
_LICENCE: Final = Licence(name="that of the model that the server runs", use="free")
"""Whoever sets CAPTION_SERVER_MODEL answers for it."""
_THOUGHTS: Final = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
"""What some models say to themselves first."""
_UNSPEAKABLE: Final = re.compile(
    r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+"
)


def select(settings: ModelSettings) -> Variant:
    if settings.caption_model == "server" and not settings.caption_server_model:
        raise UnknownModel("CAPTION_MODEL=server needs CAPTION_SERVER_MODEL")
    return Variant(
        version=f"server-{settings.caption_server_model or 'unnamed'}",
        licence=_LICENCE,
        megabytes=20,
        largest_batch={"cpu": 4, "cuda": 4, "mps": 4},
    )


def load(loading: Loading) -> Captioner:
    settings = loading.settings
    if settings.caption_server_url is None:
        raise UnknownModel("CAPTION_MODEL=server needs CAPTION_SERVER_URL")
    url = httpx.URL(str(settings.caption_server_url))
    if url.scheme == "http":
        _require_private(url)
    return ServerCaptioner(url, settings)


def _require_private(url: httpx.URL) -> None:
    """Refuse to send pictures unencrypted over the internet.

    Raises:
        ServerUnavailable: the host is on the internet, or its name is not found.
    """
    try:
        found = socket.getaddrinfo(url.host, url.port or 80, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ServerUnavailable(f"CAPTION_SERVER_URL: {url.host} has no address now") from error
    addresses = [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
    if any(address.is_global for address in addresses):
        raise ServerUnavailable(f"CAPTION_SERVER_URL: {url.host} is on the internet: expected https")


class ServerCaptioner(Captioner):
    """Asks a server for descriptions, those of one call at the same time."""

    backend = "server"

    def __init__(self, url: httpx.URL, settings: ModelSettings) -> None:
        path = url.path.rstrip("/")
        base = path if path.endswith("/v1") else f"{path}/v1"
        self._url = url.copy_with(path=f"{base}/chat/completions")
        self._model = settings.caption_server_model
        self._key = settings.caption_server_key
        self._seconds = settings.caption_seconds

    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]:
        return asyncio.run(self._describe_all(requests))

    async def _describe_all(self, requests: Sequence[CaptionRequest]) -> list[Caption]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "kizu-worker"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        async with httpx.AsyncClient(
            headers=headers,
            trust_env=False,  # a proxy of the environment would see every picture
            follow_redirects=False,
            timeout=httpx.Timeout(self._seconds, connect=CONNECT_SECONDS),
        ) as client:
            asking = (self._describe(client, request, len(requests)) for request in requests)
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
        captions: list[Caption] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            captions.append(outcome)
        return captions

    async def _describe(self, client: httpx.AsyncClient, request: CaptionRequest, beside: int) -> Caption:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds * beside):
                async with client.stream("POST", self._url, json=self._question(request)) as answer:
                    _check_status(answer, self._model)
                    body = await _read(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServerUnavailable(f"the caption server at {self._url.host} does not answer") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ModelFailed(f"the caption server took more than {self._seconds:g} seconds") from error
        except httpx.HTTPError as error:
            raise ModelFailed(f"the caption server broke off: {type(error).__name__}") from error
        text, cut_short = _parsed(body)
        return Caption(text=text, level=request.level, seconds=time.monotonic() - began, cut_short=cut_short)

    def _question(self, request: CaptionRequest) -> dict[str, Any]:
        picture = {"type": "image_url", "image_url": {"url": data_url(request.frame)}}
        prompt = {"type": "text", "text": PROMPTS[request.level] + MANNER}
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": [prompt, picture]}],
            "max_tokens": MOST_TOKENS[request.level],
            "temperature": 0,
            "stream": False,
        }


def data_url(frame: Frame) -> str:
    """A frame as a JPEG in a `data:` URL, no larger than is looked at."""
    image = frame.image()
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _check_status(answer: httpx.Response, model: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status == 404:
        raise ServerUnavailable(
            f"the caption server knows no model {model}, or no /v1/chat/completions (404)"
        )
    if status in AWAY:
        raise ServerUnavailable(f"the caption server answered {status}")
    if answer.is_redirect:
        raise ServerUnavailable(f"the caption server answered {status}: redirects are not followed")
    raise ModelFailed(f"the caption server answered {status}")


async def _read(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise ModelFailed("the caption server compressed its answer, which was not asked for")
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise ModelFailed(f"the caption server's answer has more than {LARGEST_ANSWER} bytes")
    return bytes(body)


def _parsed(body: bytes) -> tuple[str, bool]:
    """The description in an answer, and whether its end is missing."""
    try:
        choice = json.loads(body)["choices"][0]
        said, ended = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFailed("the caption server's answer is none of OpenAI's protocol") from error
    text = cleaned(said) if isinstance(said, str) else ""
    if not text:
        raise ModelFailed("the caption server said nothing of the picture")
    return text[:LONGEST].rstrip(), ended == "length" or len(text) > LONGEST


def cleaned(said: str) -> str:
    """A description as one line of text, without what is not to be seen or was not meant for others."""
    text = _UNSPEAKABLE.sub(" ", _THOUGHTS.sub(" ", said).replace("\ufffd", " "))
    # Half a surrogate pair is JSON, but no text that a database takes.
    text = " ".join(text.encode("utf-8", "ignore").decode("utf-8").split())
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


SPEC = ModelSpec(
    task=CAPTION,
    name="server",
    chosen_by=("caption_server_model",),
    set_by=("caption_seconds",),
    profile="named",
    select=select,
    load=load,
)
