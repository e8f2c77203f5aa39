"""Shifting sequences: the share of the residual that is present at each step.

Notation (ResShift, arXiv:2307.12348): `eta_0 = 0 < eta_1 < ... < eta_T` is the shifting sequence,
`alpha_t = eta_t - eta_{t-1}` its increments, `kappa` the noise strength. `kappa = 0` is DeltaDiff.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from deltasr.errors import SettingError


@dataclass(frozen=True)
class Schedule:
    """A shifting sequence with its noise strength.

    Attributes:
        eta: `(eta_0, ..., eta_T)`: zero first, then strictly increasing up to at most 1.
        kappa: noise strength, at least 0; 0 makes every formula deterministic.

    Raises:
        SettingError: `eta` does not start at 0, does not increase, exceeds 1 or has no step; or `kappa` is negative.
    """

    eta: tuple[float, ...]
    kappa: float = 0.0

    def __post_init__(self) -> None:
        if len(self.eta) < 2 or self.eta[0] != 0.0:
            raise SettingError("A shifting sequence starts with eta_0 = 0 and has at least one step after it.")
        if any(not earlier < later for earlier, later in pairwise(self.eta)):
            raise SettingError(f"A shifting sequence must increase at every step; this one is {self.eta}.")
        if self.eta[-1] > 1.0:
            raise SettingError(f"A shifting sequence ends at 1 or below; this one ends at {self.eta[-1]}.")
        if not (self.kappa >= 0 and math.isfinite(self.kappa)):
            raise SettingError(f"kappa, the noise strength, must be 0 or more; it is {self.kappa}.")

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        return len(self.eta) - 1

    def require_step(self, t: int) -> None:
        """Check that t is in 1..T.

        Raises:
            SettingError: there is no step `t`.
        """
        if not 1 <= t <= self.steps:
            raise SettingError(f"Step {t} does not exist; this schedule has the steps 1 to {self.steps}.")

    def alpha(self, t: int) -> float:
        """`alpha_t = eta_t - eta_{t-1}` (ResShift, below eq. 1).

        Raises:
            SettingError: `t` is not in 1..T.
        """
        self.require_step(t)
        return self.eta[t] - self.eta[t - 1]

    def weight(self, t: int) -> float:
        """`w_t = alpha_t / (2 kappa^2 eta_t eta_{t-1})`, the weight of step t in the bound (ResShift eq. 8).

        At t = 1, where `eta_0 = 0` makes it infinite, it is that of t = 2; for a single step it is 1.

        Raises:
            SettingError: kappa is 0, where no weight is finite; or `t` is not in 1..T.
        """
        if self.kappa == 0:
            raise SettingError("The weights w_t divide by kappa; with kappa = 0 there are none.")
        self.require_step(t)
        if self.steps == 1:
            return 1.0
        t = max(t, 2)
        return self.alpha(t) / (2 * self.kappa**2 * self.eta[t] * self.eta[t - 1])

    def relative_noise(self, t: int) -> float:
        """`kappa sqrt(eta_t)`, the standard deviation of the noise in `x_t` (ResShift eq. 2).

        Raises:
            SettingError: `t` is not in 1..T.
        """
        self.require_step(t)
        return self.kappa * math.sqrt(self.eta[t])


def geometric_schedule(*, steps: int, p: float, kappa: float, eta_1: float, eta_T: float) -> Schedule:
    """The sequence that is geometric in `sqrt(eta)` (ResShift eq. 9-10; DeltaDiff eq. 7).

    `sqrt(eta_t) = sqrt(eta_1) b_0^beta_t`, `beta_t = ((t-1)/(T-1))^p (T-1)`,
    `b_0 = exp(log(eta_T/eta_1) / (2(T-1)))`.

    Args:
        steps: T, at least 1; with T = 1 the only step has `eta_T`.
        p: growth exponent, positive and finite; below 1 the sequence rises early.
        kappa: noise strength, at least 0.
        eta_1: first value, in (0, eta_T).
        eta_T: last value, in (eta_1, 1].

    Raises:
        SettingError: a value lies outside its range.
    """
    if steps < 1:
        raise SettingError(f"A schedule needs at least one step, not {steps}.")
    if not 0 < p < math.inf:
        raise SettingError(f"p, the growth exponent of a schedule, must be positive; it is {p}.")
    if not 0 < eta_1 < eta_T <= 1:
        raise SettingError(f"A schedule needs 0 < eta_1 < eta_T <= 1; here eta_1 = {eta_1} and eta_T = {eta_T}.")
    if steps == 1:
        return Schedule((0.0, eta_T), kappa)
    log_b_0 = math.log(eta_T / eta_1) / (2 * (steps - 1))
    betas = [((t - 1) / (steps - 1)) ** p * (steps - 1) for t in range(1, steps)]
    return Schedule((0.0, *(eta_1 * math.exp(2 * log_b_0 * beta) for beta in betas), eta_T), kappa)


def resshift_paper(kappa: float = 2.0) -> Schedule:
    """ResShift as its paper states it: T = 15, p = 0.3, eta_1 = min((0.04/kappa)^2, 0.001), eta_T = 0.999.

    At kappa = 0 the bound on kappa sqrt(eta_1) is void, and eta_1 = 0.001.

    Raises:
        SettingError: `kappa` is negative or not finite.
    """
    eta_1 = min((0.04 / kappa) ** 2, 0.001) if kappa > 0 else 0.001
    return geometric_schedule(steps=15, p=0.3, kappa=kappa, eta_1=eta_1, eta_T=0.999)


PRESETS: dict[str, Schedule] = {
    "resshift-paper": resshift_paper(),
    "resshift-s15": geometric_schedule(steps=15, p=0.3, kappa=2.0, eta_1=(0.04 / 2.0) ** 2, eta_T=0.99**2),
    "resshift-s4": geometric_schedule(steps=4, p=0.3, kappa=2.0, eta_1=(0.2 / 2.0) ** 2, eta_T=0.99**2),
    "deltadiff": geometric_schedule(steps=4, p=0.3, kappa=0.0, eta_1=0.01, eta_T=0.99),
}
"""The published schedules. `resshift-s15` and `resshift-s4` are those of the released code, whose checkpoints need
them (they end at sqrt(eta_T) = 0.99); `deltadiff` takes the best rows of DeltaDiff's Table II."""
