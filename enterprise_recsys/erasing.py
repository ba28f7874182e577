"""Erasing: a saved model's folder is written again without some users; what learning has made of them stays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from enterprise_recsys import artifact
from enterprise_recsys.changing import Changes
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.state.interface import Store, digest_of


def erased_in(store: Store, user_ids: Collection[str]) -> set[str]:
    """Those of some users whom a store has erased; it keeps hashes alone, so that everybody asked about is tried."""
    found, after = set(), 0
    while changes := store.changes(after):
        found |= {one.key for one in changes if one.kind == "erased"}
        after = changes[-1].sequence
    return {one for one in user_ids if digest_of(one, store.secret) in found}


def erase(folder: Path, user_ids: Collection[str]) -> list[str]:
    """Write a model's folder without some users, and remove every older version of its files.

    Gone are their events and features (`state`) and their ids (`model`). What stays is what learning made of them: the
    weights, the item vectors, neighbours and followers, and a row of the user embedding to which no id leads any more.
    Only training again takes that away.

    Args:
        folder: as `Recommender.save` wrote it; nobody else may write it meanwhile.
        user_ids: outside ids; unknown ones are passed over.

    Returns:
        The users that were there.

    Raises:
        ArtifactError: the folder is absent or damaged.
    """
    recommender = Recommender.load(folder)
    changes = Changes(recommender)
    found = [one for one in sorted(set(user_ids)) if changes.forget(one)]
    if found:
        recommender.save(folder)
    for part in ("model", "state"):
        artifact.keep_current(folder / part)
    return found


def known_users(folder: Path) -> list[str]:
    """Every user whom a model's folder names."""
    recommender = Recommender.load(folder)
    everyone = {*recommender.state.users.ids.drop_nulls(), *recommender.state.processor.users.ids.drop_nulls()}
    return sorted(str(one) for one in everyone)
