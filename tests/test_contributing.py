"""The worked example in CONTRIBUTING.md is code that runs."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import torch

from deltasr.models import checkpoint

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def test_the_worked_example_makes_a_model_that_saves_loads_and_upscales(tmp_path, monkeypatch):
    net, model, lists = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.setattr(checkpoint, "ARCHITECTURES", dict(checkpoint.ARCHITECTURES))
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("deltasr.nets.espcn")
    exec(net, module.__dict__)
    monkeypatch.setitem(sys.modules, "deltasr.nets.espcn", module)
    names: dict[str, object] = {"__name__": "deltasr.models.espcn"}
    exec(model + lists, names)
    loaded = checkpoint.load(tmp_path / "espcn.safetensors")
    assert loaded(torch.rand(2, 3, 5, 7)).shape == (2, 3, 20, 28)
