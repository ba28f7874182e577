"""The losses of several tasks become one: by weights of the config, or by weights that are learnt with the network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Weighing(nn.Module):
    """Losses of tasks [] -> their weighted sum [].

    Fixed: sum_i w_i L_i. Learnt: the sum of all w is shared out by e^-s_i, where s_i is the log-variance of a task. It
    follows e^-s_i L_i + s_i / 2, which is least at s = log(2 L): a task comes to count in proportion to 1 / L, so that
    no unit of a loss sways what the network learns. There s begins, at the first loss that is seen: in the few steps of
    a short training it would not come there from 0. A task without a label in a batch (its loss is 0) has no say in
    that batch.

    Args:
        weights: task -> w, 0 or more; a task of weight 0 is left out.
        is_learnt: as above.

    Source: Kendall, Gal and Cipolla, CVPR 2018, arXiv:1705.07115, equation 10. Unlike there, the shares add up to what
    was given, so that weight decay weighs as much against them as against fixed weights, and a squared error has no
    factor of 1/2.
    """

    def __init__(self, weights: Mapping[str, float], *, is_learnt: bool = False) -> None:
        super().__init__()
        self.weights = {name: weight for name, weight in weights.items() if weight > 0.0}
        # NaN: no loss was seen yet; it is kept with the network, so that a training that goes on knows.
        start = {name: nn.Parameter(torch.full((), torch.nan)) for name in self.weights if is_learnt}
        self.log_variances = nn.ParameterDict(start)

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """See the class; losses of other tasks are not counted."""
        total = torch.zeros(())
        if not self.log_variances:
            for name, weight in self.weights.items():
                total = total + weight * losses[name]
            return total
        told = {name: losses[name] for name in self.weights if losses[name].item() > 0.0}
        shares = self._shares(told)
        for name, loss in told.items():
            own = self.log_variances[name]
            # The network feels the share alone, the log-variance its own term alone, whose value is no loss of anybody.
            follows = torch.exp(-own) * loss.detach() + own / 2.0
            total = total + shares[name] * loss + (follows - follows.detach())
        return total

    def _shares(self, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each task counts, by the log-variances as they stand."""
        with torch.no_grad():
            for name, loss in told.items():
                if self.log_variances[name].isnan():
                    self.log_variances[name].copy_((2.0 * loss).log())
            counted = {name: torch.exp(-own) for name, own in self.log_variances.items() if not own.isnan()}
            unit = sum(self.weights.values()) / sum(counted.values(), start=torch.zeros(()))
            return {name: unit * own for name, own in counted.items()}
