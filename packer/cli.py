"""The `nbslim` command: parse, call, print, and turn errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from nbslim.analyzer import Analysis, NbslimError, to_json, to_requirements, to_text
from nbslim.packer.arguments import days, kind, port, reference, seconds, variable
from nbslim.packer.buildah import ISOLATIONS
from nbslim.packer.environments import cache_folder
from nbslim.packer.errors import BuildError
from nbslim.packer.holdings import KINDS, Holding, as_json, as_text, clear, holdings
from nbslim.packer.prepare import analyze_in, analyze_notebook, analyze_offline
from nbslim.runtime.settings import SettingsError, read_settings, usage

if TYPE_CHECKING:
    from nbslim.packer.options import Options, Settings
    from nbslim.packer.serving import Command

INTERRUPTED = 130
UNREAD = 141
_NOTEBOOKS = {".ipynb", ".py"}


def entry() -> NoReturn:
    """Run the command with the process's own arguments, and end with its exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str], *, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Run `nbslim` with `arguments` and return its exit code.

    ====  =============================================================
       0  done
       1  a bug in nbslim (traceback)
       2  wrong arguments
       3  the notebook cannot be read or understood
       4  a cell failed, or the requirements cannot be installed
       5  the image could not be built
       6  the answers changed: nothing was tagged
     130  interrupted
     141  nobody read the output to its end (`| head`)
    ====  =============================================================
    """
    out, err = stdout or sys.stdout, stderr or sys.stderr
    _end_on_signals()
    try:
        options = _parser().parse_args(arguments)
        options.run(options, out, err)
    except SystemExit as end:  # argparse has printed its message
        return end.code if isinstance(end.code, int) else 0
    except NbslimError as error:
        return _report(error, err)
    except KeyboardInterrupt:
        print("nbslim: interrupted", file=err)
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _report(_disk_full(error), err)
    return 0


def _end_on_signals() -> None:
    """Let SIGTERM, and a terminal that closes, end the command as Ctrl-C does, so that it cleans up."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _tell(result: str, out: TextIO) -> None:
    """Print the result; where nobody reads on, end as a program does that a closed pipe ended."""
    try:
        print(result, file=out, flush=True)
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            out.close()  # or Python tries once more to write what is left, as it ends
        sys.exit(UNREAD)


def _report(error: NbslimError, err: TextIO) -> int:
    print(f"nbslim: {error}", file=err)
    if error.hint:
        print(f"        {error.hint}", file=err)
    return error.exit_code


def _disk_full(error: OSError) -> BuildError:
    place = error.filename2 or error.filename or "the disk"
    hint = (
        "free some space, or move nbslim's cache (NBSLIM_CACHE) or temporary folder (TMPDIR) to another disk"
    )
    return BuildError(f"no space left on device: {place}", hint=hint)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbslim",
        description="From a Jupyter notebook to the smallest image that still gives the same answers.",
    )
    parser.add_argument("--version", action="version", version=f"nbslim {version('notebook-slim')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_analyze(commands)
    _add_pack(commands)
    _add_serve(commands)
    _add_cache(commands)
    return parser


def _add_analyze(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "analyze", help="which dependencies serving needs, and why (nothing is executed, unless asked for)"
    )
    command.add_argument("notebook", type=Path)
    _add_python(command)
    command.add_argument(
        "--execute", action="store_true", help="run the notebook, so that nothing is only possible"
    )
    _add_settings(command)
    command.add_argument(
        "--entry", dest="entries", action="append", default=[], metavar="NAME",
        help="a function that is served (again for each); default: predictor, and if there validator, predictor_batch",
    )  # fmt: skip
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--env", type=Path, metavar="PATH", help="an environment that is there already; default: a new one"
    )
    where.add_argument(
        "--offline", action="store_true", help="no environment: tell what the names alone tell"
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument(
        "--json", action="store_const", dest="format", const="json", help="same as --format json"
    )
    output.add_argument("--format", choices=["text", "json", "requirements"])
    command.set_defaults(run=_analyze, parser=command, format="text")


def _add_pack(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "pack", help="run the notebook and write an image that serves its predictor"
    )
    command.add_argument("notebook", type=Path)
    command.add_argument("--tag", type=reference, metavar="NAME[:TAG]", help="default: the notebook's name")
    _add_goal(command)
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="the OCI archive; default: NAME.oci.tar (oci)"
    )
    command.add_argument("--bundle", type=Path, metavar="FOLDER", help="also leave the bundle there")
    _add_run(command)
    command.add_argument(
        "--base", metavar="IMAGE", help="image of the builder (buildah); default: this machine"
    )
    command.add_argument(
        "--isolation", choices=ISOLATIONS, help="of the builder (buildah); default: what works"
    )
    command.add_argument("--json", action="store_true", help="print the receipt instead of the reference")
    command.set_defaults(run=_pack)


