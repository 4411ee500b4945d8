"""scripts/claims: prints every recorded claim and fails if one does not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "claims"


def run(*arguments: Path | str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def claim(**changes: Any) -> dict[str, Any]:
    return {"claim": "learns XOR", "bound": ">= 0.99", "measured": 1.0, "holds": True} | changes


def write(path: Path, *claims: Any) -> Path:
    path.write_text(json.dumps({"experiment": "x", "claims": list(claims)}), encoding="utf-8")
    return path


def test_prints_the_claims_of_all_files_in_one_table(tmp_path: Path) -> None:
    write(tmp_path / "a.json", claim(claim="first", measured=0.123456789), claim(claim="second"))
    write(tmp_path / "b.json", claim(claim="third", bound=[0, 0.5], measured={"low": 0.1, "high": 0.4}))
    (tmp_path / "notes.txt").write_text("not a result", encoding="utf-8")
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["file", "claim", "bound", "measured", "holds"]
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["a.json", "first"],
        ["a.json", "second"],
        ["b.json", "third"],
    ]
    assert "0.123457" in lines[2]
    assert "[0, 0.5]  low: 0.1, high: 0.4" in lines[4]
    assert lines[-1] == "3 of 3 claims hold; 2 files, 0 malformed"


def test_columns_line_up_and_long_claims_wrap(tmp_path: Path) -> None:
    write(tmp_path / "a.json", claim(claim="word " * 60), claim(claim="short"))
    lines = run(tmp_path).stdout.splitlines()
    starts = [index for index, sign in enumerate(lines[1]) if sign == "-" and lines[1][index - 1] != "-"]
    table = lines[: lines.index("")]
    assert len(table) > 4
    assert all(line[start - 1 : start] in ("", " ") for line in table for start in starts[1:])


def test_a_reader_that_goes_away_is_no_accident(tmp_path: Path) -> None:
    write(tmp_path / "a.json", *[claim()] * 5000)  # more than a pipe holds
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.readline()
        reading.stdout.close()
        assert reading.stderr.read() == ""
    assert reading.returncode == 141


def test_a_claim_that_does_not_hold_fails(tmp_path: Path) -> None:
    write(tmp_path / "a.json", claim(), claim(claim="beats the baseline", measured=0.5, holds=False))
    done = run(tmp_path)
    assert done.returncode == 1
    assert "does not hold: a.json: beats the baseline (bound >= 0.99, measured 0.5)" in done.stdout
    assert "1 of 2 claims hold" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", 'expected an object with a list "claims"'),
        ('{"claims": {}}', 'expected an object with a list "claims"'),
        ('{"claims": ["x"]}', "claim 1: expected an object, found str"),
        ('{"claims": [{"claim": "x", "holds": true}]}', "claim 1: missing bound, measured"),
        (json.dumps({"claims": [claim(claim=" ")]}), '"claim" must be a sentence'),
        (json.dumps({"claims": [claim(holds="yes")]}), "\"holds\" must be true or false, found 'yes'"),
        (
            json.dumps({"claims": [claim(measured=float("nan"))]}),
            '"measured" is nan, expected a finite number',
        ),
        (json.dumps({"claims": [claim(bound=[float("inf")])]}), '"bound" is inf, expected a finite'),
    ],
)
def test_a_malformed_file_fails_and_is_named(tmp_path: Path, content: str, message: str) -> None:
    write(tmp_path / "good.json", claim())
    (tmp_path / "bad.json").write_text(content, encoding="utf-8")
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"malformed: {tmp_path / 'bad.json'}: " in done.stdout
    assert message in done.stdout
    assert "1 of 1 claims hold; 2 files, 1 malformed" in done.stdout


def test_bytes_that_are_no_text_are_malformed(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"claims": "\xff"}')
    assert run(tmp_path).returncode == 1


def test_a_file_that_does_not_exist_fails(tmp_path: Path) -> None:
    done = run(tmp_path / "none.json")
    assert done.returncode == 1
    assert "none.json: cannot be read" in done.stdout


def test_no_results_is_no_failure(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 of 0 claims hold; 0 files, 0 malformed\n")


def test_reads_the_results_of_the_checkout_from_any_directory(tmp_path: Path) -> None:
    files = len(list((SCRIPT.parent.parent / "results").glob("*.json")))
    assert f"; {files} files, " in run(cwd=tmp_path).stdout


def test_runs_as_a_program(tmp_path: Path) -> None:
    write(tmp_path / "a.json", claim())
    done = subprocess.run([SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
