from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eqcirc import GROUND, CircuitBuilder, ShockleyDiode, export_bundle
from tests.cli.conftest import Result

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = CircuitBuilder("divider")
    x, out = builder.input("x", 2), builder.nodes("out", 2)
    builder.crossbar("w", x, out, [[1e-6, 2e-6], [3e-6, 4e-6]])
    builder.device("clamp", out, [GROUND, GROUND], ShockleyDiode())
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    return export_bundle(builder.build(out), folder, inputs=[[1.0, -0.5], [0.2, 0.4]], target="spice")


@pytest.fixture
def bundle(eqcirc: Command, exported: Path) -> Path:
    shutil.copytree(exported, "bundle")
    return Path("bundle")


def test_verify_says_what_passed_and_what_was_skipped(eqcirc: Command, bundle: Path) -> None:
    done = eqcirc("verify", bundle, "--only", "hashes", "--only", "ngspice", "--only", "layout-lvs")
    assert done.code == 0
    assert "passed  hashes" in done.out
    assert "passed  ngspice" in done.out
    assert "skipped layout-lvs: the bundle has no" in done.out
    report = json.loads((bundle / "verify/report.json").read_text())
    assert [check["verdict"] for check in report["checks"]] == ["passed", "passed", "skipped"]
    page = (bundle / "verify/report.html").read_text()
    assert "no check failed" in page
    assert "all checks passed" not in page


def test_a_page_about_some_checks_does_not_speak_of_all(eqcirc: Command, bundle: Path) -> None:
    assert eqcirc("verify", bundle, "--only", "hashes").code == 0
    page = (bundle / "verify/report.html").read_text()
    assert "all checks passed" not in page
    assert "other checks were not asked for" in page


def test_what_was_skipped_alone_is_no_success(eqcirc: Command, bundle: Path) -> None:
    assert eqcirc("verify", bundle, "--only", "layout-lvs").code == 1


def test_a_bundle_that_was_changed_fails(eqcirc: Command, bundle: Path) -> None:
    (bundle / "dut.sp").write_text("* <script>alert(1)</script>\n.control\n")
    done = eqcirc("verify", bundle, "--only", "hashes", "--only", "text", "--json")
    assert done.code == 1
    assert done.json["passed"] is False
    assert {check["check"]: check["verdict"] for check in done.json["checks"]} == {
        "hashes": "failed",
        "text": "failed",
    }
    assert "<script>" not in (bundle / "verify/report.html").read_text()


def test_links_lead_nowhere(eqcirc: Command, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (bundle / "pins.csv").unlink()
    (bundle / "pins.csv").symlink_to(tmp_path / "secret")
    done = eqcirc("verify", bundle, "--only", "hashes")
    assert done.code == 1
    assert "got a link" in done.out
    (bundle / "verify/report.json").unlink()
    (bundle / "verify/report.html").unlink()
    (bundle / "verify").rmdir()
    (bundle / "verify").symlink_to(tmp_path)
    assert eqcirc("verify", bundle, "--only", "hashes").code == 2


@pytest.mark.parametrize(
    ("folder", "only", "code", "said"),
    [
        ("nowhere", "hashes", 6, "expected the folder of a bundle"),
        (".", "hashes", 6, "is no bundle"),
        ("bundle", "hash", 2, "did you mean 'hashes'"),
    ],
)
def test_wrong_input_is_told(
    eqcirc: Command, bundle: Path, folder: str, only: str, code: int, said: str
) -> None:
    done = eqcirc("verify", folder, "--only", only)
    assert done.code == code
    assert said in done.err


@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b'{"schema": "other"}', b"\xff\xfe"])
def test_manifests_that_are_none_are_refused(eqcirc: Command, bundle: Path, content: bytes) -> None:
    (bundle / "MANIFEST.json").write_bytes(content)
    done = eqcirc("verify", bundle)
    assert done.code == 6
    assert "expected the manifest" in done.err
