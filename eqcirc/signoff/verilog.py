"""Verilog-A of the bundle: whether two compilers take it. Nothing here simulates it."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePosixPath

from eqcirc.errors import DataError
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.sandbox import run
from eqcirc.text import counted, one_line

SECONDS = 60.0
_DIRECTIVE = re.compile(r"`(?!include \"(?:disciplines|constants)\.vams\"\s*$)\w*", re.MULTILINE)
_LOAD = "import sys, verilogae; verilogae.load(sys.argv[1])"


def syntax(bundle: Bundle) -> Outcome:
    """Give every va/*.va to admsXml and verilogae, where they are."""
    paths = [path for path in bundle.listed if path.startswith("va/") and path.endswith(".va")]
    if not paths:
        raise Skipped("the bundle has no Verilog-A")
    tools: dict[str, list[str]] = {}
    adms = shutil.which("admsXml")
    if adms is not None:
        tools["admsXml"] = [adms]
    with suppress(PackageNotFoundError):
        tools[f"verilogae {version('verilogae')}"] = [sys.executable, "-c", _LOAD]
    if not tools:
        raise Skipped("neither admsXml nor verilogae is installed: apt install adms, pip install verilogae")
    problems = []
    for path in paths:
        text = bundle.text(path)
        strange = _DIRECTIVE.search(text)
        if strange is not None:
            raise DataError(
                f"{path}: expected no directive but those that include disciplines, got {strange[0]}"
            )
        name = PurePosixPath(path).name
        for tool, command in tools.items():
            done = run([*command, name], {name: text.encode()}, seconds=SECONDS, reserves_memory=True)
            said = done.out + "\n" + done.err
            if done.code != 0 or "[fatal" in said or "[error" in said:
                lines = [line for line in said.splitlines() if re.search("fatal|error", line)] or [said]
                problems.append(f"{path}, {tool}: {one_line(lines[0])}")
    return Outcome(
        problems, f"the syntax of {counted(len(paths), 'module')}; nothing is simulated", ", ".join(tools)
    )
