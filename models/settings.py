"""What can be set about models."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DAY: Final = 86_400.0
YEAR: Final = 365 * DAY
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[a-z]+)?")
"""As EasyOCR writes them: ISO 639, with the script where a language has two."""


class ModelSettings(BaseSettings):
    """Read from the environment and from `.env`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    model_profile: Literal["auto", "best", "free", "tiny"] = Field(
        "auto",
        description="best: the reference models; free: models whose weights come in packages, under licences "
        "that ask nothing; auto: for each task best where its weights are here or can be fetched, else free; "
        "tiny: seeded test models that find nothing real, for trying the machinery.",
    )
    embed_model: str = Field(
        "", description="Model of pictures and sentences: open_clip or conse; empty: by profile."
    )
    faces_model: str = Field("", description="Model of faces: insightface or dlib; empty: by profile.")
    objects_model: str = Field(
        "", description="Model of objects: yolov8, d_fine or centernet; empty: by profile."
    )
    model_cache_dir: Path = Field(
        Path.home() / ".cache" / "kizu" / "models", description="Folder of weights and exported graphs."
    )
    model_downloads: bool = Field(
        True, description="Fetch missing weights on first use; off: only `kizu models pull` does."
    )
    model_licences: Annotated[tuple[Literal["free", "copyleft", "non_commercial"], ...], NoDecode] = Field(
        ("free", "copyleft", "non_commercial"),
        description="Licences that models may have; `free` alone suits a product that is sold.",
    )
    model_device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where models run; auto: CUDA, else MPS, else the processor."
    )
    model_backend: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        "auto", description="What runs them; auto: the fastest installed that the model and machine have."
    )
    vector_precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="Of the embeddings of pictures; bf16 is faster where the processor has it, and "
        "a model version of its own, since one index never mixes the two.",
    )
    model_threads: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1),
        ge=1,
        le=256,
        description="Threads per model call.",
    )
    model_ttl: float = Field(
        300.0, ge=0, le=YEAR, description="Seconds a model stays loaded after its last use."
    )
    model_memory: int = Field(
        0, ge=0, description="Megabytes all loaded models may take; 0: half of the machine's."
    )
    model_batch_delay: float = Field(
        0.005, ge=0, le=1, description="Seconds a request waits for others to share its call."
    )
    model_batch_size: int = Field(0, ge=0, le=256, description="Most inputs per call; 0: as suits the model.")

    max_image_size: int = Field(
        4096,
        ge=64,
        le=16384,
        description="Models see at most the pixels of a square with so many on a side; text is read at it.",
    )
    clip_model: str = Field("ViT-B-32", description="Name of an OpenCLIP architecture.")
    clip_pretrained: str = Field(
        "laion2b_s34b_b79k",
        description="Its weights: a tag of OpenCLIP's, or a file or folder, absolute or below "
        "MODEL_CACHE_DIR.",
    )
    yolo_size: Literal["n", "s", "m", "l", "x"] = Field("m", description="Size of the YOLOv8 detector.")
    object_threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least score of an object that is shown: tagged, counted, described; unset: as suits the "
        "model. What is likely is stored below it, too, as not sure.",
    )
    face_pack: str = Field("buffalo_l", description="InsightFace model pack.")
    face_threshold: float | None = Field(
        None, gt=0, lt=1, description="Least score of a face that is kept; unset: as suits the model."
    )
    people_engine: Literal["graph", "hdbscan"] = Field(
        "graph",
        description="What clusters faces into people: graph obeys what people said as it goes; hdbscan needs "
        "the package of that name.",
    )
    ocr_model: Literal["easyocr", "rapidocr"] = Field(
        "rapidocr",
        description="What reads text: rapidocr brings its weights and is ten times faster; easyocr knows "
        "more languages.",
    )
    ocr_languages: Annotated[tuple[str, ...], NoDecode] = Field(
        ("en",), description="Languages looked for, comma separated, in EasyOCR's codes."
    )
    ocr_canvas: int = Field(
        960,
        ge=320,
        le=4096,
        description="Long side in pixels of the first look for text; what is too small in it is looked at "
        "again, larger.",
    )
    caption_model: Literal["", "base", "large", "composed", "server", "blip2", "llava"] = Field(
        "",
        description="base, large: sizes of Florence-2; composed: a sentence made of what the other models "
        "found; server: a server of your own; blip2, llava: models of 15 GB; empty: by profile, base or "
        "composed.",
    )
    caption_level: Literal["brief", "medium", "detailed"] = Field(
        "medium", description="How much is said of a picture, unless the job says."
    )
    caption_beams: int = Field(
        1,
        ge=1,
        le=8,
        description="Sentences weighed against each other; 1 is fastest, the model's authors use 3.",
    )
    caption_seconds: float = Field(
        60.0, gt=0, le=DAY, description="Most seconds spent on one picture's description."
    )

    caption_server_url: HttpUrl | None = Field(
        None,
        description="For CAPTION_MODEL=server: where it speaks OpenAI's protocol (Ollama, llama.cpp, vLLM, "
        "LM Studio), e.g. http://127.0.0.1:11434/v1.",
    )
    caption_server_model: str = Field(
        "", pattern=r"^[\w.:/@+-]{0,100}$", description="Name of the server's model, e.g. qwen2.5vl:7b."
    )
    caption_server_key: SecretStr | None = Field(None, description="What the server wants as a bearer token.")
    caption_server_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts besides this machine that pictures may be sent to be described, comma separated.",
    )

    @field_validator("model_cache_dir")
    @classmethod
    def _at_home(cls, folder: Path) -> Path:
        return folder.expanduser()

    @field_validator("ocr_languages")
    @classmethod
    def _check_languages(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if not codes or not all(LANGUAGE.fullmatch(code) for code in codes):
            raise ValueError("expected codes of languages, as in en,de,ch_sim")
        return codes

    @field_validator("model_licences", "ocr_languages", "caption_server_hosts", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _check_server(self) -> ModelSettings:
        if self.caption_model == "server" and not (self.caption_server_url and self.caption_server_model):
            raise ValueError("CAPTION_MODEL=server needs CAPTION_SERVER_URL and CAPTION_SERVER_MODEL")
        if self.caption_server_url is not None:
            _check_address(self.caption_server_url, self.caption_server_hosts)
        return self


def _check_address(url: HttpUrl, listed: tuple[str, ...]) -> None:
    host = (url.host or "").strip("[]").lower()
    if url.username is not None or url.password is not None:
        raise ValueError(
            "CAPTION_SERVER_URL: expected no name or password; CAPTION_SERVER_KEY is for a token"
        )
    if url.query is not None or url.fragment is not None:
        raise ValueError("CAPTION_SERVER_URL: expected nothing behind its path")
    if not _is_loopback(host) and host not in (name.lower() for name in listed):
        raise ValueError(
            f"CAPTION_SERVER_URL: pictures would leave this machine; if they may, add {host} to "
            "CAPTION_SERVER_HOSTS"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
