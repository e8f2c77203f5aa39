"""The rows of an evaluation's table: their labels, models and fidelities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from deltasr.models.base import Model

_UNSAFE = re.compile(r"[/\\:\x00-\x1f\x7f-\x9f]")


def labels_of(names: Sequence[str]) -> list[str]:
    """Short labels: the last part of a path, or all of it if that is not unique.

    Raises:
        SettingError: two of the names are the same.
    """
    from deltasr.errors import SettingError

    short = [Path(name).name.removesuffix(".safetensors") for name in names]
    labels = [
        label if short.count(label) == 1 else name.strip("/").replace("/", "_")
        for label, name in zip(short, names, strict=True)
    ]
    for label, name in zip(labels, names, strict=True):
        if labels.count(label) > 1:
            raise SettingError(f"{name} is given twice; name each model and each folder of results once.")
    return labels


def folders_of(labels: Sequence[str]) -> dict[str, str]:
    """Label to folder name of each row's results; characters that are not possible in names become `_`.

    Raises:
        SettingError: two rows would have the same folder.
    """
    from deltasr.errors import SettingError

    names = {label: _folder_name(label) for label in labels}
    for label, name in names.items():
        if list(names.values()).count(name) > 1:
            raise SettingError(f"The results of {label} and of another row would share the folder {name}; rename one.")
    return names


def _folder_name(label: str) -> str:
    name = _UNSAFE.sub("_", label)
    return name if name.strip(". ") else "_" * max(1, len(name))


def rows_of(
    models: Sequence[tuple[str, Model]],
    fidelities: Sequence[float] | None,
    *,
    taken: Sequence[str],
    ensemble: bool = False,
) -> list[tuple[str, Model, float | None]]:
    """Label, model and fidelity of each row: a model with a dial has a row for each fidelity, any other model has one.

    Args:
        models: label and model.
        fidelities: in [0, 1]; None for each model's own.
        taken: labels of other rows.
        ensemble: whether the results are those of ensembles, whose labels end in a plus sign.

    Raises:
        SettingError: a fidelity is not in [0, 1], no model has a dial, or two rows would have the same label.
    """
    from deltasr.errors import SettingError
    from deltasr.inference.conditions import require_fidelity

    if fidelities and not any(model.dial for _, model in models):
        raise SettingError("--fidelity is for models with a dial, and none of these has one; leave it out.")
    rows: list[tuple[str, Model, float | None]] = []
    for name, model in models:
        label = f"{name}+" if ensemble else name
        if not (fidelities and model.dial):
            rows.append((label, model, None))
            continue
        for value in fidelities:
            require_fidelity(model, value)
            rows.append((f"{label}@{value:g}", model, value))
    labels = [*taken, *(label for label, _, _ in rows)]
    for label in labels:
        if labels.count(label) > 1:
            raise SettingError(f"Two rows would be called {label}; give each --fidelity once, or rename a folder.")
    return rows


def restoration_for(models: Sequence[Model], restoration: float | Literal["auto"]) -> float | Literal["auto"]:
    """The restoration of the models that restore, after checking that it is possible for them.

    Raises:
        SettingError: it is neither `auto` nor in [0, 1], or no model restores.
    """
    from deltasr.errors import SettingError
    from deltasr.inference.conditions import require_restoration

    restoring = [model for model in models if model.restoring]
    if restoration != "auto" and not restoring:
        raise SettingError("--restoration is for models that restore, and none of these does; leave it out.")
    for model in restoring:
        require_restoration(model, restoration)
    return restoration