def _add_goal(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--level", choices=["packages", "modules"], default="modules",
        help="how far slimming goes: to distributions, or to what serving reaches in them (default)",
    )  # fmt: skip
    command.add_argument(
        "--strict",
        action="store_true",
        help="fail (6) where the level does not hold, instead of taking a safer one",
    )
    command.add_argument(
        "--keep", action="append", default=[], metavar="MODULE_OR_GLOB",
        help="keep a module with all below it (sklearn.datasets), or files (tzdata/*); again for each",
    )  # fmt: skip
    command.add_argument("--accelerator", choices=["cuda"], help="keep what only a GPU server needs")


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "serve", help="run a notebook and serve its predictor; or serve a bundle or an image archive",
        epilog=f"Variables of the environment set the service, as in a container:\n\n{usage()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("source", type=Path, metavar="NOTEBOOK_OR_BUNDLE_OR_ARCHIVE")
    # A text, so that only serve reads it: to other commands PORT is somebody else's variable.
    command.add_argument("--port", type=port, default=os.environ.get("PORT") or "8080")
    _add_run(command.add_argument_group("of a notebook"))
    command.set_defaults(run=_serve, parser=command)


def _add_cache(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("cache", help="what nbslim keeps for the next time, and how much of it")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=_cache)
    clear = command.add_subparsers(metavar="clear").add_parser(
        "clear", help="remove what nbslim keeps, but for what a running pack uses"
    )
    clear.add_argument(
        "kinds", nargs="*", type=kind, metavar="KIND", help=f"{', '.join(KINDS)}; default: all"
    )
    clear.add_argument(
        "--older-than", type=days, default=0, metavar="DAYS", help="only what was not used for so long"
    )
    clear.add_argument("--json", action="store_true")
    clear.set_defaults(run=_clear_cache)


def _add_run(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--engine", choices=["auto", "oci", "buildah"], default="auto",
        help="buildah: run the cells in a container; oci: on this machine; auto: in one, if buildah is here",
    )  # fmt: skip
    _add_python(command)
    _add_settings(command)
    command.add_argument(
        "--samples", type=Path, metavar="FILE", help="more samples: a JSON value on each line"
    )
    command.add_argument(
        "--no-cache", action="store_true", help="resolve and run all again, whatever is remembered"
    )


def _add_python(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--python", metavar="VERSION_OR_PATH", help="default: the version that the notebook names"
    )


def _add_settings(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "-e", dest="variables", action="append", default=[], type=variable, metavar="NAME[=VALUE]",
        help="an environment variable for the cells; it never reaches the image",
    )  # fmt: skip
    command.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="for each cell; default: no limit"
    )
    command.add_argument("--no-network", action="store_true", help="run the cells without a network")


