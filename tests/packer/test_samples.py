"""`--samples FILE`: a JSON value on each line; what is none is an error that names file and line."""

import pytest
from nbslim.packer.errors import ArgumentError
from nbslim.packer.samples import read_samples


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "more.jsonl").write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_samples(tmp_path / "more.jsonl")

    return read


def test_each_line_is_a_sample_of_any_kind(read):
    assert read('[1, 2]\n{"a": null}\n"text"\n3.5\ntrue\nnull\n') == (
        [1, 2],
        {"a": None},
        "text",
        3.5,
        True,
        None,
    )


@pytest.mark.parametrize("text", ["1\n\n  \n2", "\ufeff1\n2\n", "1\r\n2\r\n"])
def test_empty_lines_a_byte_order_mark_and_line_ends_do_not_matter(text, read):
    assert read(text) == (1, 2)


def test_line_ends_that_only_unicode_knows_are_text(read):
    assert read('"a\u2028b\u0085c"') == ("a\u2028b\u0085c",)


def test_empty_file_has_no_samples(read):
    assert read("") == ()


@pytest.mark.parametrize("line", ["{", "[1,]", "one", "1 2", "'a'"])
def test_line_that_is_no_json_is_named(line, read, tmp_path):
    with pytest.raises(ArgumentError, match="not JSON") as raised:
        read(f"1\n\n{line}\n4")
    assert str(raised.value).startswith(f"--samples {tmp_path}/more.jsonl, line 3: ")
    assert raised.value.hint


def test_number_that_no_json_holds_is_refused(read):
    for word in ("NaN", "Infinity", "[-Infinity]"):
        with pytest.raises(ArgumentError, match="line 1"):
            read(word)


def test_what_is_not_utf_8_is_named_with_its_place(read):
    with pytest.raises(ArgumentError, match="not UTF-8 at byte 2"):
        read(b"1\n\xff")


def test_file_that_is_not_there_is_a_wrong_argument(tmp_path):
    with pytest.raises(ArgumentError, match="No such file") as raised:
        read_samples(tmp_path / "gone.jsonl")
    assert raised.value.exit_code == 2
