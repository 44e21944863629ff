"""Leaves of rosettes by the recurrent method: variants compared on a processor, a model trained on a graphics card."""

from argparse import ArgumentParser

from benchmarks.leaves import compare, gpu
from benchmarks.lib.command import run

if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m benchmarks.leaves", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for module in (compare, gpu):
        module.options(verbs)
    run(parser)
