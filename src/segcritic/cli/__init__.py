"""The command `segcritic`: one file per verb, each a thin layer over the public API.

A verb loads what it needs when it runs, so that `segcritic --help` answers at once. Exit codes: 0 done; 2 the input was
at fault, told in one sentence on stderr; 130 stopped by Ctrl-C with nothing to keep.
"""

import sys
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from segcritic.cli.boundaries import boundaries
from segcritic.cli.combine import combine
from segcritic.cli.demo import demo
from segcritic.cli.evaluate import evaluate
from segcritic.cli.models import models
from segcritic.cli.repair import repair
from segcritic.cli.rules import rules
from segcritic.cli.segment import segment
from segcritic.cli.train import train
from segcritic.errors import UserError


def _version() -> str:
    from importlib.metadata import version

    return version("segcritic")


app = App(
    name="segcritic",
    help="Find every object in your images: write down what the objects look like, train, and label.",
    version=_version,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for verb in (demo, train, segment, repair, combine, evaluate, boundaries, models):
    app.command(verb)
app.command(rules)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (by default that of this process); return the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _show_warning
        try:
            code = app(arguments, exit_on_error=False, print_error=False)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except CycloptsError as error:
            command = " ".join(("segcritic", *(error.command_chain or ())))
            return _complain(f"{' '.join(str(error).split()).rstrip('.')}; see {command} --help")
        except UserError as error:
            return _complain(str(error))
        except KeyboardInterrupt:
            _complain("stopped; nothing was left half written")
            return 130
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
            sys.stdout = None  # nothing more can be flushed to it at exit
            return 0
        except OSError as error:  # one that no function could name better
            where = f"{error.filename}: " if error.filename else ""
            return _complain(f"{where}{error.strerror or error}; check the path, its permissions and the disk")
        except MemoryError:
            return _complain("there is not enough memory; give smaller images, or fewer at a time")


def _complain(sentence: str) -> int:
    print(f"segcritic: {sentence}", file=sys.stderr)
    return 2


def _show_warning(message: Warning | str, category: type[Warning], *_rest: object) -> None:
    """Show warnings about the input, in one line; those of libraries about their own code help nobody here."""
    from segcritic.errors import InputWarning

    if issubclass(category, InputWarning):
        print(f"segcritic: warning: {message}", file=sys.stderr)
