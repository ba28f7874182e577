"""Items are compared with one another by direction: an entry that lifts short vectors to length 1 says nothing."""

from dataclasses import replace

import numpy as np

from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.trainer import ProductionTrainer


def test_what_is_alike_goes_by_direction_and_not_by_what_lifts_short_vectors(trainer: ProductionTrainer) -> None:
    engine = trainer.recommender.engine
    generator = np.random.default_rng(0)
    raw = generator.normal(size=engine.vectors.shape).astype(np.float32) * generator.random((len(engine.vectors), 1))
    raw = (raw / np.linalg.norm(raw, axis=1).max()).astype(np.float32)
    rest = np.sqrt(np.maximum(1.0 - np.square(raw).sum(axis=1, keepdims=True), 0.0))
    lifted = np.concatenate([raw, rest], axis=1).astype(np.float32)
    lifted[0] = 0.0
    other = replace(engine, vectors=lifted, index=exact(lifted))
    assert np.array_equal(other.directions, lifted[:, :-1]) and np.array_equal(engine.directions, engine.vectors)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    cosines = unit @ unit[5]
    cosines[[0, 5]] = -np.inf
    wanted = np.argsort(-cosines)[:7]
    found = other.alike(5, 7, None)
    assert found.rows[0].tolist() == wanted.tolist() and np.allclose(found.scores[0], cosines[wanted], atol=1e-5)
