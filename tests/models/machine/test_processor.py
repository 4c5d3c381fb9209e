from collections.abc import Iterator
from pathlib import Path

import pytest

from models.machine import processor

CPUINFO = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu {flags}\nbugs\t\t: none\n"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    processor.features.cache_clear()
    yield
    processor.features.cache_clear()


@pytest.mark.parametrize(
    ("flags", "avx512", "bf16"),
    [
        ("avx avx2", False, False),
        ("avx2 avx512f avx512_vnni", True, False),
        ("avx512f avx512_bf16", True, True),
        ("avx512f amx_bf16", True, True),
    ],
)
def test_what_linux_says_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, flags: str, avx512: bool, bf16: bool
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: CPUINFO.format(flags=flags))
    assert (processor.has_avx512(), processor.has_bf16()) == (avx512, bf16)


@pytest.mark.parametrize("said", ["", "Processor: something else\n"])
def test_of_other_systems_nothing_is_known(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def read(*_: object, **__: object) -> str:
        if not said:
            raise FileNotFoundError
        return said

    monkeypatch.setattr(Path, "read_text", read)
    assert processor.features() == frozenset()
    assert not processor.has_bf16()
