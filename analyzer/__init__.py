"""What does the notebook need to serve? Static: nothing of the notebook is executed."""

from nbslim.analyzer.analysis import analyze
from nbslim.analyzer.closure import find_closure, imported_modules
from nbslim.analyzer.distributions import Installed, read_installed
from nbslim.analyzer.errors import NbslimError, NotebookError, RequirementsError
from nbslim.analyzer.existing import find_environment
from nbslim.analyzer.notebook import read_notebook
from nbslim.analyzer.offline import declared_distributions
from nbslim.analyzer.pickles import pickled_functions, pickled_modules
from nbslim.analyzer.report import to_json, to_requirements, to_text
from nbslim.analyzer.requirements import declared_requirements
from nbslim.analyzer.settle import settle
from nbslim.analyzer.types import Analysis, Cell, Closure, Notebook, Place, Requirements

__all__ = [
    "Analysis",
    "Cell",
    "Closure",
    "Installed",
    "NbslimError",
    "Notebook",
    "NotebookError",
    "Place",
    "Requirements",
    "RequirementsError",
    "analyze",
    "declared_distributions",
    "declared_requirements",
    "find_closure",
    "find_environment",
    "imported_modules",
    "pickled_functions",
    "pickled_modules",
    "read_installed",
    "read_notebook",
    "settle",
    "to_json",
    "to_requirements",
    "to_text",
]
