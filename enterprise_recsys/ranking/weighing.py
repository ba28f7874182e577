"""The losses of several tasks become one: by weights of the config, or by weights that are learnt with the network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Weighing(nn.Module):
    """Losses of tasks [] -> their weighted sum [].

    Fixed: sum_i w_i L_i. Learnt: sum_i (e^-s_i L_i + s_i / 2), where s_i is the log-variance of a task. While a loss
    stays as it is the best s is log(2 L), so that each task comes to count 1 / (2 L): the sum is then that of
    log(L_i) / 2, which no unit of a loss can sway. There s begins, at the first loss that is seen: in the few steps of
    a short training it would not come there from 0. A task without a label in a batch (its loss is 0) has no say in
    that batch, and one task alone counts as it is.

    Args:
        weights: task -> w, 0 or more; where weights are learnt only whether it is 0 counts: such a task is left out.
        is_learnt: as above.

    Source: Kendall, Gal and Cipolla, CVPR 2018, arXiv:1705.07115, equation 10; there a squared error has a factor of
    1/2, which moves its s by log 2 and nothing else.
    """

    def __init__(self, weights: Mapping[str, float], *, is_learnt: bool = False) -> None:
        super().__init__()
        self.weights = {name: weight for name, weight in weights.items() if weight > 0.0}
        learnt = list(self.weights) if is_learnt and len(self.weights) > 1 else []
        # NaN: no loss was seen yet; it is kept with the network, so that a training that goes on knows.
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.full((), torch.nan)) for name in learnt})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """See the class; losses of other tasks are not counted."""
        total = torch.zeros(())
        for name in self.weights:
            total = total + self._counted(name, losses[name])
        return total

    def _counted(self, name: str, loss: Tensor) -> Tensor:
        if name not in self.log_variances:
            return self.weights[name] * loss
        if loss.item() == 0.0:
            return loss
        own = self.log_variances[name]
        if own.isnan():
            with torch.no_grad():
                own.copy_((2.0 * loss).log())
        counted: Tensor = torch.exp(-own) * loss + own / 2.0
        return counted
