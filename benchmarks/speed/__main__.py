"""How fast it is: the environment, an update of the stateless method, an image of the recurrent one."""

from argparse import ArgumentParser

from benchmarks.lib.command import run
from benchmarks.speed import environment, recurrent, training

if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for module in (environment, training, recurrent):
        module.options(verbs)
    run(parser)
