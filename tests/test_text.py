"""Whatever a name holds, it stays within its line."""

from hypothesis import given
from hypothesis import strategies as st

from eqcirc.text import ascii_line, control_character, lines, one_line, quantity


@given(st.text())
def test_a_line_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1 and (not line or line.isprintable()) and len(line) <= 200
    assert ascii_line(text).isascii() and len(ascii_line(text).splitlines()) <= 1


def test_a_newline_cannot_begin_a_card() -> None:
    assert one_line("a\n*# shell touch /tmp/x\n.control") == "a *# shell touch /tmp/x .control"
    assert "\x1b" not in one_line("\x1b[2J")
    assert one_line("x" * 300, 10) == "xxxxxxxxx…" and ascii_line("Ω" + "x" * 300, 10) == "?xxxxxxxx~"


def test_lines_keep_their_ends_and_nothing_else_that_commands() -> None:
    assert lines("a\n  b\x1b[2J\r\t\x07é") == "a\n  b?[2J???é"


def test_control_characters_are_found_however_deep() -> None:
    assert control_character({"a": [1, 2.5, None, True, {"b": "é Ω"}]}) is None
    assert control_character({"a": [{"b": "x\x00"}]}) == "\x00"
    assert control_character([{"a\n": 1}]) == "\n"


def test_numbers_without_a_unit_are_said_alone() -> None:
    assert quantity("0.1", "V²") == "0.1 V²"
    assert quantity("0.1", "1") == "0.1"
    assert quantity("1", "1") == "1"
