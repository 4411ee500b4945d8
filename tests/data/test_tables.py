from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eqcirc.data import Scaler
from eqcirc.data.tables import load_csv, load_npz, read_samples
from eqcirc.errors import DataError
from eqcirc.typing import Array


def csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_column_but_the_label_is_a_feature(tmp_path: Path) -> None:
    data = load_csv(csv(tmp_path, "a,label,b\n1,0,2.5\n3,1,-4e-3\n"))
    assert data.inputs.tolist() == [[1, 2.5], [3, -0.004]]
    assert data.labels is not None
    assert (data.labels.tolist(), data.n_classes, data.name) == ([0, 1], 2, "mine.csv")
    assert data.names == data.take([1]).names == ("a", "b")


def test_the_label_column_can_have_another_name(tmp_path: Path) -> None:
    assert load_csv(csv(tmp_path, "class,a\n1,5\n0,6\n"), label="class").inputs.tolist() == [[5], [6]]


def test_targets_make_a_regression_with_columns_in_the_asked_order(tmp_path: Path) -> None:
    data = load_csv(csv(tmp_path, "y,a,z\n1,2,3\n4,5,6\n"), targets=("z", "y"))
    assert data.targets is not None
    assert (data.inputs.tolist(), data.targets.tolist()) == ([[2], [5]], [[3, 1], [6, 4]])


def test_spreadsheet_habits_are_read(tmp_path: Path) -> None:
    """A mark of the byte order, spaces after commas, quotes, carriage returns and blank lines."""
    data = load_csv(csv(tmp_path, '\ufeff"a", label\r\n1, 0\r\n\r\n"2", 1\r\n\r\n'))
    assert data.inputs.tolist() == [[1], [2]]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "file.csv"


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_numbers_survive_the_file_to_the_last_bit(scratch: Path, values: Array) -> None:
    names = [f"x{column}" for column in range(values.shape[1])]
    rows = [",".join(map(repr, row)) for row in values.tolist()]
    scratch.write_text("\n".join([",".join([*names, "y"]), *(f"{row},0" for row in rows)]))
    np.testing.assert_array_equal(load_csv(scratch, targets=("y",)).inputs, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table with a header: No columns to parse"),
        ("a,label\n", "expected at least 1 row below the header, got none"),
        ("a,lable\n1,0\n", "expected a column 'label' in the header; did you mean 'lable'? Valid: a, lable."),
        ("label\n0\n1\n", "expected at least 1 feature column beside label, got none"),
        (
            "a,label\n1,0\nx,1\n",
            "expected a finite number, got 'x' in column 'a', line 3, 1 such cell(s) in all; repair or drop these rows",
        ),
        (
            "a,label\n1,0\n?,1\n!,1\n",
            "got '?' in column 'a', line 3, 2 such cell(s)",
        ),
        ("a,b,label\n1,2,0\n1,,1\n", "got an empty cell or NaN in column 'b', line 3"),
        ("a,label\n1,0\nnan,1\n", "got an empty cell or NaN in column 'a', line 3"),
        ("a,label\n1,0\n-inf,1\n", "got '-inf' in column 'a', line 3"),
        ("a,label\n1,0\n2\n", "got an empty cell or NaN in column 'label', line 3"),
        (
            "a,label\n1,0\n2,1,7\n",
            "expected a table with a header: Error tokenizing data. C error: Expected 2 fields in line 3",
        ),
        ("a,label\n9,1,0\n9,2,1\n", "expected 2 cells in each row, as in the header, got more"),
        (",a,label\n0,1,0\n5,2,1\n", "column 0 (counted from 0) has none; name or remove it"),
        ("a,label,label\n1,0,0\n", "expected different column names, got 'label' 2 times"),
        (
            "a,label\n1,cat\n2,\n",
            "expected a class, got an empty cell or NaN in column 'label', line 3, 1 such",
        ),
        ("a,label\n\n1,0\n\n\nx,1\n", "got 'x' in column 'a', line 6"),  # of the file, blank ones counted
        ('"a\nb",label\n1,0\n\nx,1\n', "line 5"),
        (
            '"a,label\n1,0\n2,1\n',
            "expected a table with a header: Error tokenizing data. C error: EOF inside",
        ),
        (
            "1.5,2e3,0\n2,3,1\n",
            "expected a first line that names the columns, got only numbers: 1.5, 2e3, 0; put",
        ),
    ],
)
def test_unusable_tables_are_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_csv(path)
    assert str(caught.value).startswith(f"{path}: expected")


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        ("1 2 3", [0, 1, 2], "1 2 3"),
        ("0 2 10 2", [0, 1, 2, 1], "0 2 10"),
        ("1 -1.0 1.0", [1, 0, 1], "-1 1"),
        ("no yes no", [0, 1, 0], "no yes"),
        ("Iris-setosa None NA", [0, 2, 1], "Iris-setosa NA None"),
        ("True False True", [1, 0, 1], "False True"),
    ],
)
def test_classes_keep_their_names_in_a_natural_order(
    tmp_path: Path, labels: str, numbers: list[int], classes: str
) -> None:
    rows = "".join(f"7,{label}\n" for label in labels.split())
    data = load_csv(csv(tmp_path, "a,label\n" + rows))
    assert data.labels is not None
    assert (data.labels.tolist(), data.classes) == (numbers, tuple(classes.split()))
    arrays = {"inputs": np.ones((len(numbers), 1)), "labels": np.array(labels.split())}
    assert load_npz(npz(tmp_path, **arrays)).classes == data.classes


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0 0 0", "mine.csv: expected at least 2 classes, got n_classes=1"),
        (
            "0 1.5 1",
            "expected whole numbers or text as classes in column 'label', got 1.5; name numbers",
        ),
        (
            "0 1 1O",
            "expected either numbers or text as classes in column 'label', got '1O' among numbers; repair",
        ),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, labels: str, message: str) -> None:
    rows = "".join(f"7,{label}\n" for label in labels.split())
    with pytest.raises(DataError, match=re.escape(message)):
        load_csv(csv(tmp_path, "a,label\n" + rows))


