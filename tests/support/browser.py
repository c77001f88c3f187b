"""A headless Chromium for the pages: fixture `page`, skipped where there is none. A test file has it by
`pytest_plugins = ["browser"]`.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage""".split()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A tab that can read files and nothing else: another address, or an error of a page's script, fails the
    test.
    """
    chromium = os.environ.get("COT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no chromium: apt-get install chromium, or name one with COT_CHROMIUM")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install 'cot-distill[dev]'"
    )
    faults: list[str] = []
    with sync_api.sync_playwright() as driver:
        options = {
            "executable_path": chromium,
            "args": FLAGS,
            "accept_downloads": True,
            "viewport": {"width": 1280, "height": 900},
        }
        context = driver.chromium.launch_persistent_context(str(tmp_path / "chromium"), **options)
        tab = context.pages[0]
        tab.set_default_timeout(10_000)
        tab.on("pageerror", lambda error: faults.append(f"script: {error}"))
        tab.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "blob:", "data:"))
                else faults.append(f"network: {request.url}")
            ),
        )
        yield tab
        context.close()
    assert not faults
