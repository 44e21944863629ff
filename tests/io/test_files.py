import errno
import os
from pathlib import Path

import pytest

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_dir, atomic_path, atomic_text


def test_atomic_path_replaces_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "deep" / "a.tif"
    for content in (b"first", b"second"):
        with atomic_path(target) as temporary:
            assert temporary.parent == target.parent
            assert temporary.suffix == ".tif"
            assert temporary.name.startswith(".")
            temporary.write_bytes(content)
    assert target.read_bytes() == b"second"
    assert list(target.parent.iterdir()) == [target]


def write_and_fail(target, error):
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half a fi")
        raise error


def test_atomic_path_keeps_the_old_file_on_error(tmp_path):
    target = tmp_path / "a.tif"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="mine"):
        write_and_fail(target, RuntimeError("mine"))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_disk_full_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*a\.tif: No space left"):
        write_and_fail(tmp_path / "a.tif", OSError(errno.ENOSPC, "No space left on device"))
    assert not list(tmp_path.iterdir())


def test_an_error_about_another_file_is_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_and_fail(
            tmp_path / "a.tif", FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "source.tif"))
        )


def test_writing_over_a_folder_or_into_a_file_is_a_user_error(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "folder", tmp_path / "file" / "a.txt"):
        with pytest.raises(UserError, match="cannot write"), atomic_text(target) as file:
            file.write("text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("name", ["/dev/full", "/dev/null", "/dev/stdout", "/dev/not-there"])
def test_a_device_is_never_replaced(name):
    before = os.path.lexists(name)
    with pytest.raises(UserError, match=f"cannot write {name}: it is a device or a pipe"), atomic_text(name) as file:
        file.write("text")
    assert os.path.lexists(name) == before
    assert not before or Path(name).is_symlink() or Path(name).is_char_device()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="device or a pipe"), atomic_text(tmp_path / "pipe") as file:
        file.write("text")
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_text_is_utf8_with_line_ends_as_written(tmp_path):
    with atomic_text(tmp_path / "a.csv") as file:
        file.write("area (µm)\n1\r\n")
    assert (tmp_path / "a.csv").read_bytes() == "area (µm)\n1\r\n".encode()


def test_atomic_dir_replaces_a_whole_folder(tmp_path):
    target = tmp_path / "model"
    for name in ("old", "new"):
        with atomic_dir(target) as temporary:
            (temporary / name).write_text(name)
    assert [p.name for p in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def fail_in_dir(target):
    with atomic_dir(target) as temporary:
        (temporary / "half").write_text("")
        raise RuntimeError("mine")


def test_atomic_dir_keeps_the_old_folder_on_error(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError, match="mine"):
        fail_in_dir(target)
    assert [p.name for p in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UserError, match="a file of that name"):
        fail_in_dir(target / "old")
