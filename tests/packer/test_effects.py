"""Changes are made again alone, or refused."""

from pathlib import Path

import pytest
from nbslim.analyzer import Cell, Notebook, NotebookError, find_closure
from nbslim.packer.effects import made_again

READS = "import os, decimal\ndef predictor(x): return decimal.Decimal(os.environ['MODE'])"


def chosen(cell):
    cells = tuple(Cell(number, source, source) for number, source in enumerate([READS, cell], 1))
    closure = find_closure(Notebook(Path("/nowhere/model.ipynb"), cells, None))
    return [effect.replay for effect in made_again("model.ipynb", closure.effects)]


def test_what_one_statement_changes_together_is_made_again_once():
    together = "if True:\n    decimal.getcontext().prec = 5\n    decimal.getcontext().Emax = 9"
    assert chosen(together) == [together]


def test_only_the_variable_that_serving_reads_is_set():
    cell = "os.environ['MODE'] = '1'\nos.environ['SECRET'] = 'hush'"
    assert chosen(cell) == ["os.environ['MODE'] = '1'"]


@pytest.mark.parametrize(
    "cell",
    [
        "os.environ.update({'MODE': '1', 'SECRET': 'hush'})",
        "os.environ |= {'MODE': '1', 'SECRET': 'hush'}",
        "if True:\n    os.environ['SECRET'] = 'hush'\n    os.environ['MODE'] = '1'",
        "for number in range(3):\n    print(decimal.setcontext(decimal.Context(number)))",
    ],
)
def test_changes_that_would_bring_more_with_them_are_refused_with_their_place(cell):
    with pytest.raises(NotebookError, match=r"model\.ipynb, cell 2, line \d") as caught:
        chosen(cell)
    assert "in a statement of its own" in caught.value.hint
