"""LOSSES of retrieval: one value per query; and the softmax over a whole catalogue in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from enterprise_recsys.devices import scores_at_once

EXACT_ITEMS, EXACT_SCORES = 20_000, 20_000_000_000
"""Items, and scores in an epoch, up to which that of 'fold_in' is over the whole catalogue; two minutes on one core."""


def softmax(positive: Tensor, negative: Tensor, log_q: Tensor) -> Tensor:
    """Cross-entropy of the true item against the sampled ones, corrected for how they were sampled.

    loss = -log( exp(s_0) / (exp(s_0) + sum_j exp(s_j - log q_j)) )

    Args:
        positive: [B] cosine / temperature of the true item.
        negative: [B, N] of the sampled items; -inf = a sample that is in truth a hit.
        log_q: [N] log of the expected count of each sample, in nats.

    Returns:
        [B] loss in nats (per query, so that the caller can weigh events).

    Source: Yi et al., RecSys 2019, doi:10.1145/3298689.3346996. Unlike there, the true item is not corrected: it is
    in the sum with certainty (arXiv 2507.09331).
    """
    scores = torch.cat([positive.unsqueeze(1), negative - log_q.unsqueeze(0)], dim=1)  # [B, 1+N]
    return torch.logsumexp(scores, dim=1) - positive


def is_exact(items: int, queries: int) -> bool:
    """Whether the softmax of so many queries an epoch is over all of so many items, and not over drawn ones."""
    return items <= EXACT_ITEMS and items * queries <= EXACT_SCORES


class _Exact(torch.autograd.Function):
    """The weighted sum of cross-entropies over all items; its gradients are worked out on the way forward.

    So the probabilities [N, I] are never held, only some rows of them at a time: three products of matrices in all.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, queries: Tensor, items: Tensor, hits: Hits, is_half: bool) -> Tensor:
        kind = torch.bfloat16 if is_half else torch.float32
        catalogue, asking = items.to(kind), queries.to(kind)
        rows = max(scores_at_once(items.device) // len(items), 32)
        of_queries, of_items = torch.empty_like(queries), torch.zeros_like(items)
        loss, offsets = queries.new_zeros(()), hits.offsets(rows, len(queries))
        for place, begin in enumerate(range(0, len(queries), rows)):
            end, mine = begin + rows, slice(offsets[place], offsets[place + 1])
            at, weight = (hits.owners[mine] - begin, hits.targets[mine]), hits.weights[mine]
            shares = torch.softmax(asking[begin:end] @ catalogue.T, dim=1)
            loss -= (weight * shares[at].float().clamp(min=1e-30).log()).sum()
            total = weight.new_zeros(len(shares)).index_add_(0, at[0], weight)
            # In bfloat16 a small hit would be lost beside a share that was multiplied by a large sum of weights.
            wrong = shares.index_put_(at, -(weight / total[at[0]].clamp(min=1e-30)).to(kind), accumulate=True)
            of_queries[begin:end] = (wrong @ catalogue).float() * total.unsqueeze(1)
            of_items += wrong.T @ (asking[begin:end] * total.unsqueeze(1).to(kind))
        ctx.save_for_backward(of_queries, of_items)
        return loss

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_queries, of_items = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * of_queries, gradients[0] * of_items, None, None


@dataclass(frozen=True)
class Hits:
    """What queries should find: query owners[t] item targets[t], with weights[t], all [T]; the owners never fall."""

    owners: Tensor
    targets: Tensor
    weights: Tensor

    def offsets(self, rows: int, queries: int) -> list[int]:
        """Where the hits of each next `rows` of the queries begin, and where the last ones end."""
        found: list[int] = torch.searchsorted(self.owners, torch.arange(0, queries + rows, rows)).tolist()
        return found


def exact_softmax(queries: Tensor, items: Tensor, hits: Hits, *, is_half: bool) -> Tensor:
    """The weighted sum [] of -log softmax(queries @ items.T)[target] over all hits, over the whole catalogue.

    Args:
        queries: [N, D], divided by the temperature.
        items: [I, D].
        hits: what should be found; the place of each item in `items`.
        is_half: multiply in bfloat16 (sums stay in float32), twice as fast where the processor has it. A probability
            is then right to 0.4 %.
    """
    loss: Tensor = _Exact.apply(queries, items, hits, is_half)  # type: ignore[no-untyped-call]
    return loss


@dataclass(frozen=True)
class Drawn:
    """What stands for the catalogue in a softmax.

    Attributes:
        vectors: [M, D] of the drawn items.
        log_q: [M] log of the expected count of each, in nats.
        hits: [2, H] a query and the place among the drawn of what is in truth its item, which says nothing.
    """

    vectors: Tensor
    log_q: Tensor
    hits: Tensor


class _Drawn(torch.autograd.Function):
    """The weighted sum of `softmax` of products; its gradients are worked out on the way forward, as in `_Exact`.

    By autograd a step of 'transformer' on ml-1m takes a fourth longer: it goes over the scores [N, M] time and again.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, queries: Tensor, true: Tensor, vectors: Tensor, drawn: Drawn, weights: Tensor, is_half: bool
    ) -> Tensor:
        kind = torch.bfloat16 if is_half else torch.float32
        catalogue, asking = vectors.to(kind), queries.to(kind)
        rows = max(scores_at_once(vectors.device) // len(vectors), 32)
        of_queries, of_vectors = torch.empty_like(queries), torch.zeros_like(vectors)
        own, loss = (queries * true).sum(dim=1), queries.new_zeros(())
        slope, offsets = torch.empty_like(own), Hits(drawn.hits[0], drawn.hits[1], weights).offsets(rows, len(queries))
        for place, begin in enumerate(range(0, len(queries), rows)):
            part, mine = slice(begin, begin + rows), slice(offsets[place], offsets[place + 1])
            # One buffer with the true item in front, so that one pass makes the shares of all.
            scores = queries.new_empty(len(own[part]), len(vectors) + 1)
            scores[:, 0] = own[part]
            torch.sub(asking[part] @ catalogue.T, drawn.log_q, out=scores[:, 1:])
            scores[drawn.hits[0, mine] - begin, drawn.hits[1, mine] + 1] = float("-inf")
            shares = torch.softmax(scores, dim=1)
            weight = weights[part]
            loss -= (weight * shares[:, 0].clamp(min=1e-30).log()).sum()
            slope[part] = weight * (shares[:, 0] - 1.0)
            of_others = shares[:, 1:].to(kind)
            of_queries[part] = (of_others @ catalogue).float() * weight.unsqueeze(1)
            of_vectors += of_others.T @ (asking[part] * weight.unsqueeze(1).to(kind))
        of_queries += slope.unsqueeze(1) * true
        ctx.save_for_backward(of_queries, slope.unsqueeze(1) * queries, of_vectors)
        return loss

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_queries, of_true, of_vectors = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * of_queries, gradients[0] * of_true, gradients[0] * of_vectors, None, None, None


def drawn_softmax(queries: Tensor, true: Tensor, drawn: Drawn, weights: Tensor, *, is_half: bool) -> Tensor:
    """The weighted sum [] of `softmax` over queries, by products with their true items and the drawn ones.

    Args:
        queries: [N, D], divided by the temperature.
        true: [N, D] what each should find.
        drawn: what else there is; the queries of its hits never fall.
        weights: [N].
        is_half: see `exact_softmax`.
    """
    loss: Tensor = _Drawn.apply(queries, true, drawn.vectors, drawn, weights, is_half)  # type: ignore[no-untyped-call]
    return loss


def meetings(targets: Tensor, rows: Tensor) -> Tensor:
    """[2, H] all places t and m where targets [N] and rows [M] are alike, by t; without N times M comparisons."""
    ordered, order = rows.sort(stable=True)
    first = torch.searchsorted(ordered, targets)
    counts = torch.searchsorted(ordered, targets, right=True) - first
    owners = torch.repeat_interleave(torch.arange(len(targets)), counts)
    within = torch.arange(len(owners)) - (counts.cumsum(0) - counts)[owners]
    return torch.stack([owners, order[first[owners] + within]])


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"softmax": softmax}
