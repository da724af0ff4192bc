"""What does the notebook need to serve? Static: nothing of the notebook is executed."""

from nbslim.analyzer.absent import leads_out
from nbslim.analyzer.analysis import analyze, declared_extras
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.distributions import Installed, read_installed
from nbslim.analyzer.errors import NbslimError, NotebookError, RequirementsError
from nbslim.analyzer.existing import find_environment
from nbslim.analyzer.imports import exported, foreign_imports, importable
from nbslim.analyzer.known_distributions import module_of
from nbslim.analyzer.local import as_imported
from nbslim.analyzer.notebook import read_notebook
from nbslim.analyzer.offline import declared_distributions
from nbslim.analyzer.pickles import Pickled, read_model, read_pickle
from nbslim.analyzer.reached import Reference
from nbslim.analyzer.report import to_json, to_requirements, to_text
from nbslim.analyzer.requirements import declared_requirements
from nbslim.analyzer.settle import settle_pickled
from nbslim.analyzer.types import Analysis, Cell, Closure, Notebook, Place, Requirements, ServingEffect

__all__ = [
    "Analysis",
    "Cell",
    "Closure",
    "Installed",
    "NbslimError",
    "Notebook",
    "NotebookError",
    "Pickled",
    "Place",
    "Reference",
    "Requirements",
    "RequirementsError",
    "ServingEffect",
    "analyze",
    "as_imported",
    "declared_distributions",
    "declared_extras",
    "declared_requirements",
    "exported",
    "find_closure",
    "find_environment",
    "foreign_imports",
    "importable",
    "leads_out",
    "module_of",
    "read_installed",
    "read_model",
    "read_notebook",
    "read_pickle",
    "settle_pickled",
    "to_json",
    "to_requirements",
    "to_text",
]
