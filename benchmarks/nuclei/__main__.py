"""Nuclei: rules without annotations, against Otsu, the distance watershed, and the bound of the superpixels.

K-fold cross-validation: fold f holds out every k-th image of the sorted list, starting at the f-th; training sees the
images of the other folds, and no label. Every run (method, fold, seed) is a process of its own and leaves a JSON file
in the cache, so that the same command goes on where it was stopped, and then makes the page from the cache.
"""

import sys
from argparse import Namespace
from pathlib import Path

import common
from nuclei_pages import few_labels_page, learners_page, page, peers_page
from nuclei_peers import planned_few_labels, planned_peers
from nuclei_runs import LEARNERS, Run, measured


def planned(arguments: Namespace) -> list[Run]:
    """The runs of docs/nuclei.md. Methods that learn nothing label all images in one run."""
    common_settings = {"data": str(arguments.data), "images": arguments.images, "rules": arguments.rules}
    still = [Run(method, **common_settings) for method in ("otsu", "distance watershed", "bound")]
    return still + [
        Run("rules only", **common_settings, fold=fold, folds=arguments.folds, seed=seed, steps=arguments.steps)
        for seed in arguments.seeds
        for fold in range(arguments.folds)
    ]


def planned_learners(arguments: Namespace) -> list[Run]:
    """The runs of docs/learners.md: every learner for as many steps, and for as long; the first fold is held out."""
    runs = []
    for seed in arguments.seeds:
        for learner in LEARNERS:
            for budget in ({"steps": arguments.steps}, {"seconds": arguments.seconds}):
                runs.append(
                    Run(
                        "rules only",
                        str(arguments.data),
                        arguments.images,
                        arguments.rules,
                        fold=0,
                        folds=arguments.folds,
                        seed=seed,
                        learner=learner,
                        **budget,
                    )
                )
    return runs


def main() -> int:
    parser = common.parser(__doc__, "nuclei.md, docs/learners.md")
    parser.add_argument("--data", type=Path, default=common.NUCLEI, help="folder of images/ and labels/ (or masks/)")
    parser.add_argument("--compare-learners", action="store_true", help="compare the learners: docs/learners.md")
    parser.add_argument("--peers", action="store_true", help="a U-Net's superpixels, and peers: docs/peers.md")
    parser.add_argument("--stardist", type=Path, help="folder of a StarDist model, to run it with --peers")
    parser.add_argument("--cellpose", type=Path, help="file of a Cellpose model, to run it with --peers")
    parser.add_argument("--few-labels", action="store_true", help="a few labelled images: docs/few_labels.md")
    parser.add_argument("--cache", type=Path, default=Path("runs/nuclei"), help="folder of the finished runs")
    parser.add_argument("--from-cache", action="store_true", help="run nothing: a page from the runs that are there")
    parser.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    parser.add_argument("--folds", type=int, default=3, help="folds of the cross-validation")
    parser.add_argument("--fold", type=int, help="only this fold (of --peers and --few-labels)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="updates, instead of the default number")
    parser.add_argument("--seconds", type=float, default=120.0, help="budget of 'equal seconds'")
    parser.add_argument("--rules", default="nuclei", help="rules file, or the name of a built-in one")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.images, arguments.seeds = arguments.images or 6, [0, 1]
        arguments.steps, arguments.seconds = arguments.steps or 4, 4.0
    common.use_threads(arguments.threads)
    from segcritic.errors import UserError

    name, plan, write = "nuclei.md", planned, page
    if arguments.compare_learners:
        name, plan, write = "learners.md", planned_learners, learners_page
    elif arguments.peers:
        name, plan, write = "peers.md", planned_peers, peers_page
    elif arguments.few_labels:
        name, plan, write = "few_labels.md", planned_few_labels, few_labels_page
    try:
        runs = plan(arguments)
        results = common.run_all(runs, arguments.cache, measured, arguments.threads, arguments.from_cache)
        text = write(runs, results, arguments)
    except UserError as error:
        print(f"nuclei.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nnuclei.py: stopped; the same command goes on from {arguments.cache}", file=sys.stderr)
        return 130
    common.write_page(text, arguments, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
