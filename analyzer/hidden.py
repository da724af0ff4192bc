"""What libraries import by name only when a certain function is called, so that no code shows it: data of our own."""

from __future__ import annotations

_FUNCTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    # library: {module that it then imports: functions, methods, attributes and arguments that do so}
    "networkx": {
        "matplotlib": ("draw", "draw_networkx", "draw_circular", "draw_spring"),
        "numpy": ("spring_layout", "circular_layout", "spectral_layout", "to_numpy_array"),
        "pandas": ("from_pandas_edgelist", "to_pandas_edgelist", "to_pandas_adjacency"),
        "scipy": (
            "adjacency_matrix",
            "eigenvector_centrality_numpy",
            "hits",
            "kamada_kawai_layout",
            "laplacian_matrix",
            "pagerank",
            "to_scipy_sparse_array",
        ),
    },
    "pandas": {
        "jinja2": ("style", "to_latex"),
        "hvplot": ("hvplot",),
        "lxml": ("read_html", "read_xml", "to_xml"),
        "matplotlib": ("background_gradient", "boxplot", "hist", "plot", "plotting", "text_gradient"),
        "openpyxl": ("ExcelFile", "ExcelWriter", "read_excel", "to_excel"),
        "pyarrow": ("read_feather", "read_orc", "read_parquet", "to_feather", "to_orc", "to_parquet"),
        "sqlalchemy": ("read_sql", "read_sql_query", "read_sql_table", "to_sql"),
        "tables": ("HDFStore", "read_hdf", "to_hdf"),
        "tabulate": ("to_markdown",),
        "xarray": ("to_xarray",),
    },
    "lightgbm": {
        "graphviz": ("create_tree_digraph",),
        "matplotlib": ("plot_importance", "plot_metric", "plot_split_value_histogram", "plot_tree"),
    },
    "seaborn": {"scipy": ("clustermap",), "statsmodels": ("lmplot", "regplot", "residplot")},
    "sklearn": {
        "PIL": ("load_sample_image", "load_sample_images"),
        "matplotlib": ("from_estimator", "from_predictions", "plot_tree"),
        "pandas": ("as_frame", "fetch_openml"),
    },
    "tqdm": {"pandas": ("progress_apply",)},
    "xgboost": {"graphviz": ("plot_tree", "to_graphviz"), "matplotlib": ("plot_importance",)},
    "zoneinfo": {"tzdata": ("ZoneInfo",)},
}

FUNCTIONS: dict[str, dict[str, str]] = {}
"""Name of a function, method or attribute → library that has it → module that it then imports."""

for _library, _modules in _FUNCTIONS.items():
    for _module, _names in _modules.items():
        for _name in _names:
            FUNCTIONS.setdefault(_name, {})[_library] = _module

CHOOSERS = frozenset(
    {
        "backend",
        "dtype_backend",
        "engine",
        "features",
        "flavor",
        "method",
        "parser",
        "transform",
        "transform_output",
    }
)
"""Keyword arguments and attributes that choose one of `CHOICES`."""

CHOOSING = frozenset({"BeautifulSoup", "set_backend", "set_option", "set_output", "use_backend"})
"""Functions that choose one of `CHOICES` by an argument without a keyword."""

_MODULES = (
    "fastparquet",
    "html5lib",
    "lxml",
    "numba",
    "openpyxl",
    "pandas",
    "plotly",
    "polars",
    "pyarrow",
    "xlrd",
)
CHOICES = {name: name for name in _MODULES} | {"lxml-xml": "lxml", "xml": "lxml"}
_SCIPY = (
    "akima",
    "barycentric",
    "cubicspline",
    "kendall",
    "krogh",
    "pchip",
    "polynomial",
    "quadratic",
    "spline",
)
CHOICES |= dict.fromkeys(_SCIPY, "scipy")
"""What a text chooses: modules, most by their own name."""

OPENERS = frozenset({"files", "get_data", "open_binary", "open_text", "read_binary"})
"""Functions (of `importlib.resources` and `pkgutil`) that are told by name in which package to look."""

EFFECTS = {
    # importing this one: changes that library, which gets this attribute
    "hvplot.pandas": ("pandas", "hvplot"),
    "pandas_ta": ("pandas", "ta"),
    "pint_pandas": ("pandas", "pint"),
    "sklearn.experimental": ("sklearn", None),
    "swifter": ("pandas", "swifter"),
}
"""Modules that are imported for what this does to another library, and the attribute that they give its objects."""

ATTRIBUTES = frozenset(attribute for _, attribute in EFFECTS.values() if attribute)
"""Attributes that importing something gave to the objects of a library."""

RANDOM = frozenset(
    {
        "bernoulli",
        "choice",
        "multinomial",
        "normal",
        "permutation",
        "rand",
        "randint",
        "randn",
        "random",
        "sample",
    }
    | {"shuffle", "uniform"}
)
"""Names of functions that draw random numbers: what they draw depends on a seed that was set before."""

VARIABLES = {
    "CUDA": ("cupy", "jax", "tensorflow", "torch", "xgboost"),
    "HF": ("datasets", "huggingface_hub", "transformers"),
    "MKL": ("numpy", "scipy"),
    "MPLBACKEND": ("matplotlib",),
    "NUMEXPR": ("numexpr", "pandas"),
    "OMP": ("numpy", "scipy", "sklearn", "torch", "xgboost", "lightgbm"),
    "OPENBLAS": ("numpy", "scipy"),
    "TF": ("tensorflow", "keras"),
    "TOKENIZERS": ("tokenizers", "transformers"),
}
"""Start of an environment variable's name, up to the first `_` → libraries that read it, where it is not their name."""
