"""Bundles by somebody who wants something else than a circuit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from eqcirc.errors import EngineError
from eqcirc.signoff.check import Verdict
from eqcirc.signoff.sandbox import run
from eqcirc.signoff.verify import verify_bundle

Change = Callable[[Mapping[str, bytes]], Path]
RUNNING = ("ngspice", "ngspice-wasm", "gnucap", "graph-klayout", "graph-netgen", "layout-ngspice")


@pytest.mark.parametrize("name", ["dut.sp", "models.sp", "tb_op.sp"])
def test_commands_in_a_netlist_are_not_run(bundle: Path, changed: Change, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    command = f"\n.control\nshell touch {marker}\n.endc\n*# shell touch {marker}\n"
    folder = changed({name: (bundle / name).read_bytes() + command.encode()})
    found = {r.check.key: r.verdict for r in verify_bundle(folder, ("text", *RUNNING)).results}
    assert found["text"] is Verdict.FAILED
    assert found["ngspice"] is Verdict.FAILED
    assert not marker.exists()


def test_start_up_files_are_not_read(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, marker = tmp_path / "mine", tmp_path / "marker"
    shutil.copytree(bundle, folder)
    for place in (folder, tmp_path):
        (place / ".spiceinit").write_text(f"shell touch {marker}\n")
        (place / "spinit").write_text(f"shell touch {marker}\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SPICE_SCRIPTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    results = verify_bundle(folder, ("hashes", "ngspice")).results
    assert [result.verdict for result in results] == [
        Verdict.FAILED,
        Verdict.PASSED,
    ]  # files that nobody listed
    assert not marker.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../secret", "plain words"),
        ("/etc/passwd", "plain words"),
        ("a//b", "plain words"),
        ("none.txt", "cannot be read"),
    ],
)
def test_paths_of_a_manifest_stay_within_the_bundle(
    bundle: Path, tmp_path: Path, path: str, said: str
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(bundle, folder)
    text = (folder / "MANIFEST.json").read_text()
    (folder / "MANIFEST.json").write_text(text.replace('"golden.csv"', f'"{path}"'))
    (result,) = verify_bundle(folder, ["hashes"]).results
    assert any(said in problem for problem in result.problems)


def test_tolerances_that_allow_everything_allow_no_more_than_ours(bundle: Path, changed: Change) -> None:
    text = (bundle / "golden.csv").read_text().replace(",1e-06,1e-06\n", ",1e9,1e9\n")
    assert ",1e9,1e9\n" in text
    wrong = text.replace("node,op_0,", "node,op_0,1")
    for content, verdict in ((text, Verdict.PASSED), (wrong, Verdict.FAILED)):
        folder = changed({"golden.csv": content.encode()})
        (result,) = verify_bundle(folder, ["ngspice"]).results
        assert result.verdict is verdict
        shutil.rmtree(folder)


def test_vectors_that_are_left_out_are_missed(bundle: Path, changed: Change) -> None:
    lines = (bundle / "golden.csv").read_text().splitlines()
    kept = [line for line in lines if ",node,op_0," not in line]
    (result,) = verify_bundle(changed({"golden.csv": "\n".join(kept).encode()}), ["ngspice"]).results
    assert result.problems == ["golden.csv: there is no node of port op_0"]


def test_what_never_ends_is_stopped() -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    with pytest.raises(EngineError, match="did not end within"):
        run([sleep, "60"], seconds=0.2)
