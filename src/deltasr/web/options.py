"""The options of an upscale as a query writes them: `model=deltadiff-x4&fidelity=1&format=png`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from deltasr.imaging.formats import FORMATS
from deltasr.inference.batch import Request
from deltasr.web.failures import WebError
from deltasr.web.models import Models

if TYPE_CHECKING:
    from deltasr.models.base import Model


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        name: in the query.
        field: of `inference.batch.Request`; None for the model, which is none.
        read: makes the value of the text; raises ValueError.
        kind: what the text has to be, for a sentence.
        schema: the same as JSON schema, for the description of the API.
        text: what it does.
    """

    name: str
    field: str | None
    read: Callable[[str], Any]
    kind: str
    schema: Mapping[str, Any]
    text: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a request: a model of the server, and the settings of the upscale."""

    model: str
    request: Request


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on", ""):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError


def _restoration(text: str) -> float | str:
    return text if text == "auto" else float(text)


def _map(text: str) -> str:
    if text not in _MAPS:
        raise ValueError
    return text


_MAPS = ("error", "determined")
_SIDE = {"type": "integer", "minimum": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}

OPTIONS: tuple[Option, ...] = (
    Option(
        name="model",
        field=None,
        read=str,
        kind="a name",
        schema={"type": "string"},
        text="One of /v1/models; the default one unless given.",
    ),
    Option(
        name="scale",
        field="scale",
        read=float,
        kind="a number",
        schema={"type": "number", "exclusiveMinimum": 0},
        text="Any factor above 0; the model's own unless given.",
    ),
    Option(
        name="width",
        field="width",
        read=int,
        kind="a whole number",
        schema=_SIDE,
        text="Width of the result in pixels, in place of a scale; the height follows unless it is given too.",
    ),
    Option(
        name="height",
        field="height",
        read=int,
        kind="a whole number",
        schema=_SIDE,
        text="Height of the result in pixels; the width follows unless it is given too.",
    ),
    Option(
        name="max_side",
        field="max_side",
        read=int,
        kind="a whole number",
        schema=_SIDE,
        text="Pixels of the result's longer side, in place of a scale.",
    ),
    Option(
        name="fidelity",
        field="fidelity",
        read=float,
        kind="a number",
        schema=_SHARE,
        text="For models with a dial: 0 is the most natural picture, 1 the most faithful one.",
    ),
    Option(
        name="restoration",
        field="restoration",
        read=_restoration,
        kind="a number or auto",
        schema={"oneOf": [_SHARE, {"const": "auto"}], "default": "auto"},
        text="For models that restore: how degraded the picture is, from 0 (clean) to 1; auto estimates it.",
    ),
    Option(
        name="format",
        field="output_format",
        read=str,
        kind="a name",
        schema={"enum": list(FORMATS)},
        text="Of the result; that of the picture unless given, or PNG where that cannot be written.",
    ),
    Option(
        name="quality",
        field="quality",
        read=int,
        kind="a whole number",
        schema={"type": "integer", "minimum": 1, "maximum": 100, "default": 95},
        text="Of JPEG and WebP.",
    ),
    Option(
        name="strip",
        field="strip",
        read=_boolean,
        kind="true or false",
        schema={"type": "boolean", "default": False},
        text="Leave out profile, EXIF, XMP and text.",
    ),
    Option(
        name="map",
        field="map",
        read=_map,
        kind="error or determined",
        schema={"enum": list(_MAPS)},
        text="Two more pictures, in one zip archive with the result: how far each of its pixels may be from the truth, "
        "and that in colours; or what of it the input determines, and what the model added.",
    ),
)


def read_options(
    query: Sequence[tuple[str, str]], models: Models, *, max_pixels: int, besides: frozenset[str] = frozenset()
) -> Options:
    """The options of a query.

    Args:
        query: its names and values.
        models: of the server.
        max_pixels: that a picture may have.
        besides: names in the query that are no options.

    Raises:
        WebError: an option is unknown, comes twice, or is not of its kind.
        SettingError, ModelError: a value is not possible, or not with this model.
    """
    from deltasr.inference.conditions import require_fidelity, require_restoration

    known = {option.name: option for option in OPTIONS}
    values: dict[str, Any] = {}
    for name, text in query:
        if name in besides:
            continue
        option = known.get(name)
        if option is None:
            raise WebError(400, f"There is no option {name[:40]!r}; there are {', '.join(known)}.")
        if name in values:
            raise WebError(400, f"The option {name} is given twice; give it once.")
        try:
            values[name] = option.read(text)
        except ValueError as error:
            raise WebError(400, f"The option {name} is {text[:40]!r}; give {option.kind}.") from error
    model = values.pop("model", models.default)
    facts = models.facts(model)
    request = Request(max_pixels=max_pixels, **{str(known[name].field): value for name, value in values.items()})
    asked = cast("Model", facts)  # of which these read nothing that facts have not
    require_fidelity(asked, request.fidelity)
    require_restoration(asked, request.restoration)
    if request.map == "error":
        models.require_error_map(model)
    return Options(model=model, request=request)
