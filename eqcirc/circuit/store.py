"""A circuit as a file: an npz archive of its arrays, and beside them one JSON text that says what they are.

Nothing is pickled: the file can hold only nodes, elements, laws and numbers of eqcirc's own kinds, and a circuit that
is read is checked like one that is built.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from eqcirc import devices
from eqcirc.circuit.arguments import SPICE_WORDS
from eqcirc.circuit.circuit import Circuit, Inputs
from eqcirc.circuit.readout import Readout
from eqcirc.circuit.validate import validate
from eqcirc.devices.rail import Rail
from eqcirc.errors import CircuitError, ConfigError, EqcircError
from eqcirc.files import write_output
from eqcirc.text import one_line

FORMAT = 1
TEXT = "circuit"  # the member of the archive that holds the JSON text
NAME = re.compile(r"[a-z0-9_]+")  # of nodes and elements: what every simulator takes

_KINDS: dict[str, Any] = {name: getattr(devices, name) for name in devices.__all__}
_KINDS |= {kind.__name__: kind for kind in (Circuit, Inputs, Readout, Rail)}


def circuit_bytes(circuit: Circuit) -> bytes:
    """Return a circuit as the content of a file; the same circuit gives the same bytes.

    Raises:
        CircuitError: a law or element of somebody else's own, which no file can hold.
    """
    arrays: dict[str, NDArray[Any]] = {}
    content = {"format": FORMAT, "circuit": _plain(circuit, arrays)}
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **{TEXT: text}, **arrays)
    return packed.getvalue()


def save_circuit(circuit: Circuit, path: Path | str) -> None:
    """Write a circuit with its present values to a file, which `load_circuit` reads and experiment files can name.

    Raises:
        CircuitError: a law or element of somebody else's own.
        ConfigError: the file cannot be written.
    """
    if not isinstance(circuit, Circuit):
        raise ConfigError(
            f"save_circuit(circuit, path): expected a circuit first, got {type(circuit).__name__}"
        )
    write_output(Path(path), circuit_bytes(circuit))


def load_circuit(path: Path | str) -> Circuit:
    """Read a circuit.

    Raises:
        CircuitError: no such file, not a circuit, damaged, or what it holds makes no circuit.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        content = json.loads(arrays[TEXT].tobytes().decode())
        if content["format"] != FORMAT:
            raise CircuitError(f"format {content['format']!r}, this version of eqcirc reads {FORMAT}")
        circuit = _restored(content["circuit"], arrays)
        if not isinstance(circuit, Circuit):
            raise TypeError("no circuit")
        _check_names(circuit)
        _check_nodes(circuit)
        validate(circuit)
    except FileNotFoundError as error:
        raise CircuitError(
            f"no circuit file {path}; eqcirc.save_circuit(circuit, path) writes one"
        ) from error
    except EqcircError as error:
        raise CircuitError(f"circuit file {path}: {error}") from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise CircuitError(
            f"circuit file {path}: expected a file that eqcirc.save_circuit wrote, undamaged, got something else "
            f"({one_line(repr(error))})"
        ) from error
    return circuit


def _plain(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return what JSON can hold of a value, and put its arrays aside."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, csr_array):
        parts = [_plain(part, arrays) for part in (value.data, value.indices, value.indptr)]
        return {"sparse": parts, "shape": list(value.shape)}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    kind = type(value).__name__
    if _KINDS.get(kind) is type(value):
        names = [f.name for f in fields(value)] if is_dataclass(value) else list(value._fields)
        return {"kind": kind} | {name: _plain(getattr(value, name), arrays) for name in names}
    if isinstance(value, tuple):
        return [_plain(part, arrays) for part in value]
    raise CircuitError(
        f"a circuit file can hold eqcirc's own elements and laws, not {kind}; keep such a circuit as the program that "
        "builds it"
    )


def _restored(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return the value that `_plain` was given; arrays cannot be written to."""
    if isinstance(value, list):
        return tuple(_restored(part, arrays) for part in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = arrays[value["array"]]
        array.flags.writeable = False
        return array
    if "sparse" in value:
        data, indices, indptr = (_restored(part, arrays) for part in value["sparse"])
        matrix = csr_array((data, indices, indptr), shape=tuple(value["shape"]))
        matrix.check_format(full_check=True)
        return matrix
    if "slice" in value:
        return slice(*value["slice"])
    kind = _KINDS.get(value["kind"])
    if kind is None:
        raise CircuitError(f"unknown kind {one_line(value['kind'])!r}; was it made by a newer version?")
    return kind(**{name: _restored(part, arrays) for name, part in value.items() if name != "kind"})


def _check_names(circuit: Circuit) -> None:
    """Refuse names that would end or change a line of a netlist."""
    for name in (*circuit.node_names, *(e.name for e in circuit.elements)):
        if not (isinstance(name, str) and NAME.fullmatch(name)) or name in SPICE_WORDS:
            raise CircuitError(f"{one_line(repr(name))} is no name of a node or element")
    if len(set(circuit.node_names)) < circuit.n_nodes or circuit.node_names[0] != "0":
        raise CircuitError("expected node 0 to be ground, and all nodes to have different names")


def _check_nodes(circuit: Circuit) -> None:
    """Refuse nodes that there are not."""
    used = [element.terminals() for element in circuit.elements]
    used += [circuit.inputs.node, circuit.readout.nodes, np.array([r.node for r in circuit.rails], np.intp)]
    for nodes in used:
        if nodes.dtype.kind != "i" or (nodes < 0).any() or (nodes >= circuit.n_nodes).any():
            raise CircuitError(f"a node that is none of the {circuit.n_nodes}")
    for rail in circuit.rails:
        rail.check(circuit.node_names[rail.node])
