"""The command line, run inside the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deltasr.cli import main


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `deltasr` with arguments and returns its exit status and what it printed on either stream."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, printed.out, printed.err

    return run
