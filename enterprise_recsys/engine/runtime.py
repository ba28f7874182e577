"""The exported networks, run by ONNX Runtime on a fixed number of threads."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime

from enterprise_recsys.data.histories import places_for
from enterprise_recsys.engine.blending import Served, log_blend
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.errors import ArtifactError
from enterprise_recsys.records import HISTORY_AGE, Bools, Columns, Doubles, Floats, Ints

onnxruntime.disable_telemetry_events()  # what is asked of a service is nobody else's affair


def _mapped(path: Path) -> bytes | mmap.mmap:
    """A file's bytes for whoever saves it again: mapped, so that they take no memory until then, even if it is gone."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing: an older version wrote this model; train again.") from None
    except ValueError:
        return b""  # an empty file cannot be mapped; the session refuses it


PLACES_AT_ONCE = 1 << 16
"""Places of histories that the user tower sees together: attention holds the square of a history's length for each
user, so that 4,096 users of 200 past events took 7 GB."""
REQUESTS_AT_ONCE = 512
"""Requests that the ranker sees together: it makes matrices of each, of 40 kB at the default sizes."""


class _Network:
    def __init__(self, path: Path, threads: int, data: bytes | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena keeps the largest batch that was ever seen; a service's memory should follow its requests.
        options.enable_cpu_mem_arena = False
        self.data = _mapped(path) if data is None else data
        try:
            source = str(path) if data is None else data
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, which share no base but Exception
            raise ArtifactError(
                f"{path} is no network that this ONNX Runtime can read: {error}; train again."
            ) from None
        self.shapes = {one.name: one.shape for one in self._session.get_inputs()}
        self.inputs = list(self.shapes)
        self.of_places = {name for name, shape in self.shapes.items() if shape[1:2] == ["places"]}

    def run(self, columns: Columns, *, chunk: int) -> list[Floats]:
        """The outputs for rows of columns, at most about `chunk` rows at a time.

        Args:
            columns: [B, ...], and those that the network has for each candidate as [B*K, ...].
            chunk: rows.
        """
        sizes = {name: len(columns[name]) for name in self.inputs}
        rows = min(sizes.values())
        if rows == 0:
            return [np.zeros(0, dtype=np.float32) for _ in self._session.get_outputs()]
        feed = {name: columns[name] for name in self.inputs}
        places = max(sizes.values()) // rows if self.of_places else 1
        for name in self.of_places:
            feed[name] = feed[name].reshape(rows, places, *feed[name].shape[1:])
        most = max(chunk // places, 1)
        if self.of_places:
            most = min(most, REQUESTS_AT_ONCE)
        parts = []
        for begin in range(0, rows, most):
            some = {name: one[begin : begin + most] for name, one in feed.items()}
            for first in range(0, places, chunk):
                own = {name: some[name][:, first : first + chunk] for name in self.of_places}
                parts.append(self._session.run(None, {**some, **own}))
        return list(parts[0]) if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


class Encoder:
    """The user tower: request columns [B, ...] and history [B, L] -> unit vectors [B, D]."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._network = _Network(path, threads)
        self.data = self._network.data
        self._may_be_short = "past" in self._network.shapes["history"]

    def encode(self, columns: Columns, history: Ints) -> Floats:
        """The query vectors [B, D].

        The tower is shown a history without most of the empty places before it. How many of them stay depends on that
        history alone, so that nobody's vector depends on whom he is asked together with.
        """
        if not self._may_be_short or not len(history):
            return self._encoded(columns, history, history.shape[1])
        widths = [_width(line) for line in history > 0]
        if len(set(widths)) == 1:
            return self._encoded(columns, history, widths[0])
        vectors: Floats | None = None
        for width in sorted(set(widths)):
            own = np.flatnonzero(np.array(widths) == width)
            part = self._encoded({name: column[own] for name, column in columns.items()}, history[own], width)
            vectors = np.empty((len(history), part.shape[1]), dtype=part.dtype) if vectors is None else vectors
            vectors[own] = part
        assert vectors is not None
        return vectors

    def _encoded(self, columns: Columns, history: Ints, width: int) -> Floats:
        rows = max(PLACES_AT_ONCE // max(width, 1), 1)
        past: Columns = {"history": history[:, history.shape[1] - width :]}
        if HISTORY_AGE in self._network.inputs:
            past[HISTORY_AGE] = columns[HISTORY_AGE][:, history.shape[1] - width :]
        return self._network.run({**columns, **past}, chunk=rows)[0]


def _width(held: Bools) -> int:
    """Places from the end of a history that hold all of it; see `places_for`."""
    first = int(held.argmax())
    return places_for(len(held) - first if held[first] else 0, len(held))


class ItemEncoder:
    """The item tower: item columns [R, ...] -> unit vectors [R, D]; for items that came after training."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path, self._threads = path, threads
        self.data = _mapped(path)

    @cached_property
    def _network(self) -> _Network:
        # Its table of item embeddings is as large as all vectors, and a service may never be told of an item.
        return _Network(self._path, self._threads, bytes(self.data))

    def encode(self, columns: Columns) -> Floats:
        """The item vectors [R, D]."""
        return self._network.run(columns, chunk=8192)[0]


class Scorer:
    """The ranker: columns of B requests [B, ...] and of their candidates [B*K, ...] -> scores and ratings [B*K].

    Args:
        path: of the exported network.
        threads: of ONNX Runtime.
        calibration: from its logits to probabilities of a click.
        tasks: what it says besides, in the order of its outputs.
    """

    def __init__(
        self, path: Path, *, threads: int, calibration: Calibration, tasks: Mapping[str, Served] | None = None
    ) -> None:
        self._network = _Network(path, threads)
        self.data, self.calibration, self.tasks = self._network.data, calibration, dict(tasks or {})
        self._blended = [place for place, one in enumerate(self.tasks.values()) if one.blend > 0]

    @property
    def inputs(self) -> list[str]:
        """The columns that the network sees."""
        return self._network.inputs

    @property
    def of_candidates(self) -> set[str]:
        """Those of them that differ between the candidates of one request."""
        return self._network.of_places

    def logits(self, columns: Columns) -> tuple[Floats, ...]:
        """What the network says [R]: of a click, not calibrated; ratings in the log's unit; and of each task."""
        return tuple(self._network.run(columns, chunk=16_384))

    def score(self, columns: Columns) -> tuple[Floats, Floats]:
        """What orders a list, and ratings in the log's unit.

        The calibrated probability of a click, in 0..1, or where tasks have a blend the score of `log_blend`.
        """
        said = self.logits(columns)
        if not self._blended:
            return self.calibration.probabilities(said[0]), said[1]
        return np.exp(self._blend(said)).astype(np.float32), said[1]

    def lean(self, columns: Columns) -> Doubles:
        """What orders a list, on a scale where parts add up [R]: log-odds of a click, or the log of a blended score."""
        return self.lean_of(self.logits(columns))

    def lean_of(self, said: tuple[Floats, ...]) -> Doubles:
        """What `lean` gives, of what `logits` said."""
        return self._blend(said) if self._blended else self.calibration.logits(said[0])

    def told(self, columns: Columns) -> dict[str, Floats]:
        """The probability of a click, and of each task its probability, or its value in the log's unit; [R] each."""
        click, _, *said = self.logits(columns)
        tasks = zip(self.tasks.items(), said, strict=True)
        return {"click": self.calibration.probabilities(click), **{name: one.told(own) for (name, one), own in tasks}}

    def _blend(self, said: tuple[Floats, ...]) -> Doubles:
        return log_blend(self.calibration.logits(said[0]), said[2:], list(self.tasks.values()))