def test_numbers_that_are_likely_no_classes_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = csv(tmp_path, "x,age\n" + "".join(f"{k},{20 + k % 30}\n" for k in range(60)))
    load_csv(path, "age")
    assert "column 'age' has 30 classes in 60 rows; if it holds numbers to predict" in caplog.text


def test_known_classes_keep_their_numbers(tmp_path: Path) -> None:
    """Of a new file to be scored, which may lack a class that the circuit knows, and may not have another one."""
    path = csv(tmp_path, "a,label\n1,dog\n2,bird\n")
    data = load_csv(path, classes=("bird", "cat", "dog"))
    assert data.labels is not None
    assert (data.labels.tolist(), data.n_classes) == ([2, 0], 3)
    with pytest.raises(DataError, match=re.escape("got 'bird'; Valid: cat, dog.")):
        load_csv(path, classes=("cat", "dog"))


def test_columns_are_chosen_or_dropped(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,a,b,label\ns1,1,2,0\ns2,3,4,1\n")
    data = load_csv(path, drop=("id",))
    assert (data.names, data.inputs.tolist()) == (("a", "b"), [[1, 2], [3, 4]])
    data = load_csv(path, columns=("b", "a"))
    assert (data.names, data.inputs.tolist()) == (("b", "a"), [[2, 1], [4, 3]])
    with pytest.raises(DataError, match="expected a column 'idd' in the header; did you mean 'id'"):
        load_csv(path, drop=("idd",))
    with pytest.raises(DataError, match="expected different columns as features, got a, a"):
        load_csv(path, columns=("a", "a"))
    with pytest.raises(DataError, match="expected columns beside label as features, got 'label'"):
        load_csv(path, columns=("a", "label"))


PLAIN = "a,b,label\n1.5,2,0\n-3,1e-2,1\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace(",", "   "),
        PLAIN.replace(",", "|"),
        "# made by hand\n" + PLAIN.replace("-3", "# broken: 7,8\n-3"),
        "# a,b,label\n" + PLAIN.partition("\n")[2],
        '"a","b","label"\n"1.5","2","0"\n"-3","1e-2","1"\n',
        PLAIN.replace("\n", ";\n").replace(",", ";"),
        ",a,b,label\n0,1.5,2,0\n1,-3,1e-2,1\n",
        "a,b,label\n1.5,2,0,\n-3,1e-2,1,\n",
        "sep=|\n" + PLAIN.replace(",", "|"),
    ],
)
def test_tables_are_read_as_people_have_them(tmp_path: Path, text: str) -> None:
    data = load_csv(csv(tmp_path, text))
    assert data.labels is not None
    assert (data.names, data.labels.tolist()) == (("a", "b"), [0, 1])
    assert data.inputs.tolist() == [[1.5, 2], [-3, 0.01]]


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{tmp_path / 'no.csv'}: expected a file here, found none")
    ):
        load_csv(tmp_path / "no.csv")
    (tmp_path / "binary.csv").write_bytes(b"\x80\xff\x00\x01")
    with pytest.raises(
        DataError, match=re.escape("binary.csv: expected a table of text, got bytes that are none")
    ):
        load_csv(tmp_path / "binary.csv")


# samples without labels


FITTED = Scaler(np.array([1.0, 10.0]), np.array([2.0, 0.5]), ("a", "b"))


