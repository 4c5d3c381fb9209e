"""Runs the contract of supabase-js in Deno, with the packages that the gateway's lock file pins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import deno
import pytest

from worker.local.gateway import install_packages

pytestmark = pytest.mark.stack

HERE = Path(__file__).resolve().parent
LOCAL = HERE.parent.parent / "supabase" / "local"


def test_supabase_js_keeps_the_contract(project: Any) -> None:
    install_packages(LOCAL)
    environment = {
        **os.environ,
        "KIZU_TEST_URL": project.url,
        "KIZU_TEST_PUBLISHABLE_KEY": project.publishable_key,
        "KIZU_TEST_SECRET_KEY": project.secret_key,
        "NO_COLOR": "1",
    }
    command = [
        deno.find_deno_bin(),
        "test",
        "--no-prompt",
        "--cached-only",
        "--frozen",
        f"--config={LOCAL / 'deno.json'}",
        f"--lock={LOCAL / 'deno.lock'}",
        "--allow-env",
        f"--allow-net={urlsplit(project.url).netloc}",
        str(HERE / "supabase_js_test.ts"),
    ]
    ran = subprocess.run(
        command, env=environment, cwd=LOCAL, capture_output=True, text=True, check=False, timeout=180
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
