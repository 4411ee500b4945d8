"""Pages in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import eqcirc as eq
from tests.browser import Browser, look, needs_browser
from tests.cli.conftest import TINY

REAL = """
[reality.mismatch]
sigma = 0.2
[physical]
capacitance = 1e-12
"""


@needs_browser
def test_a_page_renders_asks_for_nothing_fits_a_phone_and_prints(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY + REAL)
    with eq.Run.start(eq.load_experiment(tmp_path / "tiny.toml"), tmp_path / "run") as run:
        run.train()
        run.finish()
    report = eq.write_report(tmp_path / "run", folder=tmp_path / "report", pdf=False)
    pictures = [path for path in report.figures if path.suffix == ".svg"]
    names = {path.stem for path in pictures}
    assert {"circuit", "learning", "confusion", "draws", "programmed", "power", "hidden"} <= names
    printed = look(report.page, tmp_path / "profile", len(pictures))
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") <= 60


@needs_browser
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('<img src="http://127.0.0.1:9/x.png">', "asks"),
        ("<script>console.error('no')</script>", "complains"),
        ('<div style="width: 900px">wide</div>', "wide"),
    ],
)
def test_the_browser_sees_what_is_wrong(tmp_path: Path, body: str, what: str) -> None:
    page = tmp_path / "page.html"
    head = '<!DOCTYPE html><meta name="viewport" content="width=device-width, initial-scale=1">'
    page.write_text(f"{head}<p>text</p>{body}")
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        browser.width(390)
        seen = {
            "asks": any(url.startswith("http:") for url in browser.requests()),
            "complains": any("entry" not in event for event in browser.complaints()),
            "wide": browser.value("document.documentElement.scrollWidth") > 390,
        }
    assert seen == {name: name == what for name in seen}
