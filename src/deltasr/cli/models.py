"""`deltasr models`: the list of models; `deltasr info`: the facts and the card of one."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.parameters import Flag

if TYPE_CHECKING:
    from deltasr.models.facts import Facts

_RELATIVE_LINK = re.compile(r"!?\[([^\]]*)\]\((?!\w+:)[^)]*\)")


def models_command(*, json_: Annotated[Flag, Parameter(name="--json")] = False) -> None:
    """List the models in the catalogue.

    Wherever a command takes a name, it also takes a checkpoint's path.

    Parameters
    ----------
    json_
        Print JSON: a list of objects with name, description, scale, default_fidelity (null for a model without a
        dial) and default (whether commands use it by default).
    """
    from deltasr.models import catalogue

    dials = catalogue.dials()
    if json_:
        print(json.dumps([_listed(name, dials.get(name)) for name in catalogue.names()], indent=2))
        return
    width = max(map(len, catalogue.names()))
    for name in catalogue.names():
        default = "  (default)" if name == catalogue.DEFAULT else ""
        dial = f"; --fidelity 0 to 1, {dials[name]:g} unless given" if name in dials else ""
        print(f"{name:<{width}}  {catalogue.describe(name).description}{dial}{default}")


def info_command(model: str, /, *, json_: Annotated[Flag, Parameter(name="--json")] = False) -> None:
    """Print the facts of a model, and its card.

    Models whose weights come with the package have a card: their data, training and measured quality.

    Parameters
    ----------
    model
        A name in the catalogue, on the Hub (hf://owner/name) or in OpenModelDB (openmodeldb://NAME), a checkpoint, a
        training run's folder, or a file that spandrel can load.
    json_
        Print one JSON object, with the card as Markdown.
    """
    from deltasr.models import catalogue
    from deltasr.models.facts import told_by

    facts = catalogue.facts(model) or told_by(catalogue.load(model))
    card = _card(model)
    if json_:
        print(json.dumps(_as_object(facts, card), indent=2))
        return
    reach = facts.receptive_field
    field = "not known to be bounded" if reach is None else f"{reach} LR pixels to each side"
    print(plain(f"{facts.name}: {facts.description}"))
    print(f"scale {facts.scale}, {facts.parameters:,} parameters, receptive field {field}")
    if facts.dial:
        print(f"--fidelity 0 (most natural) to 1 (most faithful), {facts.default_fidelity:g} unless given")
    if facts.restoring:
        print("--restoration 0 (clean) to 1 (strong blur, noise and JPEG), estimated from each picture unless given")
    if card is not None:
        print()
        _print_markdown(card)
    elif facts.header is not None:
        print(plain(f"architecture {facts.header.architecture} {json.dumps(facts.header.arguments)}"))
        if facts.header.training:
            print(f"training {json.dumps(facts.header.training, indent=2)}")


def _listed(name: str, default_fidelity: float | None) -> dict[str, Any]:
    from deltasr.models import catalogue

    facts = catalogue.facts(name)
    assert facts is not None, "named models have facts without being loaded"
    return {
        "name": name,
        "description": catalogue.describe(name).description,
        "scale": facts.scale,
        "default_fidelity": default_fidelity,
        "default": name == catalogue.DEFAULT,
    }


def _as_object(facts: Facts, card: str | None) -> dict[str, Any]:
    header = facts.header
    return {
        "name": facts.name,
        "description": facts.description,
        "scale": facts.scale,
        "parameters": facts.parameters,
        "receptive_field": facts.receptive_field,
        "default_fidelity": facts.default_fidelity if facts.dial else None,
        "restoring": facts.restoring,
        "architecture": None if header is None else header.architecture,
        "arguments": None if header is None else header.arguments,
        "training": None if header is None else header.training,
        "card": card,
    }


def _card(model: str) -> str | None:
    """The card of a bundled model; links to files of the repository are replaced by their text."""
    from deltasr.models import catalogue

    card = catalogue.describe(model).card if model in catalogue.names() else None
    if card is None or not card.exists():
        return None
    return _RELATIVE_LINK.sub(r"\1", card.read_text(encoding="utf-8")).rstrip()


def _print_markdown(text: str) -> None:
    """Print Markdown, rendered if standard output is a terminal."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
