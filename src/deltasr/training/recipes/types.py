"""The kinds of training recipes: everything that decides what weights come out of a run, as typed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from deltasr.models.configs import ARCHITECTURES
from deltasr.training.recipes.base import Recipe, with_options
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe, PictureRecipe, RrdbRecipe

RECIPE_KINDS: dict[str, type[Recipe]] = {
    "deltadiff": DeltaDiffRecipe,
    "resshift": ResShiftRecipe,
    "rrdb": RrdbRecipe,
    "vq": AutoencoderRecipe,
}
"""The class of recipes of each system; of architectures that have none of their own, a `PictureRecipe` with their
options."""
for _name, _config in ARCHITECTURES.items():
    if _name not in RECIPE_KINDS:
        RECIPE_KINDS[_name] = with_options(PictureRecipe, _config, tag=_name)

if TYPE_CHECKING:
    AnyRecipe = DeltaDiffRecipe | ResShiftRecipe | RrdbRecipe | AutoencoderRecipe
else:
    AnyRecipe = Union[tuple(RECIPE_KINDS.values())]  # noqa: UP007
"""A recipe of any system; in files, `system` says which."""
