"""`deltasr engines`: what can run networks on this machine, and how fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.parameters import Flag

if TYPE_CHECKING:
    from deltasr.engines.trial import Verdict

_HEADS = ("engine", "version", "ms", "times as fast", "verdict")


def engines_command(
    *,
    model: str = "deltadiff-x4",
    dtype: Literal["float32", "bfloat16"] = "float32",
    refresh: Flag = False,
    json_: Annotated[Flag, Parameter(name="--json")] = False,
) -> None:
    """List what can run a model's network on this machine.

    Engines for the CPU are tried in child processes and timed, and the one that auto chooses is named. The first
    trial takes some seconds. Its outcome is kept for this machine, these versions and this model.

    Parameters
    ----------
    model
        Name in the catalogue (see `deltasr models`), or a checkpoint.
    dtype
        Floating-point type that the network computes in.
    refresh
        Try and measure again.
    json_
        Print one JSON object.
    """
    from deltasr.engines import choice
    from deltasr.environment import let_bf16_run
    from deltasr.models import catalogue

    if dtype == "bfloat16":
        let_bf16_run()
    found = choice.verdicts(catalogue.load(model), dtype=dtype, refresh=refresh)
    chosen = choice.best(found) if any(verdict.seconds is not None for verdict in found.values()) else None
    if json_:
        objects = {name: _as_object(name, verdict) for name, verdict in found.items()}
        print(json.dumps({"model": model, "dtype": dtype, "auto": chosen, "engines": objects}, indent=2))
        return
    rows = [_HEADS]
    reference = found["torch"].seconds if "torch" in found else None
    for name in ("torch", *choice.RUNTIMES):
        verdict, number = found.get(name), choice.installed(name)
        if verdict is None:
            why = f"not installed: pip install {name}" if number is None else f"does not compute in {dtype}"
            rows.append((name, number or "-", "-", "-", why))
        elif verdict.seconds is None:
            rows.append((name, number or "-", "-", "-", f"not used: {verdict.fault}"))
        else:
            speed = "-" if reference is None else f"{reference / verdict.seconds:.2f}"
            rows.append((name, number or "-", f"{1000 * verdict.seconds:.0f}", speed, _agreement(name, verdict)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row in rows:
        print(plain("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))
    print(plain(f"auto is {chosen or 'none of them'} for {model} in {dtype}"))


def _agreement(name: str, verdict: Verdict) -> str:
    return "the reference" if name == "torch" else f"within {verdict.levels:.2g} of 255 levels of torch"


def _as_object(name: str, verdict: Verdict) -> dict[str, object]:
    from deltasr.engines import choice

    return {
        "version": choice.installed(name),
        "seconds": verdict.seconds,
        "levels": verdict.levels,
        "fault": verdict.fault or None,
    }
