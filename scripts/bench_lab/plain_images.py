"""What anybody would write first for `image_ai`: the libraries as their manuals show them, one row at a time.

The next pending job is selected, then updated as taken; its photo is downloaded; every model gets a full
decode of its own, a batch of one, and the defaults of its library in 32 bits; every row is an insert. No
pause anywhere, and nothing is slowed down on purpose.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from models.machine.quiet import silence
from models.machine.torch_cpu import make_torchvision_importable
from scripts.bench_lab.partner import Answer, answer

JOBS = "ai_processing_jobs"
PROMPT = "<DETAILED_CAPTION>"
BEAMS = 3
"""As the examples of Florence-2's authors have it."""
FACE_SIDE = (640, 640)
"""As in InsightFace's examples; left out, it would look at every picture twice, in two sizes."""
WARM_UP_SIZE = (640, 480)


class PlainWorker:
    """Has loaded what the operations need before it looks at the first job."""

    def __init__(
        self, *, url: str, key: str, kind: str, cache: str, tiny: bool, operations: list[str], tokens: int
    ) -> None:
        from supabase import create_client

        self._client = create_client(url, key)
        self._kind = kind
        self._tokens = tokens
        self._found: Counter[str] = Counter()
        root = Path(cache) / "tiny" if tiny else Path(cache)
        makers: dict[str, Callable[[Path, bool], Callable[[bytes, dict[str, Any]], None]]] = {
            "embedding": self._embedding,
            "faces": self._faces,
            "objects": self._objects,
            "ocr": self._ocr,
            "describe": self._describe,
            "hashes": self._hashes,
        }
        self._operations = {name: makers[name](root, tiny) for name in operations}

    def drain(self) -> Answer:
        """Every pending job: seconds from the first look at the queue to the last job's end, and what was
        found in them."""
        self._found.clear()
        began, photos = time.perf_counter(), 0
        while self._work():
            photos += 1
        return {"seconds": time.perf_counter() - began, "photos": photos, "found": dict(self._found)}

    def _work(self) -> bool:
        """Answers whether there was a job."""
        jobs = self._client.table(JOBS)
        pending = (
            jobs.select("*").eq("status", "pending").eq("job_type", self._kind).order("created_at").limit(1)
        )
        found = pending.execute().data
        if not found:
            return False
        job = found[0]
        now = datetime.now(UTC)
        taken = {
            "status": "processing",
            "worker_id": "plain",
            "claim_id": str(uuid.uuid4()),
            "picked_up_at": now.isoformat(),
            "lease_expires_at": (now + timedelta(hours=1)).isoformat(),
        }
        jobs.update(taken).eq("id", job["id"]).eq("status", "pending").execute()
        asset = self._client.table("assets").select("path").eq("id", job["asset_id"]).single().execute().data
        data = self._client.storage.from_("assets").download(asset["path"])
        for name in job["params"]["operations"]:
            self._operations[name](data, job)
        ended = {
            "status": "completed",
            "completed_at": datetime.now(UTC).isoformat(),
            "claim_id": None,
            "lease_expires_at": None,
        }
        jobs.update(ended).eq("id", job["id"]).execute()
        return True

    def _insert(self, table: str, job: dict[str, Any], **columns: Any) -> None:
        row = {"user_id": job["user_id"], "asset_id": job["asset_id"], **columns}
        self._client.table(table).insert(row).execute()
        self._found[table] += 1

    def _embedding(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        import open_clip
        import torch

        if tiny:
            model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{root / 'openclip'}")
        else:
            model, _, preprocess = open_clip.create_model_and_transforms(
                "ViT-B-32",
                pretrained=str(
                    root / "openclip" / "ViT-B-32" / "laion2b_s34b_b79k" / "open_clip_model.safetensors"
                ),
            )
        model.eval()

        def embed(image: Image.Image) -> list[float]:
            with torch.no_grad():
                vector = model.encode_image(preprocess(image).unsqueeze(0))
                vector /= vector.norm(dim=-1, keepdim=True)
            numbers: list[float] = vector[0].tolist()
            return numbers

        def run(data: bytes, job: dict[str, Any]) -> None:
            self._insert("image_embeddings", job, embedding=embed(decode(data)), model_version="plain")

        embed(Image.new("RGB", WARM_UP_SIZE))
        return run

    def _faces(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        import numpy as np
        from insightface.app import FaceAnalysis

        app = FaceAnalysis("buffalo_l", root=str(root / "insightface"), providers=["CPUExecutionProvider"])
        app.prepare(ctx_id=0, det_size=FACE_SIDE)

        def run(data: bytes, job: dict[str, Any]) -> None:
            image = decode(data)
            for index, face in enumerate(app.get(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))):
                left, top, right, bottom = face.bbox.tolist()
                crop = io.BytesIO()
                image.crop((int(left), int(top), int(right), int(bottom))).resize((150, 150)).save(
                    crop, "JPEG"
                )
                path = f"{job['user_id']}/processed/{job['asset_id']}/{job['id']}/{index}.jpg"
                self._client.storage.from_("assets").upload(path, crop.getvalue())
                self._insert(
                    "face_embeddings",
                    job,
                    face_index=index,
                    embedding=face.normed_embedding.tolist(),
                    bounding_box=box(image, left, top, right, bottom),
                    landmarks=face.kps.tolist(),
                    confidence=float(face.det_score),
                    face_thumbnail_url=path,
                    model_version="plain",
                )

        app.get(np.zeros((WARM_UP_SIZE[1], WARM_UP_SIZE[0], 3), np.uint8))
        return run

    def _objects(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        from ultralytics import YOLO

        model = YOLO(root / "yolo" / ("yolov8n-tiny.pt" if tiny else "yolov8m.pt"))

        def run(data: bytes, job: dict[str, Any]) -> None:
            image = decode(data)
            boxes = model.predict(image, device="cpu", verbose=False)[0].boxes
            for corners, score, number in zip(
                boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True
            ):
                self._insert(
                    "detected_objects",
                    job,
                    object_class=model.names[int(number)],
                    confidence=score,
                    bounding_box=box(image, *corners),
                    model_version="plain",
                )

        model.predict(Image.new("RGB", WARM_UP_SIZE), device="cpu", verbose=False)
        return run

    def _ocr(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        import easyocr
        import numpy as np
        from easyocr import config

        folder = root / "easyocr"
        for models in (config.detection_models, config.recognition_models["gen2"]):
            for model in models.values():
                if (
                    folder / model["filename"]
                ).is_file():  # it holds files to the digests of the released ones
                    weights = (folder / model["filename"]).read_bytes()
                    model["md5sum"] = hashlib.md5(weights).hexdigest()  # noqa: S324
        reader = easyocr.Reader(
            ["en"], gpu=False, model_storage_directory=str(folder), download_enabled=False, verbose=False
        )

        def run(data: bytes, job: dict[str, Any]) -> None:
            image = decode(data)
            regions = [
                {
                    "text": text,
                    "confidence": float(score),
                    "bbox": [[float(x), float(y)] for x, y in corners],
                }
                for corners, text, score in reader.readtext(np.asarray(image))
            ]
            text = " ".join(region["text"] for region in regions)
            self._found["regions"] += len(regions)
            self._insert("image_text", job, extracted_text=text, text_regions=regions, model_version="plain")

        reader.readtext(np.zeros((WARM_UP_SIZE[1], WARM_UP_SIZE[0], 3), np.uint8))
        return run

    def _describe(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        folder = root / "florence2" if tiny else root / "florence2" / "base"
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        ).eval()

        def describe(image: Image.Image, tokens: int) -> str:
            inputs = processor(text=PROMPT, images=image, return_tensors="pt")
            with torch.no_grad():
                answer = model.generate(**inputs, max_new_tokens=tokens, num_beams=BEAMS, do_sample=False)
            text = processor.batch_decode(answer, skip_special_tokens=False)[0]
            parsed = processor.post_process_generation(text, task=PROMPT, image_size=image.size)
            self._found["tokens"] += answer.shape[1]
            return str(parsed[PROMPT])

        def run(data: bytes, job: dict[str, Any]) -> None:
            text = describe(decode(data), self._tokens)
            self._insert(
                "image_descriptions", job, description=text, detail_level="medium", model_version="plain"
            )

        describe(Image.new("RGB", WARM_UP_SIZE), 2)
        return run

    def _hashes(self, root: Path, tiny: bool) -> Callable[[bytes, dict[str, Any]], None]:
        from models.pictures.hashes import bit_string, perceptual_hash

        def run(data: bytes, job: dict[str, Any]) -> None:
            looks = bit_string(perceptual_hash(decode(data)))
            self._insert("asset_hashes", job, sha256=hashlib.sha256(data).hexdigest(), perceptual_hash=looks)

        return run


def decode(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def box(image: Image.Image, left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    return {
        "x": left / image.width,
        "y": top / image.height,
        "width": (right - left) / image.width,
        "height": (bottom - top) / image.height,
    }


def start(**told: Any) -> Callable[[], Answer]:
    silence(Path(told["cache"]))
    del os.environ["OMP_NUM_THREADS"]  # as many as the libraries choose
    make_torchvision_importable()
    return PlainWorker(**told).drain


if __name__ == "__main__":
    answer(start)
