"""The command line that all benchmarks share."""

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lib.images import NUCLEI, ROOT


def parser(
    description: str | None,
    name: str,
    make: Callable[[Namespace], str | None],
    *,
    page: str | None = None,
    quick: dict[str, Any] | None = None,
    nuclei: bool = False,
    seeds: Sequence[int] = (),
    cache: str = "",
    verbs: Any = None,
) -> ArgumentParser:
    """An argument parser with the options that most benchmarks have.

    Parameters
    ----------
    description : what --help says
    name : of the subject; or of the verb, if the subject has several
    make : from the arguments to the text of the page
    page : the file under docs/; None if nothing is written there
    quick : values that --quick gives to options that were left out
    nuclei : whether there is --data, a folder of nuclei
    seeds : default of --seeds; without any there is no such option
    cache : folder below runs/ where finished runs are kept
    verbs : of the subject's parser (`add_subparsers`)
    """
    how: dict[str, Any] = {"description": description, "formatter_class": RawDescriptionHelpFormatter}
    if verbs is None:
        result = ArgumentParser(prog=f"python -m benchmarks.{name}", **how)
    else:
        result = verbs.add_parser(name, help=(description or "").splitlines()[0], **how)
    result.set_defaults(make=make, parser=result, page=page, quick=False, cache=None)
    result.add_argument("--threads", type=int, default=1, help="threads of each library (default: 1)")
    if page is not None:
        result.add_argument("--out", type=Path, help=f"Markdown file to write (default: docs/{page}; --quick: none)")
        result.add_argument("--quick", action="store_true", help="a few images and steps, as a check; prints only")
        result.set_defaults(when_quick=quick or {})
    if nuclei:
        result.add_argument("--data", type=Path, default=NUCLEI, help="folder of images/ and labels/ (or masks/)")
    if seeds:
        result.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    if cache:
        folder = Path("runs") / cache
        result.add_argument("--cache", type=Path, default=folder, help=f"of the finished runs (default: {folder})")
        result.add_argument("--from-cache", action="store_true", help="run nothing: a page of the runs there are")
    return result


def run(parser: ArgumentParser) -> None:
    """Do what the command line says. Mistakes of the user and interruptions end in a sentence."""
    arguments = parser.parse_args()
    if arguments.quick:
        for option, value in arguments.when_quick.items():
            if getattr(arguments, option) == arguments.parser.get_default(option):
                setattr(arguments, option, value)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # of those not loaded yet, here and in child processes
        os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)
    import torch

    from segcritic.errors import UserError

    torch.set_num_threads(arguments.threads)
    prog = arguments.parser.prog
    try:
        text = arguments.make(arguments)
    except UserError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        goes_on = f"; the same command goes on from {arguments.cache}" if arguments.cache else ""
        print(f"\n{prog}: stopped{goes_on}", file=sys.stderr)
        sys.exit(130)
    if text is not None:
        print(text)
        write(text, arguments)


def written_to(arguments: Namespace) -> Path | None:
    """The page's file; None for a quick run without --out."""
    return arguments.out or (None if arguments.quick else ROOT / "docs" / arguments.page)


def write(text: str, arguments: Namespace) -> None:
    """Write the page, unless this is a quick run without --out."""
    out = written_to(arguments)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        print(f"wrote {out}", file=sys.stderr)


def command(arguments: Namespace, *keep: str) -> str:
    """The command that makes the page, with those options of `keep` that have a value."""
    words = arguments.parser.prog.split()
    for name in ("quick", *keep):
        value, option = getattr(arguments, name), f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:  # 0 is a value
            words += [option, *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)