def _analyze(options: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    analysis = _analysis(options, err)
    forms = {"json": _json_text, "requirements": to_requirements, "text": to_text}
    _tell(forms[options.format](analysis).rstrip("\n"), out)


def _analysis(options: argparse.Namespace, err: TextIO) -> Analysis:
    if options.execute:
        return _executed(options, err)
    if options.variables or options.timeout or options.no_network:
        options.parser.error("-e, --timeout and --no-network are for --execute")
    if options.offline:
        return analyze_offline(options.notebook, python=options.python, entries=options.entries)
    if options.env:
        return analyze_in(options.notebook, options.env, python=options.python, entries=options.entries)
    return analyze_notebook(options.notebook, python=options.python, entries=options.entries, log=_log(err))


def _executed(options: argparse.Namespace, err: TextIO) -> Analysis:
    if options.offline:
        options.parser.error("--execute needs an environment, and --offline is without one")
    _need_linux("analyze --execute")
    from nbslim.packer.executed import analyze_executed  # noqa: PLC0415 - only running a notebook takes it

    return analyze_executed(
        options.notebook, options.env, python=options.python, entries=options.entries,
        settings=_settings(options), log=_log(err),
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    from nbslim.packer.options import Settings  # noqa: PLC0415 - analyze is to answer at once

    return Settings(
        variables=dict(options.variables), timeout=options.timeout, network=not options.no_network
    )


def _need_linux(command: str) -> None:
    if platform.system() != "Linux":
        message = f"{command} needs a Linux host, or to run in a Linux container: this is {platform.system()}"
        raise BuildError(message, hint="nbslim analyze NOTEBOOK works here")


def _json_text(analysis: Analysis) -> str:
    return json.dumps(to_json(analysis), indent=2, ensure_ascii=False)


def _run_options(options: argparse.Namespace, notebook: Path) -> Options:
    from nbslim.packer.options import Options  # noqa: PLC0415 - analyze does without this
    from nbslim.packer.samples import read_samples  # noqa: PLC0415 - so does it without this

    samples = read_samples(options.samples) if options.samples else ()
    settings = replace(_settings(options), samples=samples)
    return Options(
        notebook, engine=options.engine, python=options.python, settings=settings, anew=options.no_cache
    )


def _pack(options: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    _need_linux("pack")
    from nbslim.packer.again import packed_before  # noqa: PLC0415 - analyze does without this
    from nbslim.packer.options import Goal  # noqa: PLC0415 - so does it without this
    from nbslim.packer.summary import summary  # noqa: PLC0415 - so does it without this

    chosen = replace(
        _run_options(options, options.notebook),
        tag=options.tag, output=options.output, bundle=options.bundle, base=options.base,
        isolation=options.isolation,
        goal=Goal(options.level, options.strict, tuple(options.keep), options.accelerator),
    )  # fmt: skip
    receipt = packed_before(chosen, log=_log(err))
    if receipt is None:
        from nbslim.packer.pack import pack  # noqa: PLC0415 - what was packed before needs none of what running takes

        receipt = pack(chosen, log=_log(err))
    print(summary(receipt), file=err)
    _tell(json.dumps(receipt.as_json(), indent=2) if options.json else receipt.reference, out)


def _serve(options: argparse.Namespace, _out: TextIO, err: TextIO) -> None:
    _need_linux("serve")
    from nbslim.packer.serving import serve  # noqa: PLC0415 - analyze does without a server

    try:
        service = read_settings({**os.environ, "PORT": str(options.port)})
    except SettingsError as error:
        options.parser.error(str(error))
    serve(_server(options, err), service)


def _server(options: argparse.Namespace, err: TextIO) -> AbstractContextManager[Command]:
    if options.source.suffix.lower() in _NOTEBOOKS and not options.source.is_dir():
        from nbslim.packer.serve_notebook import notebook_server  # noqa: PLC0415 - only running one takes it

        return notebook_server(_run_options(options, options.source), log=_log(err))
    from nbslim.packer.serve import server  # noqa: PLC0415 - analyze does without a server

    given = [name for name in vars(options) if vars(options)[name] != options.parser.get_default(name)]
    if set(given) - {"source", "port"}:
        options.parser.error(f"{options.source} is no notebook: of the options, only --port is for it")
    return server(options.source, log=_log(err))


def _cache(options: argparse.Namespace, out: TextIO, _err: TextIO) -> None:
    folder = cache_folder()
    _tell_holdings(folder, holdings(folder), options, out)


def _clear_cache(options: argparse.Namespace, out: TextIO, _err: TextIO) -> None:
    folder = cache_folder()
    kinds = options.kinds or list(KINDS)
    _tell_holdings(folder, clear(folder, kinds, unused_seconds=options.older_than * 86400), options, out)


def _tell_holdings(
    folder: Path, found: Mapping[str, Holding], options: argparse.Namespace, out: TextIO
) -> None:
    _tell(json.dumps(as_json(folder, found), indent=2) if options.json else as_text(folder, found), out)


def _log(err: TextIO) -> Callable[[str], None]:
    def log(line: str) -> None:
        print(line, file=err, flush=True)

    return log
