"""Two processes train what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.recipes.picture import RrdbRecipe
from deltasr.training.recipes.types import AnyRecipe

SHORT: dict[str, Any] = {"crop": 8, "batch": 4, "images": 8, "warmup": 4, "validation_pictures": 1, "save_every": 4}
BASES = {DeltaDiffRecipe: "deltadiff-tiny-x4", RrdbRecipe: "rrdb-x4"}


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
@pytest.mark.parametrize(
    "recipe",
    [
        DeltaDiffRecipe(**SHORT),
        DeltaDiffRecipe(**SHORT, unroll="teacher-forced"),
        RrdbRecipe(**SHORT, blocks=1, width=4, adversarial=0.1, adversarial_loss="bce", discriminator_width=4),
    ],
    ids=["through", "teacher-forced", "adversarial"],
)
def test_two_processes_share_a_batch(recipe: AnyRecipe, learn: Any, pictures: Path, decoded: Path, tmp_path: Path):
    alone = learn(recipe, "alone")
    shared = tmp_path / "shared"
    config = tmp_path / "recipe.toml"
    values = msgspec.structs.asdict(recipe)
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "deltasr"]
    command = ["train", str(pictures), "-o", str(shared), "--cache", str(decoded), "--config", str(config)]
    command += ["--recipe", BASES[type(recipe)]]
    done = subprocess.run(
        [*launch, *command, "--device", "cpu" if torch.accelerator.is_available() else "auto"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters" not in done.stderr
    assert done.stdout.count("weights: ") == 1
    assert done.stdout.count("8/8 crops") == 1

    expected, state = alone.state, torch.load(shared / "state.pt", weights_only=True)
    assert state["images"] == 8
    for network in {"model", "average", "discriminator"} & expected.keys():
        for name, weight in expected[network].items():
            torch.testing.assert_close(state[network][name], weight, rtol=1e-4, atol=1e-5)
    lines, lines_alone = (
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (shared, alone.folder)
    )
    assert [line["images"] for line in lines] == [line["images"] for line in lines_alone] == [4, 8, 8]
    for line, line_alone in zip(lines[:2], lines_alone[:2], strict=True):
        assert line["terms"] == pytest.approx(line_alone["terms"], rel=1e-3, abs=1e-6)


THREADS_LEFT = """
import os, torch
from deltasr.training.processes import accelerator_on
accelerator = accelerator_on("cpu")
network = accelerator.prepare(torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1)))
threads = lambda: {open(f"/proc/self/task/{thread}/comm").read().strip() for thread in os.listdir("/proc/self/task")}
assert any("gloo" in name for name in threads()), threads()
del network, accelerator
torch.distributed.destroy_process_group()
print(*(name for name in threads() if "gloo" in name))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads from /proc")
def test_no_thread_of_the_process_group_outlives_it():
    """Such a thread can abort the interpreter at its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-c", THREADS_LEFT],
        env={**os.environ, **one, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_a_batch_that_cannot_be_shared_is_told(learn: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    from accelerate import Accelerator

    from deltasr.errors import SettingError

    monkeypatch.setattr(Accelerator, "num_processes", 3)
    with pytest.raises(SettingError, match="A batch of 2 cannot be shared by 3 processes equally"):
        learn(recipe)
