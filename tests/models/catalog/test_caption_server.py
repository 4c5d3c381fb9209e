"""Descriptions by a server that speaks OpenAI's protocol, and by servers that do not."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from models.catalog.caption_server import LARGEST_ANSWER, LONGEST, MOST_TOKENS, SPEC, cleaned
from models.errors import ModelError, ModelFailed, ServerUnavailable
from models.frame import Frame
from models.results import Caption, Level
from models.serving.remote import RemoteModels
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import CAPTION, Captioner, CaptionRequest
from tests.worker.loopback import Reply, Request, Script, serving

KEY = "sk-of-the-operator"
FRAME = Frame.of(Image.new("RGB", (2000, 1000), (200, 40, 30)))


def settings_of(url: str, **values: Any) -> ModelSettings:
    given = {
        "caption_model": "server",
        "caption_server_url": url,
        "caption_server_model": "qwen2.5vl:7b",
        "caption_seconds": 5,
        **values,
    }
    return ModelSettings(_env_file=None, **given)


def captioner(settings: ModelSettings) -> Captioner:
    variant = SPEC.select(settings)
    return SPEC.load(Loading(variant=variant, files={}, device="cpu", threads=1, settings=settings))


async def described(url: str, *levels: Level, **values: Any) -> list[Caption]:
    requests = [CaptionRequest(frame=FRAME, level=level) for level in levels or ("medium",)]
    return list(await asyncio.to_thread(captioner(settings_of(url, **values)).describe, requests))


def completion(text: Any, finish_reason: str = "stop") -> dict[str, Any]:
    """As Ollama, llama.cpp and vLLM answer."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "qwen2.5vl:7b",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1200, "completion_tokens": 9, "total_tokens": 1209},
    }


def saying(text: Any, finish_reason: str = "stop") -> Script:
    async def script(request: Request, reply: Reply) -> None:
        await reply.json(200, completion(text, finish_reason))

    return script


# The protocol


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_a_picture_is_asked_about_and_described(path: str) -> None:
    async with serving(saying(" A red wall.\n")) as server:
        [caption] = await described(server.url + path, "detailed", caption_server_key=KEY)
    assert (caption.text, caption.level, caption.cut_short) == ("A red wall.", "detailed", False)
    assert caption.seconds > 0
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    asked = request.json
    assert (asked["model"], asked["stream"], asked["temperature"]) == ("qwen2.5vl:7b", False, 0)
    assert asked["max_tokens"] == MOST_TOKENS["detailed"]
    [message] = asked["messages"]
    prompt, picture = message["content"]
    assert prompt["type"] == "text"
    assert "paragraph" in prompt["text"]
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.format, image.size) == ("JPEG", (1024, 512))


async def test_each_level_has_its_prompt_and_pictures_are_asked_about_side_by_side() -> None:
    together = asyncio.Event()
    asked: list[str] = []

    async def script(request: Request, reply: Reply) -> None:
        asked.append(request.json["messages"][0]["content"][0]["text"])
        if len(asked) == 2:
            together.set()
        await asyncio.wait_for(together.wait(), 5)
        await reply.json(200, completion(asked[-1]))

    async with serving(script) as server:
        captions = await described(server.url, "brief", "medium")
    assert [caption.level for caption in captions] == ["brief", "medium"]
    assert len(set(asked)) == 2
    assert all("authorization" not in request.headers for request in server.requests)


async def test_an_answer_that_ran_out_of_tokens_says_so() -> None:
    async with serving(saying("A red", "length")) as server:
        [caption] = await described(server.url)
    assert caption.cut_short


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<think>The user wants…</think>\n\nA dog.", "A dog."),
        ("<think>never ends", ""),
        ('"A dog."', "A dog."),
        ("A\x00 d\u202eog \x1b[31m\n\ton   grass.\u2028", "A d og [31m on grass."),
        ("half a pair \ud83d of it", "half a pair of it"),
        ("Ein Hund, 犬, 🐕.", "Ein Hund, 犬, 🐕."),
        ("", ""),
    ],
)
def test_what_was_said_becomes_a_line_of_plain_text(said: str, kept: str) -> None:
    assert cleaned(said) == kept


async def test_an_endless_description_is_cut() -> None:
    async with serving(saying("word " * 10_000)) as server:
        [caption] = await described(server.url)
    assert (len(caption.text) <= LONGEST, caption.cut_short) == (True, True)


# Servers that do otherwise


def answering(status: int, body: bytes | str = b"", **headers: str) -> Script:
    async def script(request: Request, reply: Reply) -> None:
        await reply.send(status, body, **headers)

    return script


