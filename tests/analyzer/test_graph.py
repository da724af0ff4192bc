"""The graph knows for each name where its value came from."""

from nbslim.analyzer.builder import build_graph
from nbslim.analyzer.syntax import statements


def graph(*cells):
    return build_graph((n, statement) for n, cell in enumerate(cells, 1) for statement in statements(cell))


def history(node):
    """Cells of a node and of what it was before, latest first."""
    while node:
        yield node.place.cell
        node = node.previous


def test_last_binding_stands():
    assert graph("a = 1", "a = 2").final["a"].place.cell == 2


def test_binding_forgets_what_was_before():
    assert list(history(graph("a = 1", "a = 2").final["a"])) == [2]


def test_conditional_binding_remembers_what_was_before():
    node = graph("a = 1", "if x:\n    a = 2").final["a"]
    assert (list(history(node)), node.alternative) == ([2, 1], True)


def test_same_import_again_is_no_alternative():
    assert not graph("import a", "if x:\n    import a").final["a"].alternative
    assert graph("import a", "if x:\n    import b as a").final["a"].alternative


def test_update_stands_on_the_same_value():
    node = graph("a = []", "a.append(1)", "a[0] = 2").final["a"]
    assert (list(history(node)), node.update) == ([3, 2, 1], True)


def test_statement_reads_what_names_stood_for_at_its_time():
    node = graph("a = 1", "b = a", "a = 2").final["b"]
    assert node.uses["a"].place.cell == 1


def test_deleted_name_is_gone():
    assert "a" not in graph("a = 1", "del a").final


def test_name_that_may_be_deleted_stays():
    assert "a" in graph("a = 1", "if x:\n    del a").final


def test_item_that_is_deleted_is_an_update():
    assert list(history(graph("a = [1]", "del a[0]").final["a"])) == [2, 1]


def test_function_of_the_notebook_may_change_its_arguments():
    assert list(history(graph("a = []\ndef f(x): x.append(1)", "f(a)").final["a"])) == [2, 1]


def test_other_functions_change_nothing():
    assert list(history(graph("a = []", "print(a)").final["a"])) == [1]


def test_modules_do_not_change():
    assert list(history(graph("import a", "a.seed(1)").final["a"])) == [1]


def test_file_is_updated_by_what_names_it():
    node = graph("dump(m, 'm.pkl')", "x = load('m.pkl')").final
    assert list(history(node["m.pkl"])) == [2, 1]
    assert node["x"].uses["m.pkl"].place.cell == 1


def test_star_imports_are_kept_apart():
    (star,) = graph("x = 1", "from a import *").stars
    assert star[0].cell == 2
