"""What reaches a simulator. The decks are among those that make ngspice 39 run commands, write files or die."""

from __future__ import annotations

import pytest

from eqcirc.errors import DataError
from eqcirc.signoff.gate import checked

HARMLESS = """* a bench
.include models.sp
v_eq_x eq_x 0 0
b_eq_f 0 a i=v(eq_h)>0.5?1e-3*(pwl(v(eq_vector),0,1.5,1,-2e-7)):0
x_dut a
+ b part
d_1 a b m_up area=2.0
.options reltol=1e-9 noacct
.temp 27
.dc v_eq_x 0 1 1
.print dc v(a) v(x_dut.b) i(v_eq_x)
.end
"""
MODELS = """* models
.model m_up d is=1e-09 n=1.0
.subckt part a b
r_1 a b 1e3
g_1 a b poly(1) a b 0 -0.003 0.0 0.001
.ends part
"""


def test_a_bench_passes_with_what_it_includes_in_place() -> None:
    text = checked("tb.sp", {"tb.sp": HARMLESS, "models.sp": MODELS})
    assert text == HARMLESS.replace(".include models.sp", MODELS)


@pytest.mark.parametrize(
    "lines",
    [
        ".control\nshell true\n.endc",
        ".CONTROL",
        "*# shell true",
        "  *# shell true",
        "* *# true",
        "*ng_script",
        "r1 a b 1\n*NG_SCRIPT",
        "b1 a 0 v=`true`",
        "r1 a 0 1e3 ; echo",
        ".options measoutfile=out",
        ".options reltol=1e-3\n+ measoutfile=out",
        ".options reltol=1e-3\n* between\n+ measoutfile=out",
        ".include /etc/passwd",
        ".include ../other.sp",
        ".include other.sp",
        ".lib models.sp tt",
        ".model m nmos level=8",
        ".model m filesource(file=x)",
        "a1 [a] [b] source",
        ".meas dc x max v(a)",
        ".csparam x=1",
        ".func f(x)={f(x)+1}",
        ".param x={x}",
        "r1 a 0 {1}",
        ".end\n.control",
        "!true",
        "r1 a 0 1\r",
        "r1 a 0 1\x00",
        "r1 a 0 1é",
        ".include tb.sp",
        ".subckt s a\nx1 a s\n.ends s\nx1 a s",
        ".subckt s a\nr1 a 0 1\n.ends s\n.subckt s a\nr1 a 0 2\n.ends s",
        "r1 " + "a" * 200_001 + " 0 1",
    ],
)
def test_what_is_no_plain_netlist_is_refused_by_name_and_line(lines: str) -> None:
    with pytest.raises(DataError, match=r"^(tb|other)\.sp"):
        checked("tb.sp", {"tb.sp": f"* bench\n{lines}\n"})


def test_subcircuits_that_double_again_and_again_are_refused() -> None:
    cells = [".subckt s0 a\nr1 a 0 1\n.ends s0"]
    cells += [f".subckt s{k} a\nx1 a s{k - 1}\nx2 a s{k - 1}\n.ends s{k}" for k in range(1, 30)]
    with pytest.raises(DataError, match="devices are more than"):
        checked("tb.sp", {"tb.sp": "* bomb\n" + "\n".join([*cells, "x1 a s29", ""])})
