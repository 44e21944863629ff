"""Write files so that a crash, a full disk or a second process never leaves half a file behind.

Everything is first written under a temporary name in the same folder and then renamed, which the file system does
in one step: a reader sees the old file or the new one. Temporary names start with a dot, so folder listings skip them.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from segcritic.errors import UserError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` on success, remove it on any error.

    Missing parent folders are made. The temporary path keeps the suffix, by which image writers choose their format.

    Raises
    ------
    UserError
        When the file cannot be written (disk full, no permission, `path` is a folder, a device or a pipe); it names
        `path`.
    """
    path = Path(path)
    temporary = _temporary_sibling(path)
    try:
        with _write_errors(path, temporary):
            # Renaming over /dev/full or /dev/stdout would, for root, replace the device itself.
            if path.absolute().parent == Path("/dev") or (path.exists() and not (path.is_file() or path.is_dir())):
                raise UserError(f"cannot write {path}: it is a device or a pipe; give the name of a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # there is none when all went well, or when its folder cannot be
            temporary.unlink()


@contextlib.contextmanager
def atomic_text(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Give an open UTF-8 text file (line ends as written) that becomes `path` on success. Errors as `atomic_path`."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        yield file
        file.close()  # before the renaming, which Windows refuses for an open file


@contextlib.contextmanager
def atomic_dir(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty temporary folder that replaces the folder `path` on success and is removed on any error.

    Raises
    ------
    UserError
        When the folder cannot be written, or `path` is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"cannot write the folder {path}: a file of that name is in the way; choose another")
    temporary, old = _temporary_sibling(path), _temporary_sibling(path)
    try:
        with _write_errors(path, temporary):
            temporary.mkdir(parents=True)
            yield temporary
            if path.is_dir():  # a folder that is not empty cannot be renamed over
                os.replace(path, old)
            try:
                os.replace(temporary, path)
            except OSError:
                if old.is_dir():
                    os.replace(old, path)
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.is_dir():
            shutil.rmtree(old, ignore_errors=True)


def _temporary_sibling(path: Path) -> Path:
    return path.with_name(f".{path.stem[:80]}.{uuid.uuid4().hex[:8]}{path.suffix}")


@contextlib.contextmanager
def _write_errors(path: Path, temporary: Path) -> Iterator[None]:
    """Turn an OSError about `path` or its temporary stand-in into a UserError; let those about other files pass."""
    try:
        yield
    except OSError as error:
        culprit = Path(error.filename or path)
        inside = {culprit, *culprit.parents}
        if not inside & {path, temporary} and culprit not in path.parents:
            raise
        reason = error.strerror or str(error) or type(error).__name__
        raise UserError(f"cannot write {path}: {reason}; free space or write elsewhere") from error
