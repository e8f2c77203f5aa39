"""What the commands set before torch is loaded, and what they leave alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deltasr import environment, processor

CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
TRAPPED = {"float32": 2.0, "bfloat16": "SIGILL", "float16": "SIGILL"}
FAST = {"float32": 2.0, "bfloat16": 1.0, "float16": 9.0}
SLOW = {"float32": 2.0, "bfloat16": 3.0, "float16": 9.0}


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of the test's own, in a process that has no torch yet."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_", "ONEDNN"))
    }
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return own


def on_a_processor(monkeypatch: pytest.MonkeyPatch, plain: processor.Tried, capped: processor.Tried, *, amx: bool):
    """Let the trials have these results."""
    monkeypatch.setattr(processor, "announces_amx", lambda: amx)
    monkeypatch.setattr(processor, "tried", lambda changes=None: capped if changes == CAPPED else plain)


def test_threads_sleep_unless_the_user_says_how_they_wait(variables):
    environment.let_threads_sleep()
    assert variables.pop("GOMP_SPINCOUNT") == "1000"
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        variables[name] = "7"
        before = dict(variables)
        environment.let_threads_sleep()
        assert variables == before
        del variables[name]


@pytest.mark.parametrize(
    ("plain", "capped", "amx", "cap"),
    [
        (TRAPPED, FAST, True, True),
        (TRAPPED, SLOW, True, False),
        (TRAPPED, TRAPPED, True, False),
        (FAST, FAST, True, False),
        (SLOW, FAST, True, False),
        (TRAPPED, FAST, False, False),
    ],
)
def test_onednn_is_kept_from_amx_only_where_that_makes_bf16_worth_it(variables, monkeypatch, plain, capped, amx, cap):
    on_a_processor(monkeypatch, plain, capped, amx=amx)
    environment.let_bf16_run()
    assert variables.get("ONEDNN_MAX_CPU_ISA") == ("AVX512_CORE_BF16" if cap else None)


def test_a_choice_of_the_users_stays(variables, monkeypatch):
    on_a_processor(monkeypatch, TRAPPED, FAST, amx=True)
    variables["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    environment.let_bf16_run()
    assert variables["ONEDNN_MAX_CPU_ISA"] == "AVX2"


def test_nothing_is_set_where_torch_is_loaded_already(variables, monkeypatch):
    on_a_processor(monkeypatch, TRAPPED, FAST, amx=True)
    monkeypatch.setitem(sys.modules, "torch", None)
    before = dict(variables)
    environment.let_threads_sleep()
    environment.let_bf16_run()
    assert variables == before


def test_the_commands_set_it_before_torch_is_loaded(tmp_path):
    """The command line in a process of its own: what torch's import finds in the environment."""
    (tmp_path / "a.png").write_bytes(b"a picture, as far as is looked at before torch is loaded")
    asked = f"""
import os, sys
class Watch:
    def find_spec(self, name, *rest):
        if name == "torch":
            print("spins", os.environ.get("GOMP_SPINCOUNT"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
from deltasr.cli import main
main(["upscale", {str(tmp_path / "a.png")!r}])
"""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_WAIT", "GOMP_", "KMP_"))}
    printed = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env=plain)
    assert printed.stdout == "spins 1000\n"