async def _flood(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        await reply.raw(b" " * 65_536)


async def _trickle(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        await reply.raw(b" ")
        await asyncio.sleep(0.02)


async def _trickling_headers(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        await reply.raw(b"a")
        await asyncio.sleep(0.02)


async def _silence(request: Request, reply: Reply) -> None:
    await asyncio.sleep(60)


async def _hang_up(request: Request, reply: Reply) -> None:
    reply.hang_up()


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (answering(200, "<html>"), ModelFailed, "none of OpenAI's protocol"),
        (answering(200, "[" * 100_000), ModelFailed, "none of OpenAI's protocol"),
        (answering(200, '{"choices": []}'), ModelFailed, "none of OpenAI's protocol"),
        (answering(200, '{"choices": [{"message": null}]}'), ModelFailed, "none of OpenAI's protocol"),
        (answering(200, b"\xff\xfe\x00"), ModelFailed, "none of OpenAI's protocol"),
        (answering(200, "x", Content_Encoding="gzip"), ModelFailed, "compressed"),
        (saying(None), ModelFailed, "said nothing"),
        (saying({"text": "A dog."}), ModelFailed, "said nothing"),
        (saying("\u200b \n"), ModelFailed, "said nothing"),
        (answering(400, "an echo"), ModelFailed, "answered 400$"),
        (answering(500, "trace"), ModelFailed, "answered 500$"),
        (answering(201, "{}"), ModelFailed, "answered 201$"),
        (_hang_up, ModelFailed, "broke off"),
        (_flood, ModelFailed, f"more than {LARGEST_ANSWER} bytes"),
        (_trickle, ModelFailed, r"more than 0\.3 seconds"),
        (_trickling_headers, ModelFailed, r"more than 0\.3 seconds"),
        (_silence, ModelFailed, r"more than 0\.3 seconds"),
        (answering(401), ServerUnavailable, "401"),
        (answering(404), ServerUnavailable, r"no model qwen2\.5vl:7b"),
        (answering(429), ServerUnavailable, "429"),
        (answering(503), ServerUnavailable, "503"),
    ],
)
async def test_what_is_no_description_is_an_error_within_bounds(
    script: Script, kind: type[ModelError], said: str
) -> None:
    seconds = 0.3 if "seconds" in said else 5
    began = time.monotonic()
    async with serving(script) as server:
        with pytest.raises(kind, match=said) as raised:
            await described(server.url, caption_seconds=seconds, caption_server_key=KEY)
    assert time.monotonic() - began < 10
    assert not any(secret in str(raised.value) for secret in (KEY, "base64", "an echo", "trace"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_takes_no_picture_elsewhere(status: int) -> None:
    async with serving(saying("stolen")) as elsewhere:
        script = answering(status, b"", Location=f"{elsewhere.url}/v1/chat/completions")
        async with serving(script) as server:
            with pytest.raises(ServerUnavailable, match="redirects are not followed"):
                await described(server.url)
    assert elsewhere.requests == []


async def test_a_server_that_is_not_there_is_not_the_photos_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServerUnavailable, match=r"at 127\.0\.0\.1 does not answer"):
        await described(f"http://127.0.0.1:{port}")


async def test_no_proxy_of_the_environment_sees_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(saying("seen by a proxy")) as proxy, serving(saying("A wall.")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        [caption] = await described(server.url)
    assert (caption.text, proxy.requests) == ("A wall.", [])


# Which server, if any


def test_nothing_is_sent_anywhere_unless_it_is_asked_for() -> None:
    assert ModelSettings(_env_file=None).caption_model == ""
    assert SPEC.profile == "named"
    assert SPEC.select(settings_of("http://localhost:11434")).version == "server-qwen2.5vl:7b"


@pytest.mark.parametrize(
    ("url", "values", "why"),
    [
        ("http://192.168.1.20:11434/v1", {}, "add 192.168.1.20 to CAPTION_SERVER_HOSTS"),
        ("https://api.example.com/v1", {}, "add api.example.com to CAPTION_SERVER_HOSTS"),
        ("http://localhost.example.com", {}, "pictures would leave this machine"),
        ("http://127.0.0.1.example.com", {}, "pictures would leave this machine"),
        ("http://name:word@127.0.0.1", {}, "no name or password"),
        ("http://127.0.0.1/v1?key=a", {}, "nothing behind its path"),
        ("ftp://127.0.0.1", {}, "URL scheme should be"),
        (
            "http://127.0.0.1",
            {"caption_server_model": ""},
            "needs CAPTION_SERVER_URL and CAPTION_SERVER_MODEL",
        ),
        ("http://127.0.0.1", {"caption_server_model": "a b"}, "pattern"),
    ],
)
def test_a_server_is_this_machine_or_a_host_that_is_listed(
    url: str, values: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        settings_of(url, **values)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "nas.lan", "192.168.1.20"])
def test_hosts_that_may_be_asked(host: str) -> None:
    settings_of(f"http://{host}:8080", caption_server_hosts="NAS.lan, 192.168.1.20")


@pytest.mark.parametrize(("address", "refused"), [("93.184.215.14", True), ("192.168.1.20", False)])
def test_pictures_go_unencrypted_to_private_addresses_only(
    monkeypatch: pytest.MonkeyPatch, address: str, refused: bool
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    listed = {"caption_server_hosts": ("nas.lan",)}
    if refused:
        with pytest.raises(ServerUnavailable, match=r"nas\.lan is on the internet: expected https"):
            captioner(settings_of("http://nas.lan", **listed))
    else:
        captioner(settings_of("http://nas.lan", **listed))
    captioner(settings_of("https://nas.lan", **listed))


async def test_the_key_reaches_the_models_process_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(saying("A wall.")) as server:
        settings = settings_of(
            server.url, caption_server_key=KEY, model_cache_dir=tmp_path, model_device="cpu"
        )
        assert KEY not in repr(settings)
        assert KEY not in settings.model_dump_json()
        models = RemoteModels(settings)
        try:
            request = CaptionRequest(frame=FRAME)
            answer = await models.run(CAPTION, Captioner.describe, request)
        finally:
            await models.close()
    assert (answer.value.text, answer.model.version) == ("A wall.", "server-qwen2.5vl:7b")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text
