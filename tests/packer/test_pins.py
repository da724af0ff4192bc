"""The runtime refuses versions of its own dependencies that it does not work with."""

import pytest
from nbslim.analyzer import RequirementsError
from nbslim.packer.environments import runtime_requirements
from nbslim.packer.pins import check_pins


def test_version_that_the_runtime_does_not_work_with_is_named():
    with pytest.raises(RequirementsError, match=r"falcon 3\.1\.3 is kept, but the runtime needs falcon.*>=4"):
        check_pins({"falcon": "3.1.3", "numpy": "2.2.6"}, runtime_requirements())


@pytest.mark.parametrize("serving", [{}, {"numpy": "2.2.6"}, {"cloudpickle": "3.1.1"}, {"falcon": "4.0.2"}])
def test_anything_else_is_fine(serving):
    check_pins(serving, runtime_requirements())
