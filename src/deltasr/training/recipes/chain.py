"""The recipes of residual shifting: DeltaDiff and ResShift."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from deltasr.diffusion.schedule import Schedule, geometric_schedule
from deltasr.models.configs import DeltaDiffConfig, FirstStage, NoiseStrength, ShiftingConfig
from deltasr.training.recipes.base import Count, Fraction, Recipe, Weight, with_options

if TYPE_CHECKING:

    class _ShiftingRecipe(Recipe, ShiftingConfig, frozen=True, kw_only=True): ...

else:
    _ShiftingRecipe = with_options(Recipe, ShiftingConfig)


class ChainRecipe(_ShiftingRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recipes of residual shifting have: the shifting sequence and the loss on its steps.

    LPIPS is of every picture's prediction in teacher-forced training, of the last step's in on-policy training; so
    does a discriminator, in on-policy training only.

    Attributes:
        unroll: how the states that the network learns from come about. `through`: the chain runs on its own predictions
            and gradients flow through all steps; `detached`: the same with gradients stopped between steps;
            `teacher-forced`: one random step per picture, its state made from the true HR picture, as in the papers.
        loss: on the prediction of every step, in the first stage's codes: `l1`, `l2` (mean of squares) or
            `charbonnier`.
        step_weights: weight of each step's loss, first step first; empty for equal ones. Normalised to sum 1.
        grid: weight of patterns that repeat with the LR grid in the picture that LPIPS compares, but not in the HR one
            (`losses.grid_distance`): dots that perceptual losses reward. Of pixel-unshuffled codes only.
        spectrum: weight of power that the picture that LPIPS compares has at any frequency and HR has not
            (`losses.excess_power`): patterns of any period.
        local_range: weight of what lies outside the range that HR has around each place in the picture that LPIPS
            compares (`losses.outside_local_range`): single dots, halos.
    """

    unroll: Literal["through", "detached", "teacher-forced"] = "through"
    loss: Literal["l1", "l2", "charbonnier"] = "l1"
    step_weights: tuple[Weight, ...] = ()
    grid: Weight = 0.0
    spectrum: Weight = 0.0
    local_range: Weight = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_weights and len(self.step_weights) != self.steps:
            raise ValueError(f"step_weights has {len(self.step_weights)} values for {self.steps} steps")
        if self.step_weights and sum(self.step_weights) == 0:
            raise ValueError("step_weights are all zero")
        if self.eta_1 >= self.eta_T:
            raise ValueError(f"eta_1 is {self.eta_1}, which is not less than eta_T, {self.eta_T}")
        if self.adversarial and self.unroll == "teacher-forced":
            raise ValueError("adversarial needs a result to compare, which unroll 'teacher-forced' does not make")

    def without_effect(self) -> dict[str, object]:
        defaults = ShiftingConfig()
        return {
            "step_weights has no effect on teacher-forced training, which trains one step per picture": (
                self.step_weights and self.unroll == "teacher-forced"
            ),
            "p has no effect on fewer than three steps": self.p != defaults.p and self.steps < 3,
            "eta_1 has no effect on a single step": self.eta_1 != defaults.eta_1 and self.steps == 1,
        }

    def shifting_sequence(self, *, steps: int | None = None, kappa: float = 0.0) -> Schedule:
        """The schedule of the recipe's keys, or one of the same shape with another number of steps."""
        return geometric_schedule(steps=steps or self.steps, p=self.p, kappa=kappa, eta_1=self.eta_1, eta_T=self.eta_T)

    def early_part(self) -> tuple[Schedule, int] | None:
        """The shorter schedule of the first part of the run, and the number of images in that part."""
        return None

    def step_factors(self, schedule: Schedule) -> list[float] | None:
        """What the loss of each step t = 1..T is multiplied by in teacher-forced training; None for 1."""
        return None


if TYPE_CHECKING:

    class _DeltaDiffRecipe(ChainRecipe, DeltaDiffConfig, frozen=True, kw_only=True): ...

