import math
import tracemalloc

import pytest
from falcon.testing import TestClient
from nbslim.runtime.app import create_app
from nbslim.runtime.figures import OTHERS, Figures
from nbslim.runtime.metrics import (
    LOST,
    MISSES,
    PREDICTIONS,
    REQUESTS,
    RESTARTS,
    VALUES,
    AnswerFigures,
    Metric,
    RequestFigures,
    bounds,
    exposition,
)
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings
from prometheus_client.parser import text_string_to_metric_families


def read(figures):
    """Return what Prometheus' own parser reads: (name, labels) with values."""
    families = text_string_to_metric_families(exposition(figures))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_are_what_prometheus_reads():
    figures = Figures(1)
    requests = RequestFigures(figures)
    for status, seconds in ((200, 0.002), (200, 0.002), (500, 3.0)):
        requests.begin()
        requests.end(status, seconds)
    requests.begin()
    found = read(figures)
    assert found[REQUESTS, "200"] == 2
    assert found[REQUESTS, "500"] == 1
    assert found["nbslim_requests_in_flight",] == 1
    assert found["nbslim_request_seconds_sum",] == pytest.approx(3.004)
    buckets = {key[1]: value for key, value in found.items() if key[0] == "nbslim_request_seconds_bucket"}
    assert (buckets["0.001"], buckets["0.0025"], buckets["2.5"], buckets["5.0"]) == (0, 2, 2, 3)
    assert buckets["+Inf"] == found["nbslim_request_seconds_count",] == 3


@pytest.mark.parametrize("label", ['"', "\\", "\n", r"\n", "\u00e4", "", "a,b=c}", OTHERS])
def test_labels_survive(label):
    figures = Figures(1)
    figures.add(PREDICTIONS, label)
    assert read(figures)[PREDICTIONS, label] == 1


def test_counters_without_a_label_are_there_before_they_count():
    assert read(Figures(1)) == {(RESTARTS,): 0, (LOST,): 0}


def test_help_is_escaped_but_for_quotes():
    line = next(Metric("a", "gauge", 'b\\"\n').lines({}))
    assert line == r'# HELP a b\\"\n'


def test_answers_that_are_classes_are_counted_by_value():
    figures = Figures(1)
    answers = AnswerFigures(figures, ["cat", "dog"])
    for answer in ('"cat"', '"cat"', '"b\\u00e4r"', "true", "3", "[1]", "{}"):
        answers.count(answer)
    assert {key: value for key, value in read(figures).items() if key[0] == PREDICTIONS} == {
        (PREDICTIONS, "cat"): 2, (PREDICTIONS, "b\u00e4r"): 1, (PREDICTIONS, "true"): 1, (PREDICTIONS, "3"): 1,
    }  # fmt: skip


def test_answers_that_are_numbers_with_a_fraction_are_a_histogram():
    figures = Figures(1)
    answers = AnswerFigures(figures, [0.0, 8.0, 4.5])
    for answer in ("-3", "2.5", "1e9", "null"):
        answers.count(answer)
    found = read(figures)
    buckets = [value for key, value in found.items() if key[0] == f"{VALUES}_bucket"]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1], found[f"{VALUES}_count",]) == (1, 3, 3)


def test_bounds_lie_where_the_values_lie():
    assert bounds([0, 8]) == tuple(map(float, range(-1, 10)))
    assert bounds([5.0]) == tuple(sorted(set(bounds([5.0]))))
    assert all(map(math.isfinite, bounds([0.0])))


def test_answers_beyond_a_hundred_classes_are_counted_together():
    figures = Figures(1)
    answers = AnswerFigures(figures, [])
    for number in range(150):
        answers.count(str(number))
    found = {key: value for key, value in read(figures).items() if key[0] == PREDICTIONS}
    assert (len(found), found[PREDICTIONS, OTHERS]) == (101, 50)


def test_text_that_has_no_utf_8_is_counted_as_json_escapes_it():
    figures = Figures(1)
    AnswerFigures(figures, []).count(r'"a\ud800"')
    assert read(figures)[PREDICTIONS, r"a\ud800"] == 1


def test_long_answers_are_counted_and_not_kept():
    figures = Figures(1)
    answers = AnswerFigures(figures, [])
    tracemalloc.start()
    for number in range(50):
        answers.count(f'"{number} {"x" * 1_000_000}"')
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read(figures)[PREDICTIONS, OTHERS] == 50
    assert kept < 1_000_000


def test_misses_and_predictions_are_counted_where_they_are_served(entry_points):
    figures = Figures(1)
    service = Service(read_settings({}), figures)
    service.serve(entry_points("predictor = lambda x: x > 1"))
    figures.add(MISSES, "pandas.io")
    client = TestClient(create_app(service))
    client.simulate_post("/predict", body="2")
    client.simulate_post("/predict/batch", body="[0, 2]")
    result = client.simulate_get("/metrics")
    assert result.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'nbslim_removed_imports_total{module="pandas.io"} 1' in result.text
    assert read(figures)[PREDICTIONS, "true"] == 2
    assert read(figures)[PREDICTIONS, "false"] == 1
