"""Prove hard cases by executing them: what they expect suffices and is necessary, what they forbid is not needed.

For whoever adds a case. PYTHON has the distributions that the cases use, with cloudpickle, ipython and packaging:

    PYTHON tests/analyzer/check_cases.py tests/analyzer/more-cases.json [ID ...]

The cells run in a fresh process, in a copy of the case's files; `validator` and `predictor` are pickled. They are
loaded and called in another process in which only the expected distributions and what these require are installed, and
must answer as the notebook did. The same without any one of the expected modules must fail. A case to be refused must
fail with all that is installed. Printed is what the notebook's own names and values import; it may be more than
`expect`, which leaves out the numpy arrays of a scikit-learn model, but nothing of `forbid`.
"""

import argparse
import asyncio
import builtins
import inspect
import json
import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

_PICKLE, _ANSWER = "entry_points.pickle", "answer.txt"
_SECONDS = 120


def main():
    """Check the cases that the command line names; the exit code is the number of those that are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("ids", nargs="*", metavar="ID")
    arguments = parser.parse_args()
    cases = json.loads(arguments.file.read_text("utf-8"))
    wrong = 0
    for case in cases:
        if case["run"] and (not arguments.ids or case["id"] in arguments.ids):
            direct, faults = _check(case)
            wrong += bool(faults)
            print(case["id"], "wrong" if faults else "ok", *sorted(direct), flush=True)
            for fault in faults:
                print(f"    {fault}", flush=True)
    return min(wrong, 100)


def _check(case):
    """Return what serving imports directly, and what is wrong with a case."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = _folder(case, Path(scratch))
        executed, said = _process(["execute", "-"], folder, json.dumps(case))
        if case.get("refuse"):
            served = executed and _serve(case, folder, set(metadata.packages_distributions()))[0]
            return set(), ["is to be refused, and works"] if served else []
        if not executed:
            return set(), [f"the cells fail: {said}"]
        worked, said = _serve(case, folder, set(case["expect"]))
        if not worked:
            return set(), [f"does not suffice: {said}"]
        direct = set(json.loads(said.splitlines()[-1]))
        forbidden = sorted(direct & set(case["forbid"]))
        needless = [m for m in case["expect"] if _serve(case, folder, set(case["expect"]), without=m)[0]]
        return direct, [
            *(f"{module} is imported, and forbidden" for module in forbidden),
            *(f"{module} is not necessary" for module in needless),
        ]


def _folder(case, scratch):
    folder = scratch / "notebook"
    folder.mkdir()
    for name, text in case["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _serve(case, folder, modules, without=None):
    with tempfile.TemporaryDirectory() as site:
        owners = metadata.packages_distributions()
        kept = _with_required(name for module in modules for name in owners[module])
        for name in kept - set(owners.get(without, ())):
            _link(name, Path(site))
        _link("cloudpickle", Path(site))
        return _process(["serve", site], folder, json.dumps(case), "-I", "-S")


def _process(command, folder, given, *flags):
    environment = {
        **os.environ,
        "HOME": str(folder.parent),
        "MPLBACKEND": "Agg",
        "IPYTHONDIR": str(folder.parent),
    }
    done = subprocess.run(
        [sys.executable, *flags, __file__, *command],
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode == 0, (done.stdout + done.stderr)[-1500:].strip()


def _with_required(names):
    from packaging.requirements import Requirement

    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        try:
            requires = metadata.requires(requirement.name) or ()
        except metadata.PackageNotFoundError:
            continue
        node = (metadata.distribution(requirement.name).name, *sorted(requirement.extras))
        if node not in found:
            found.add(node)
            parsed = map(Requirement, requires)
            extras = requirement.extras or {""}
            waiting += [
                r for r in parsed if not r.marker or any(r.marker.evaluate({"extra": e}) for e in extras)
            ]
    return {name for name, *_ in found}


def _link(name, site):
    """Install a distribution by links to what it consists of."""
    distribution = metadata.distribution(name)
    for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
        with suppress(FileExistsError):
            (site / top).symlink_to(distribution.locate_file(top))


def _execute(case):
    """Run the cells as a notebook's kernel does, and pickle what it defines."""
    import cloudpickle
    from IPython.core.interactiveshell import InteractiveShell

    class _Shell(InteractiveShell):
        def enable_gui(self, gui=None):
            """Let `%matplotlib` choose a backend; there is no window to open."""

    sys.path[0] = ""
    shell = _Shell.instance(colors="nocolor")
    for cell in case["cells"]:
        cell = {"source": cell} if isinstance(cell, str) else cell  # noqa: PLW2901 - the same cell, written out
        tags = cell.get("tags", ())
        if cell.get("type", "code") == "code" and "skip-execution" not in tags:
            result = shell.run_cell(cell["source"], store_history=True)
            tolerated = "raises-exception" in tags or case["nb"].get("allow_errors")
            if not result.success and not tolerated:
                raise SystemExit(f"{cell['source']!r} fails")
    validator, predictor = (shell.user_ns.get(name) for name in ("validator", "predictor"))
    Path(_PICKLE).write_bytes(cloudpickle.dumps((validator, predictor)))
    Path(_ANSWER).write_text(_answer(validator, predictor, case["sample"]), encoding="utf-8")


def _serve_here(case, site):
    """Load the entry points with what is in `site`, compare the answer and print what they import."""
    sys.path += [str(Path.cwd()), site]
    direct = _record_imports(site)
    answer = _answer(*pickle.loads(Path(_PICKLE).read_bytes()), case["sample"])
    expected = Path(_ANSWER).read_text("utf-8")
    if answer != expected:
        raise SystemExit(f"{answer} instead of {expected}")
    present = {top for path in Path(site).iterdir() for top in (path.name, path.stem)}
    print(json.dumps(sorted(direct & present - {"cloudpickle"})))


def _record_imports(site):
    """Collect from now on the modules that are imported by other code than that of `site`."""
    direct, imports = set(), builtins.__import__

    def record(name, *arguments, **options):
        caller = _importer(inspect.currentframe(), record.__code__)
        if not caller.startswith(site) or "/cloudpickle/" in caller:
            direct.add(name.partition(".")[0])
        return imports(name, *arguments, **options)

    builtins.__import__ = record
    return direct


def _importer(frame, recording):
    """Return the file of the code that imports; a compiled module that does so while it is loaded has no frame."""
    while frame.f_code is recording or frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame.f_code.co_filename


def _answer(validator, predictor, sample):
    if validator is not None:
        validator(eval(sample))
    answer = predictor(eval(sample))
    if inspect.isawaitable(answer):
        answer = asyncio.run(_awaited(answer))
    return repr(list(answer) if inspect.isgenerator(answer) else answer)


async def _awaited(answer):
    return await answer


if __name__ == "__main__":
    if sys.argv[1:2] == ["execute"]:
        _execute(json.load(sys.stdin))
    elif sys.argv[1:2] == ["serve"]:
        _serve_here(json.load(sys.stdin), sys.argv[2])
    else:
        raise SystemExit(main())
