import pytest
from nbslim.runtime.metrics import Metric, exposition


def test_metrics_are_written_one_after_the_other_sorted_by_label():
    metrics = [
        Metric("imports_total", "counter", "Imports.", "module", {"b": 2, "a": 10}),
        Metric("threads", "gauge", "Threads.", "state", {"busy": 0.5}),
    ]
    assert exposition(metrics) == (
        "# HELP imports_total Imports.\n"
        "# TYPE imports_total counter\n"
        'imports_total{module="a"} 10\n'
        'imports_total{module="b"} 2\n'
        "# HELP threads Threads.\n"
        "# TYPE threads gauge\n"
        'threads{state="busy"} 0.5\n'
    )


def test_metric_without_values_is_announced():
    assert exposition([Metric("a", "counter", "b", "c", {})]) == "# HELP a b\n# TYPE a counter\n"


@pytest.mark.parametrize(
    ("label", "written"), [('"', r"\""), ("\\", r"\\"), ("\n", r"\n"), (r"\n", r"\\n"), ("ä", "ä")]
)
def test_label_is_escaped(label, written):
    assert exposition([Metric("a", "counter", "b", "c", {label: 1})]).endswith(f'a{{c="{written}"}} 1\n')


def test_help_is_escaped_but_for_quotes():
    help_ = exposition([Metric("a", "counter", 'b\\"\n', "c", {})]).split("\n")[0]
    assert help_ == r'# HELP a b\\"\n'
