"""`deltasr models` lists the catalogue; `deltasr info` prints a model's card."""

from __future__ import annotations


def models_command() -> None:
    """List the models that have a name; a checkpoint's path works wherever a name does."""
    from deltasr.models import catalogue

    width = max(map(len, catalogue.names()))
    dials = catalogue.dials()
    for name in catalogue.names():
        default = "  (default)" if name == catalogue.DEFAULT else ""
        dial = f"; --fidelity 0 to 1, {dials[name]:g} unless given" if name in dials else ""
        print(f"{name:<{width}}  {catalogue.describe(name).description}{dial}{default}")


def info_command(model: str, /) -> None:
    """Print what is known of a model: its facts, and the model card of bundled weights.

    Parameters
    ----------
    model
        A name in the catalogue, a checkpoint, or a file that spandrel recognises.
    """
    import json

    from deltasr.models import catalogue, checkpoint

    loaded = catalogue.load(model)
    parameters = sum(weight.numel() for weight in loaded.parameters())
    reach = loaded.receptive_field
    field = "not known to be bounded" if reach is None else f"{reach} LR pixels to each side"
    print(f"{loaded.name}: {loaded.description}")
    print(f"scale {loaded.scale}, {parameters:,} parameters, receptive field {field}")
    if loaded.dial:
        print(f"--fidelity 0 (most natural) to 1 (most faithful), {loaded.default_fidelity:g} unless given")
    if model not in catalogue.names():
        if not loaded.architecture:
            return
        header = checkpoint.read_header(model)
        print(f"architecture {header.architecture} {json.dumps(header.arguments)}")
        if header.training:
            print(f"training {json.dumps(header.training, indent=2)}")
        return
    card = catalogue.describe(model).card
    if card is not None and card.exists():
        print()
        print(card.read_text(encoding="utf-8").rstrip())