else:
    _DeltaDiffRecipe = with_options(ChainRecipe, DeltaDiffConfig, without=frozenset({"consistent"}))


class DeltaDiffRecipe(_DeltaDiffRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="deltadiff"):
    """How to train `models.deltadiff.DeltaDiff`; its options are keys, but for `consistent`.

    With `dial`, one network is trained for all fidelities in [0, 1]: `lpips`, `spectrum`, `local_range` and
    `adversarial` are multiplied by (1 - fidelity)^dial_power. Of every four crops one is trained at fidelity 1, one at
    0 and two in between. `restoring` is for the degradation `web`.

    Attributes:
        early_steps: steps of the chain in the first part of the run, which fewer make shorter; 0 for `steps` from the
            beginning. The chain has the same `p`, `eta_1` and `eta_T` then.
        early: share of the run's images that this part has.
        dial_power: how fast the losses on the result fade towards fidelity 1; the larger their weights, the higher a
            power spreads the settings evenly.
    """

    early_steps: Count = 0
    early: Fraction = 0.75
    dial_power: Annotated[int, Meta(ge=1, le=16)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restoring and (self.degradation != "web" or self.unroll == "teacher-forced"):
            raise ValueError("restoring needs degradation 'web', and unroll 'through' or 'detached'")
        if self.early_steps and (self.early_steps > self.steps or not self.shared or self.unroll == "teacher-forced"):
            raise ValueError(
                f"early_steps is {self.early_steps}; it needs at least as many steps ({self.steps}), shared true and "
                "an unrolled chain"
            )
        if self.early_steps and self.step_weights and not sum(self.step_weights[-self.early_steps :]):
            raise ValueError(
                f"step_weights are zero for the last steps, and with early_steps {self.early_steps} the first part of "
                "the run has no others"
            )
        if not self.shared and self.unroll == "teacher-forced":
            raise ValueError(
                "shared false gives each step blocks of its own, which unroll 'teacher-forced' cannot train"
            )
        if self.dial and (self.unroll == "teacher-forced" or not (self.lpips or self.adversarial)):
            raise ValueError("dial needs lpips or adversarial above zero, and unroll 'through' or 'detached'")

    def early_part(self) -> tuple[Schedule, int] | None:
        if not self.early_steps:
            return None
        images = int(self.early * self.images) // self.batch * self.batch
        return self.shifting_sequence(steps=self.early_steps), images


class ResShiftRecipe(ChainRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="resshift"):
    """How to train `models.resshift.ResShift`: the papers' systems, and small ones of their kind.

    Attributes:
        network: the denoiser: `paper` (118.6 M parameters), `small` (1.4 M) or `tiny` (0.4 M).
        first_stage: `vq`, whose trained autoencoder has to be given, or `pixel-unshuffle`.
        kappa: noise strength; 0 is DeltaDiff.
        step_loss: `plain`, or `bound`: each step's loss times `w_t` (ResShift eq. 8), normalised to mean 1; for
            teacher-forced training at kappa above 0.
    """

    network: Literal["paper", "small", "tiny"] = "small"
    first_stage: FirstStage = "pixel-unshuffle"
    kappa: NoiseStrength = 2.0
    step_loss: Literal["plain", "bound"] = "plain"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_loss == "bound" and (self.kappa == 0 or self.unroll != "teacher-forced"):
            raise ValueError("step_loss 'bound' is for teacher-forced training with kappa above 0")
        if self.grid and self.first_stage == "vq":
            raise ValueError("grid is for pixel-unshuffled codes, and first_stage is 'vq'")
        if self.scale != 4:
            raise ValueError(f"scale is {self.scale}; ResShift's networks are for 4")

    def step_factors(self, schedule: Schedule) -> list[float] | None:
        if self.step_loss == "plain":
            return None
        bound = [schedule.weight(t) for t in range(1, schedule.steps + 1)]
        return [weight / fmean(bound) for weight in bound]
