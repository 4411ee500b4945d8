"""Simulators that a bundle is run in. Each takes the text of a checked deck and returns what it computed, by name.

An engine says where it is, or why it cannot be used; what it prints is looked through for signs of trouble, because
its exit code says little: ngspice leaves with 0 after a singular matrix, gnucap always.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from eqcirc.errors import EngineError
from eqcirc.signoff.sandbox import run
from eqcirc.text import one_line
from eqcirc.typing import Array

Vectors = dict[str, Array]
"""Voltages by ``v(node)`` and currents by ``i(source)``, lower case, a value for each point of the sweep."""

_TROUBLE = re.compile(
    r"singular matrix|aborted|not parsed|no simulations run|mismatch of|redefinition|can't find model|unrecognized"
    r"|unknown|^error|fatal|timestep too small|resistance to low|no such|undefined",
    re.IGNORECASE | re.MULTILINE,
)


_SUFFIXES = {
    "": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "K": 1e3, "Meg": 1e6, "G": 1e9, "T": 1e12
}  # fmt: skip


@dataclass(frozen=True)
class Tool:
    """A program of somebody else.

    Attributes:
        path: where it is; None if it is not there.
        version: what it calls itself.
        missing: what to do if it is not there.
    """

    path: str | None
    version: str = ""
    missing: str = ""


def ngspice_tool() -> Tool:
    """Find ngspice."""
    path = shutil.which("ngspice")
    if path is None:
        return Tool(None, missing="ngspice is not installed: apt install ngspice")
    said = run([path, "-v"], seconds=60).out
    found = re.search(r"ngspice-(\S+)", said)
    return Tool(path, f"ngspice {found[1] if found else 'of an unknown version'}")


def ngspice(tool: Tool, deck: str, seconds: float) -> Vectors:
    """Run a deck in plain ngspice.

    Raises:
        EngineError: it did not end in time, or computed nothing.
    """
    assert tool.path is not None
    command = [tool.path, "-n", "-b", "-r", "out.raw", "deck.sp"]
    done = run(command, {"deck.sp": deck.encode("ascii")}, seconds=seconds, wanted=("out.raw",))
    said = done.out + "\n" + done.err
    trouble = _TROUBLE.search(said)
    if done.code != 0 or "out.raw" not in done.files or trouble:
        line = said[said.rfind("\n", 0, trouble.start()) + 1 :].splitlines()[0] if trouble else said[-200:]
        raise EngineError(f"ngspice left with exit code {done.code}: {one_line(line)}")
    return read_raw(done.files["out.raw"])


def read_raw(content: bytes) -> Vectors:
    """Return the vectors of a binary raw file with real values.

    Raises:
        EngineError: it is none, or holds no point.
    """
    head, mark, body = content.partition(b"Binary:\n")
    lines = head.decode("ascii", "replace").splitlines()
    counts = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines if ":" in line}
    try:
        variables, points = int(counts["No. Variables"]), int(counts["No. Points"])
        first = lines.index("Variables:") + 1
        names = [line.split()[1] for line in lines[first : first + variables]]
        table = np.frombuffer(body, np.float64, variables * points).reshape(points, variables)
    except (KeyError, ValueError, IndexError) as error:
        raise EngineError("expected a binary raw file of real values from ngspice") from error
    if not mark or not points:
        raise EngineError("the raw file of ngspice holds no point")
    return {_name(name): column for name, column in zip(names, table.T, strict=True)}


def _name(name: str) -> str:
    """Return the name of a vector as test benches say it."""
    name = name.lower()
    if "(" in name:
        return name
    return f"i({name.removesuffix('#branch')})" if name.endswith("#branch") else f"v({name})"


def wasm_tool() -> Tool:
    """Find Node and the npm package eecircuit-engine: in NODE_PATH, or where `npm install -g` puts packages."""
    node = shutil.which("node")
    if node is None:
        return Tool(None, missing="Node is not installed: apt install nodejs npm")
    folders = [Path(entry) for entry in os.environ.get("NODE_PATH", "").split(os.pathsep) if entry]
    prefix = Path(node).resolve().parent.parent
    folders += [prefix / "lib" / "node_modules", Path("/usr/local/lib/node_modules")]
    for folder in folders:
        package = folder / "eecircuit-engine"
        module = package / "dist" / "eecircuit-engine.mjs"
        if module.is_file():
            about = json.loads((package / "package.json").read_text(encoding="utf-8"))
            return Tool(
                str(module.resolve()), f"eecircuit-engine {about.get('version')}, ngspice as WebAssembly"
            )
    return Tool(
        None,
        missing="the npm package eecircuit-engine is not installed: npm install -g eecircuit-engine, or set NODE_PATH "
        "to the node_modules that holds it",
    )


def wasm(tool: Tool, deck: str, seconds: float) -> Vectors:
    """Run a deck in ngspice as WebAssembly, a newer one that is built by others.

    A deck that it cannot run often leaves its promise open for ever, so it runs in a process that is stopped.

    Raises:
        EngineError: it did not end in time, or computed nothing.
    """
    node = shutil.which("node")
    assert tool.path is not None and node is not None
    script = files("eqcirc.signoff").joinpath("wasm.mjs").read_bytes()
    given = {"run.mjs": script, "deck.sp": deck.encode("ascii")}
    done = run(
        [node, "run.mjs", Path(tool.path).as_uri(), "deck.sp"], given, seconds=seconds, reserves_memory=True
    )
    try:
        content = json.loads(done.out)
        problems = [text for text in content["errors"] if _TROUBLE.search(text)]
        vectors = {_name(name): np.array(x, np.float64) for name, x in content["vectors"].items()}
    except (ValueError, KeyError, TypeError) as error:
        said = one_line(done.err[-200:] or done.out[-200:])
        raise EngineError(f"eecircuit-engine left with exit code {done.code}: {said}") from error
    if problems or not vectors:
        raise EngineError(f"eecircuit-engine says: {one_line('; '.join(problems) or 'nothing computed')}")
    return vectors


def gnucap_tool() -> Tool:
    """Find gnucap."""
    path = shutil.which("gnucap")
    if path is None:
        return Tool(None, missing="gnucap is not installed: apt install gnucap gnucap-default-plugins0")
    found = re.search(r"main version: (.+)", run([path, "-v"], seconds=60).out)
    return Tool(path, f"gnucap {found[1].strip() if found else 'of an unknown version'}")


def gnucap(tool: Tool, deck: str, seconds: float) -> Vectors:
    """Run a deck in gnucap, the one simulator here that is no descendant of Berkeley's SPICE.

    Raises:
        EngineError: it did not end in time, or complains; its exit code is always 0.
    """
    assert tool.path is not None
    done = run([tool.path, "-b", "deck.ckt"], {"deck.ckt": deck.encode("ascii")}, seconds=seconds)
    complaint = re.search(r"^ *\^ ?\?.*|missing args.*|.*can't find.*", done.out, re.MULTILINE)
    if complaint is not None:
        before = done.out[: complaint.start()].splitlines()[-1:]
        raise EngineError(f"gnucap complains: {one_line(' '.join([*before, complaint[0]]))}")
    return read_gnucap(done.out)


def read_gnucap(out: str) -> Vectors:
    """Return the vectors of a table that gnucap prints: a line of names that begins with #, and a line for each point.

    Raises:
        EngineError: there is none.
    """
    names: list[str] = []
    rows: list[list[float]] = []
    for line in out.splitlines():
        if line.startswith("#"):
            names = line[1:].lower().split()
        elif names:
            try:
                rows.append([_engineering(word) for word in line.split()[-len(names) :]])
            except (ValueError, KeyError):
                continue
    rows = [row for row in rows if len(row) == len(names)]
    if not rows:
        raise EngineError("gnucap printed no values")
    return dict(zip(names, np.array(rows).T, strict=True))


def _engineering(word: str) -> float:
    """Return a number as gnucap prints it, such as -500.u."""
    digits = word.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return float(digits) * _SUFFIXES[word[len(digits) :]]
