"""From the ranker's logits to probabilities: what was taken of lists that it has not learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.records import Floats


def calibrated(judged: Sequence[Slates], logits: Sequence[Floats]) -> Calibration:
    """The map that fits the first list of each user, which is how `evaluate` asks: what is taken from now on.

    A list in the middle of the slice has less time left, so less of it is taken: those lists teach the order, and
    would tell a level that is too low. Every candidate of a list is looked at, taken or not, so nothing is
    downsampled that would have to be corrected for; in joint training, which draws one negative for each event, these
    lists are what corrects it.

    Args:
        judged: lists of users whom the ranker that answered has not learnt from.
        logits: [Q*K] what it said, for each.
    """
    labels, said = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for part, told in zip(judged, logits, strict=True):
        _, first = np.unique(part.users, return_index=True)
        depth = part.examples.depth
        clicks, own = part.examples.clicks.reshape(-1, depth)[first], told.reshape(-1, depth)[first]
        held = ~np.isnan(clicks)
        labels.append(clicks[held])
        said.append(own[held])
    return Calibration.of(np.concatenate(labels), np.concatenate(said))
