"""Nuclei: rules without annotations, against Otsu, the distance watershed, and the bound of the superpixels.

K-fold cross-validation: fold f holds out every k-th image of the sorted list, starting at the f-th; training sees the
images of the other folds, and no label. Every run (method, fold, seed) is a process of its own and leaves a JSON file
in the cache, so that the same command goes on where it was stopped, and then makes the page from the cache.
"""

from argparse import Namespace
from pathlib import Path

from benchmarks.lib.cache import alone, run_all
from benchmarks.lib.command import parser, run
from benchmarks.nuclei import pages, plans
from benchmarks.nuclei.networks import folder_of
from benchmarks.nuclei.runs import measured, ready_network


def page(arguments: Namespace) -> str:
    """Do the runs that are missing, and write the page that was asked for."""
    plan, write = plans.rules_alone, pages.rules_alone
    if arguments.compare_learners:
        arguments.page, plan, write = "learners.md", plans.learners, pages.learners
    elif arguments.peers:
        arguments.page, plan, write = "peers.md", plans.peers, pages.peers
    elif arguments.few_labels:
        arguments.page, plan, write = "few_labels.md", plans.few_labels, pages.few_labels
    runs = plan(arguments)
    for each in () if arguments.from_cache else runs:
        kind, there = each.network_kind(), (arguments.cache / each.file_name()).exists()
        if kind and not there and not folder_of(each.images, each.fold, each.folds, kind).exists():
            alone(ready_network, arguments.threads)(each)
    results = run_all(runs, arguments.cache, alone(measured, arguments.threads), arguments.from_cache)
    return write(runs, results, arguments)


if __name__ == "__main__":
    quick = {"images": 6, "seeds": [0, 1], "steps": 4, "seconds": 4.0}
    options = parser(
        __doc__, "nuclei", page, page="nuclei.md", quick=quick, nuclei=True, seeds=(0, 1, 2), cache="nuclei"
    )
    which = options.add_mutually_exclusive_group()
    which.add_argument("--compare-learners", action="store_true", help="compare the learners: docs/learners.md")
    which.add_argument("--peers", action="store_true", help="a U-Net's superpixels, and peers: docs/peers.md")
    which.add_argument("--few-labels", action="store_true", help="a few labelled images: docs/few_labels.md")
    options.add_argument("--stardist", type=Path, help="folder of a StarDist model, to run it with --peers")
    options.add_argument("--cellpose", type=Path, help="file of a Cellpose model, to run it with --peers")
    options.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    options.add_argument("--folds", type=int, default=3, help="folds of the cross-validation")
    options.add_argument("--fold", type=int, help="only this fold")
    options.add_argument("--steps", type=int, help="updates, instead of the default number")
    options.add_argument("--seconds", type=float, default=120.0, help="budget of 'equal seconds'")
    options.add_argument("--rules", default="nuclei", help="rules file, or the name of a built-in one")
    run(options)