def test_samples_are_found_by_name_and_scaled(tmp_path: Path) -> None:
    path = csv(tmp_path, "b,a\n12,3\n10,1\n")
    assert read_samples(path, FITTED).tolist() == [[4, 1], [0, 0]]
    assert read_samples(path, FITTED, scaled=True).tolist() == [[3, 12], [1, 10]]


def test_samples_of_features_without_names_go_by_position(tmp_path: Path) -> None:
    nameless = Scaler(FITTED.offset, FITTED.factor)
    assert read_samples(csv(tmp_path, "b,a\n3,12\n"), nameless).tolist() == [[4, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,c\n1,2\n",
            "expected the features that the circuit was made for (a, b), no column is called b; got a, c; rename",
        ),
        ("3,12\n4,13\n", "expected a first line that names the columns, got only numbers: 3, 12; put"),
        ("a,b\n1,nan\n", "expected a finite number, got an empty cell or NaN in column 'b', line 2"),
    ],
)
def test_samples_of_something_else_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"mine.csv: {message}")):
        read_samples(csv(tmp_path, text), FITTED)


def test_what_samples_belong_to_may_stand_beside_them(tmp_path: Path) -> None:
    path = csv(tmp_path, "b,a,label,id\n12,3,,s7\n")
    assert read_samples(path, FITTED).tolist() == [[4, 1]]
    nameless = Scaler(FITTED.offset, FITTED.factor)
    assert read_samples(csv(tmp_path, "b,class,a\n3,cat,12\n"), nameless, label="class").tolist() == [[4, 1]]
    with pytest.raises(DataError, match="expected 2 columns, one for each feature, got 3: b, class, a"):
        read_samples(path.with_name("mine.csv"), nameless)


def test_of_hundreds_of_columns_a_few_are_named(tmp_path: Path) -> None:
    header = ",".join(f"p{k}" for k in range(784))
    with pytest.raises(DataError, match=r"got p0, .*, p19, … \(784 in all\); rename"):
        read_samples(csv(tmp_path, f"{header}\n" + ",".join("0" * 784) + "\n"), FITTED)


def npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    return tmp_path / "mine.npz"


def test_npz_gives_a_classification_or_a_regression(tmp_path: Path) -> None:
    inputs = np.arange(6.0).reshape(3, 2)
    data = load_npz(npz(tmp_path, inputs=inputs, labels=np.array([2, 0, 1])))
    assert (data.inputs.tolist(), data.n_classes, data.name) == (inputs.tolist(), 3, "mine.npz")
    data = load_npz(npz(tmp_path, inputs=inputs, targets=-inputs, note=np.array("kept aside")))
    np.testing.assert_array_equal(data.targets, -inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected the arrays inputs and one of labels and targets, got none"),
        ({"inputs": [[1]], "label": [0]}, "one of labels and targets, got inputs, label"),
        ({"inputs": [[1]], "labels": [0], "targets": [[1]]}, "got inputs, labels, targets"),
        (
            {"inputs": [[1.0], [np.nan]], "labels": [0, 1]},
            "expected finite inputs, got nan at row 1, column 0",
        ),
        (
            {"inputs": [[1.0], [2.0]], "labels": [1, 2.5]},
            "expected whole numbers or text as classes in labels, got 2.5",
        ),
        ({"inputs": [[1.0], [2.0]], "labels": [[1, 2]]}, "expected labels of shape (samples,), got (1, 2)"),
        (
            {"inputs": np.zeros((2, 3, 3)), "labels": [0, 1]},
            "expected inputs of shape (samples, columns), got (2, 3",
        ),
        ({"inputs": [[1.0]], "targets": [1.0]}, "expected targets of shape (samples, columns), got (1,)"),
        (
            {"inputs": np.array([[None]]), "labels": [0]},
            "expected an undamaged NPZ archive of numeric arrays",
        ),
    ],
)
def test_unusable_archives_are_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_npz(npz(tmp_path, **content))
    assert "mine.npz: expected" in str(caught.value)


def test_every_truncation_of_an_archive_is_found(tmp_path: Path) -> None:
    path = npz(tmp_path, inputs=np.ones((2, 2)), labels=np.array([0, 1]))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"mine\.npz: expected an undamaged NPZ archive"):
            load_npz(path)


def test_something_else_than_an_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(
        DataError, match=r"expected an NPZ archive, got a single array; write it with numpy.savez"
    ):
        load_npz(tmp_path / "array.npy")
    (tmp_path / "text.npz").write_text("a,label\n")
    with pytest.raises(DataError, match=r"text.npz: expected an undamaged NPZ archive .* \(ValueError\)"):
        load_npz(tmp_path / "text.npz")
    with pytest.raises(DataError, match=r"no.npz: expected a file here, found none; check the path"):
        load_npz(tmp_path / "no.npz")
