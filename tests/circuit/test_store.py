"""A circuit that is written and read is the same circuit; a file that is none says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.doubled import doubled
from eqcirc.circuit.store import circuit_bytes, load_circuit, save_circuit
from eqcirc.circuit.turned import turned
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import CircuitError
from eqcirc.experiment.provenance import fingerprint
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.catalogue import NAMES, case


@pytest.mark.parametrize("name", NAMES)
def test_a_circuit_survives_a_file(name: str, tmp_path: Path) -> None:
    one = case(name).circuit
    save_circuit(one, tmp_path / "circuit.npz")
    other = load_circuit(tmp_path / "circuit.npz")
    assert fingerprint(other) == fingerprint(one) and other.name == one.name
    assert [e.name for e in other.elements] == [e.name for e in one.elements]
    for first, second in zip(one.elements, other.elements, strict=True):
        assert first.value.tobytes() == second.value.tobytes() and first.bounds == second.bounds
    assert circuit_bytes(other) == circuit_bytes(one)


def test_it_has_the_same_operating_points(tmp_path: Path) -> None:
    here = case("antiparallel")
    save_circuit(here.circuit, tmp_path / "circuit.npz")
    there = load_circuit(tmp_path / "circuit.npz")
    points = [IdealSolver(c).solve(None, here.inputs).voltages for c in (here.circuit, there)]
    assert points[0].tobytes() == points[1].tobytes()


@pytest.mark.parametrize("make", [turned, doubled])
def test_circuits_made_of_circuits_survive_too(make: object, tmp_path: Path) -> None:
    assert callable(make)
    one = make(case("signed").circuit).circuit
    save_circuit(one, tmp_path / "circuit.npz")
    assert fingerprint(load_circuit(tmp_path / "circuit.npz")) == fingerprint(one)


class Mine(ShockleyDiode):
    """Somebody's own law."""


def test_a_law_of_ones_own_is_refused_when_it_is_written(tmp_path: Path) -> None:
    b = CircuitBuilder("own")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, 1e-5)
    b.device("d", out, GROUND, Mine(1e-9))
    with pytest.raises(CircuitError, match="not Mine"):
        save_circuit(b.build(out), tmp_path / "circuit.npz")
    assert not list(tmp_path.iterdir())


def _damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "text":
        content = bytearray(b"V1 1 0 5\n")
    else:
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "text"])
def test_a_damaged_file_is_named(how: str, tmp_path: Path) -> None:
    path = tmp_path / "circuit.npz"
    save_circuit(case("bridge").circuit, path)
    _damaged(path, how)
    with pytest.raises(CircuitError, match=r"circuit file .*circuit\.npz: expected a file that"):
        load_circuit(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="save_circuit"):
        load_circuit(tmp_path / "none.npz")


def test_a_name_cannot_smuggle_in_a_card(tmp_path: Path) -> None:
    one = case("bridge").circuit
    evil = replace(one, node_names=(*one.node_names[:-1], "a\n.control"))
    save_circuit(evil, tmp_path / "evil.npz")
    with pytest.raises(CircuitError, match="is no name of a node"):
        load_circuit(tmp_path / "evil.npz")


def test_a_node_that_there_is_not_is_refused(tmp_path: Path) -> None:
    one = case("bridge").circuit
    element = one.elements[0]
    beyond = replace(element, a=np.full_like(element.a, 99))  # type: ignore[call-arg]
    save_circuit(replace(one, elements=(beyond, *one.elements[1:])), tmp_path / "far.npz")
    with pytest.raises(CircuitError, match="a node that is none of the"):
        load_circuit(tmp_path / "far.npz")
