"""Who judges a ranker on trial."""

import numpy as np

from enterprise_recsys.learning import ranking
from enterprise_recsys.learning.ranking import _by_time, _by_user
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.ranking.ranker import Examples


def _lists(users: list[int]) -> Slates:
    nothing = np.zeros(len(users), dtype=np.float32)
    return Slates(Examples({"retrieval_score": nothing}, nothing, nothing, nothing, 1), np.array(users))


def test_the_later_slice_judges_what_was_learnt_from_the_earlier_one() -> None:
    earlier, later = _lists([*range(150), 3]), _lists(list(range(100, 210)))
    (contest,) = _by_time(earlier, later)
    assert contest.taught.tolist() == list(range(151)) and contest.judged is later


def test_a_slice_of_too_few_users_does_not_judge() -> None:
    many, few = _lists(list(range(ranking._LEAST))), _lists([*range(ranking._LEAST - 1), 0])
    assert _by_time(many, many) and not _by_time(many, few) and not _by_time(few, many)


def test_each_user_of_the_later_slice_judges_once_and_no_ranker_that_has_learnt_from_them() -> None:
    earlier, later = _lists([1, 2, 9]), _lists([1, 2, 3, 4, 4])
    both = earlier.beside(later)
    contests = _by_user(both, later, seed=0)
    assert len(contests) == 4
    assert sorted(np.concatenate([one.judged.users for one in contests])) == [1, 2, 3, 4, 4]
    for one in contests:
        assert not set(both.users[one.taught]) & set(one.judged.users) and 9 in both.users[one.taught]


def test_one_user_alone_judges_nobody() -> None:
    assert _by_user(_lists([5, 5]), _lists([5, 5]), seed=0) == []
