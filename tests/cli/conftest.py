"""What the tests of all verbs share."""

import shlex

import pytest

from segcritic.cli import main


@pytest.fixture
def run(capsys):
    """Run a command line: exit code, what it said on stdout, on stderr."""

    def _run(line):
        code = main(shlex.split(line))
        said = capsys.readouterr()
        return code, said.out, said.err

    return _run
