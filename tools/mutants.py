"""Make deliberate faults, one at a time, in a copy of the tree, and see whether the tests notice.

    python tools/mutants.py                 # all of them; exit code 1 if one is missed
    python tools/mutants.py --only critic   # those whose name holds a word
    python tools/mutants.py --jobs 2

Each fault names the tests that must fail. A fault whose old text is not found exactly once is an error of its own, so
that this file cannot fall behind the code in silence.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/segcritic")


@dataclass(frozen=True)
class Fault:
    """A fault: its name, the file of the package, the text that is replaced and by what, the tests to run."""

    name: str
    file: str
    old: str
    new: str
    tests: str


LEARNER, RECURRENT = "recurrent/learner.py", "tests/recurrent/test_wiring.py"
SAC, WIRING = "stateless/actor_critic.py", "tests/stateless/test_wiring.py"
LOSSES = f"{WIRING} tests/stateless/test_losses.py"
SETTINGS, RULES = "stateless/settings.py", "tests/rules"
REWARDS = "tests/stateless/test_rewards.py tests/stateless/test_environment.py"
GRAPH = "tests/graph"

FAULTS = (
    # the recurrent learner
    Fault("recurrent: actor descends Q", LEARNER, "loss = -expected.mean() +", "loss = expected.mean() +", RECURRENT),
    Fault(
        "recurrent: critic of the future learns all",
        LEARNER,
        "target = later[episode, step]",
        "target = earned[episode, step]",
        RECURRENT,
    ),
    Fault(
        "recurrent: own reward left out",
        LEARNER,
        "expected = own + self.settings.discount * expected",
        "expected = self.settings.discount * expected",
        RECURRENT,
    ),
    Fault(
        "recurrent: noise of eq. 2 off",
        LEARNER,
        "scores = scores + self.settings.matching_noise *",
        "scores = scores + 0.0 * self.settings.matching_noise *",
        RECURRENT,
    ),
    Fault(
        "recurrent: sign of KL",
        LEARNER,
        "return self.settings.exploration * divergences.mean()",
        "return -self.settings.exploration * divergences.mean()",
        RECURRENT,
    ),
    Fault("recurrent: stops a step late", LEARNER, "(steps >= left).float()", "(steps > left).float()", RECURRENT),
    Fault(
        "recurrent: IoU is Dice",
        "recurrent/rewards.py",
        "return both / (total - both).clamp(min=1e-6)",
        "return 2 * both / total.clamp(min=1e-6)",
        RECURRENT,
    ),
    Fault(
        "recurrent: AC-IoU rewards Dice",
        LEARNER,
        "scores = soft_scores(episodes.masks, truth, self.settings.reward)",
        'scores = soft_scores(episodes.masks, truth, "dice")',
        RECURRENT,
    ),
    Fault(
        "recurrent: BL-Trunc is BL",
        LEARNER,
        'through_time = self.settings.objective != "truncated-bce"',
        "through_time = True",
        RECURRENT,
    ),
    Fault("recurrent: nothing is truncated", "recurrent/episode.py", "if not through_time:", "if False:", RECURRENT),
    Fault(
        "recurrent: sign of the critic's loss",
        LEARNER,
        "return loss + critic_loss + context_part, told",
        "return loss - critic_loss + context_part, told",
        RECURRENT,
    ),
    Fault(
        "recurrent: returns without discount",
        "recurrent/rewards.py",
        "rewards[:, step] + discount * total",
        "rewards[:, step] + total",
        RECURRENT,
    ),
    # the stateless learners
    Fault(
        "stateless: actor descends Q",
        "stateless/losses.py",
        "subgraphs.sums(log_prob) - predicted).mean()",
        "subgraphs.sums(log_prob) + predicted).mean()",
        LOSSES,
    ),
    Fault(
        "stateless: sign of the critic's loss",
        "stateless/losses.py",
        "return 0.5 * ((predicted - rewards) ** 2).mean()",
        "return -0.5 * ((predicted - rewards) ** 2).mean()",
        LOSSES,
    ),
    Fault(
        "stateless: sign of the entropy",
        "stateless/losses.py",
        "return (temperature * subgraphs.sums(log_prob)",
        "return (-temperature * subgraphs.sums(log_prob)",
        LOSSES,
    ),
    Fault(
        "stateless: sign of the target entropy",
        "stateless/losses.py",
        "+ target_entropy * subgraphs.n_edges",
        "- target_entropy * subgraphs.n_edges",
        LOSSES,
    ),
    Fault(
        "stateless: alpha not by the subgraph's size",
        SAC,
        "part, temperature[index] / size)",
        "part, temperature[index])",
        WIRING,
    ),
    Fault("stateless: critic's copy stays", SAC, "mine.lerp_(theirs, self.settings.critic_target)", "pass", WIRING),
    Fault(
        "stateless: actor's loss reaches the U-Net",
        SAC,
        "self.critic_copy, graphs.detach()",
        "self.critic_copy, graphs",
        WIRING,
    ),
    Fault(
        "stateless: score function climbs down",
        "stateless/losses.py",
        "return -scores.sum()",
        "return scores.sum()",
        LOSSES,
    ),
    Fault(
        "stateless: no baseline",
        "stateless/losses.py",
        "return rewards - others / (n_samples - 2) if n_samples > 2 else rewards",
        "return rewards",
        LOSSES,
    ),
    Fault("paper: credit", SETTINGS, '            credit="maximum",\n', "", WIRING),
    Fault("paper: learning rate", SETTINGS, "learning_rate=1e-4,", "learning_rate=2e-4,", WIRING),
    Fault(
        "paper: hidden layers",
        SETTINGS,
        "hidden_layers=3,\n            hidden_width",
        "hidden_layers=2,\n            hidden_width",
        WIRING,
    ),
    Fault("paper: hidden layers of the heads", SETTINGS, "head_hidden_layers=2,", "head_hidden_layers=1,", WIRING),
    Fault("paper: tau", SETTINGS, "critic_target=0.005,", "critic_target=0.05,", WIRING),
    # rules
    Fault(
        "rules: only too large counts",
        "rules/kinds/numeric.py",
        "        under = -over\n",
        "        under = 0.0\n",
        RULES,
    ),
    Fault(
        "rules: angles are not circular",
        "rules/kinds/numeric.py",
        "        if is_angle:\n",
        "        if False:\n",
        RULES,
    ),
    Fault(
        "rules: bounds the wrong way",
        "rules/kinds/numeric.py",
        "under = np.maximum(under, ((math.log(low) if log else low) - x) / step)",
        "under = np.maximum(under, (x - (math.log(low) if log else low)) / step)",
        RULES,
    ),
    Fault(
        "rules: what is cut is judged",
        "rules/kinds/numeric.py",
        'if cut is not None and descriptor.when_cut == "not judged":',
        'if False and descriptor.when_cut == "not judged":',
        RULES,
    ),
    Fault(
        "rules: joint distance is a plain mean",
        "rules/score.py",
        "np.sqrt(weights @ np.square(squares)) if joint else weights @ squares",
        "weights @ squares",
        RULES,
    ),
    Fault(
        "rules: eq. 11 upside down",
        "rules/score.py",
        "np.exp(theta * (scores - 1.0))",
        "np.exp(theta * (1.0 - scores))",
        RULES,
    ),
    Fault(
        "rules: worst class instead of best",
        "rules/score.py",
        "functools.reduce(np.maximum,",
        "functools.reduce(np.minimum,",
        RULES,
    ),
    # rewards
    Fault(
        "rewards: background is never told",
        "stateless/rewards.py",
        "(score * bright_object > dark) &",
        "(score * bright_object > -1) &",
        REWARDS,
    ),
    Fault(
        "rewards: low scores are kept",
        "stateless/rewards.py",
        "& (score >= rules.keep_above)",
        "& (score >= 0)",
        f"{REWARDS} tests/stateless/test_predict.py",
    ),
    Fault(
        "rewards: maximum is minimum",
        "stateless/rewards.py",
        "return ends.max(axis=2)",
        "return ends.min(axis=2)",
        REWARDS,
    ),
    Fault(
        "rewards: shares do not add up",
        "stateless/rewards.py",
        "share = (weight / np.maximum(degree, 1))[graph.edges]",
        "share = weight[graph.edges]",
        REWARDS,
    ),
    Fault(
        "rewards: count score left out",
        "stateless/rewards.py",
        "rewards.node @ (weight / weight.sum()) * rewards.count",
        "rewards.node @ (weight / weight.sum())",
        f"{REWARDS} tests/search",
    ),
    # graph
    Fault(
        "graph: costs with the wrong sign",
        "stateless/predict.py",
        "node_labels = multicut(state.graph, -logits.astype",
        "node_labels = multicut(state.graph, logits.astype",
        "tests/stateless/test_predict.py",
    ),
    Fault("graph: perimeter without diagonals", "graph/object_sums.py", "np.pi / 8 *", "np.pi / 4 *", GRAPH),
    Fault(
        "graph: valleys are hills",
        "graph/graph.py",
        "np.maximum(self.node_mean[self.edges].min(axis=1) - self.edge_level, 0)",
        "np.maximum(self.edge_level - self.node_mean[self.edges].min(axis=1), 0)",
        GRAPH,
    ),
    Fault("graph: boundary map ignored", "graph/graph.py", "    if boundaries is None:\n", "    if True:\n", GRAPH),
    # superpixels, search, outlines
    Fault(
        "superpixels: bright lines are dark",
        "superpixels/lines.py",
        'signed = np.ascontiguousarray(-image if lines == "bright"',
        'signed = np.ascontiguousarray(-image if lines == "dark"',
        "tests/superpixels",
    ),
    Fault(
        "superpixels: cuts are merged across",
        "superpixels/merge.py",
        "cost = _ACROSS_FACTOR * cost + _ACROSS_PENALTY",
        "cost = cost",
        "tests/superpixels",
    ),
    Fault(
        "search: losses are gains",
        "search/local_search.py",
        "if gain > margins.margins[kind_of(move, labels)]:",
        "if -gain > margins.margins[kind_of(move, labels)]:",
        "tests/search",
    ),
    Fault(
        "search: protected objects are touched",
        "search/local_search.py",
        "(highest >= margins.protect_above and lowest < highest)",
        "(False and lowest < highest)",
        "tests/search tests/golden",
    ),
    Fault(
        "search: counts are not asked",
        "search/local_search.py",
        "if (plain + earned[m]) * after <= plain * before:",
        "if plain + earned[m] <= plain:",
        "tests/search",
    ),
    Fault(
        "outlines: holes stay",
        "pixels/outlines.py",
        "return np.where(enclosed[pockets], highest[pockets], labels)",
        "return labels",
        "tests/pixels",
    ),
)


def copy_of_tree(folder: Path) -> Path:
    """A copy of what the tests need. It is used again, so that what numba compiled once is kept."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    for shipped in ("models/shipped", "boundary_net/shipped"):
        (folder / PACKAGE / shipped).symlink_to(ROOT / PACKAGE / shipped)
    for name in ("pyproject.toml", "docs", "benchmarks", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def noticed(fault: Fault, copies: "queue.Queue[Path]") -> tuple[bool, str]:
    """Whether a test fails with the fault in a copy of the tree, and the first that does."""
    copy = copies.get()
    path = copy / PACKAGE / fault.file
    text, times = path.read_text(encoding="utf-8"), path.stat()
    try:
        path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.tests.split()]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    finally:
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        copies.put(copy)
    said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 1, said[0] if said else f"exit code {done.returncode}"


def main() -> None:
    """Make the faults and print which are noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a word in the fault's name")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in fault.name]
    for fault in chosen:
        found = (ROOT / PACKAGE / fault.file).read_text(encoding="utf-8").count(fault.old)
        if found != 1:
            raise SystemExit(f"{fault.name}: its text stands {found} times in {fault.file}; mend tools/mutants.py")
    missed, copies = 0, queue.Queue[Path]()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        for number in range(arguments.jobs):
            copies.put(copy_of_tree(Path(folder) / str(number)))
        results = pool.map(lambda fault: noticed(fault, copies), chosen)
        for fault, (found, said) in zip(chosen, results, strict=True):
            print(f"{'noticed' if found else 'MISSED '}  {fault.name}: {said}", flush=True)
            missed += not found
    print(f"{len(chosen) - missed} passed, {missed} failed")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
