"""Names by which finished runs are found again, and the state of the code that made them."""

import hashlib
import json
from pathlib import Path
from typing import Any

_WITHOUT_INFLUENCE = ("cli", "report")  # folders of segcritic


def digest(what: Any) -> str:
    """Ten characters that tell JSON-able values apart."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:10]


def file_name(parts: list[Any], what: Any) -> str:
    """A name to recognise, of the parts that say something, and a digest of all that determines the result."""
    return "-".join([*(str(part).replace(" ", "_") for part in parts if part), digest(what)]) + ".json"


def code_digest() -> str:
    """A digest of the source that results depend on, to tell those of different states of it apart."""
    import segcritic

    package = Path(segcritic.__file__).parent
    found = hashlib.sha256()
    for folder in (package, Path(__file__).parents[1] / "baselines"):
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).parts[0] not in _WITHOUT_INFLUENCE:
                found.update(path.read_bytes())
    return found.hexdigest()[:10]
