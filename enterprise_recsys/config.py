"""ModelConfig: every dial with its unit, range, default and the reason for the default."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from enterprise_recsys import tasks as naming
from enterprise_recsys.choice import known
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import IMPRESSION
from enterprise_recsys.rules import Rule
from enterprise_recsys.tasks import Task

FEW_EVENTS = 250_000
"""Events up to which a log is small: 'fold_in' is twice as wide where the dial does not say.

By ids alone NDCG@10 on parts of the training data is .272 for .267 on ml100k-random75 (45,000 events, four cuts), .169
for .168 on lastfm-random80 (four times as wide .273 and .169), and .242 for .241 on movielens1m_m1 (430,000) in 1.6
times the time. With features it is neither better nor worse: .272 for .272 on ml100k-random75, and cut by time, on
validation, .330 for .330 on ml-100k (three seeds), .480 for .480 on frappe-context, .306 for .306 on ml-1m.
"""


class ModelConfig(BaseModel):
    """All dials of the two-stage recommender; frozen, typed, and unknown names are refused.

    >>> ModelConfig(embedding_dim=32).embedding_dim
    32

    Raises:
        ConfigError: an unknown field, a wrong type or a value out of range; the message names the field, what was
            got and what would be right. Names of parts are checked by `ProductionTrainer`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    # What counts as a success -----------------------------------------------------------------------------------
    positive_rating: float | None = Field(
        None,
        description="An event is relevant if its rating is at least this; what was rated lower was had none the less, "
        "and lists leave it out. None: every event of the log is relevant, as in implicit logs, and ratings teach the "
        "rating head only; but where all ratings are 1 and 0, or 1 and -1, only 1 is relevant.",
    )
    positive_event_types: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Only events of these types (['buy'], or 'buy,rent') are relevant, and mean that the user has had "
        "the item. All others, such as views, are hints: histories hold them, and their items stay in lists. None: "
        "every type.",
    )
    impression_event_types: tuple[str, ...] | None = Field(
        (IMPRESSION,),
        min_length=1,
        description="Events of these types tell what users were shown: no history, statistic, list or figure counts "
        "them. The ranker learns which of the shown were taken, and from a column `position` (1 = first) how much of "
        "that was the place. None: what is called an impression is an event like others.",
    )
    unshown: Literal["negative", "unlabelled"] = Field(
        "negative",
        description="With `impression_event_types`: what the ranker takes candidates for that were not shown. "
        "'negative': not taken, for which not having been shown may account. 'unlabelled': nobody knows; better where "
        "the old lists held much by chance, and worse where they held the same few items.",
    )
    ctr_positive_rating: float | None = Field(
        None,
        description="The CTR head's label is 1 if the rating is at least this and 0 below. None: 1 for every relevant "
        "event, 0 for candidates that were not taken up, so that the list is trained on what it is measured by.",
    )

    # Features -------------------------------------------------------------------------------------------------
    feature_kinds: dict[str, str] | None = Field(
        None,
        description="Column -> kind (category, number, multi_value, text, time, vector, skip), where the kind that is "
        "inferred is not the right one. None: every kind is inferred.",
    )

    recency: bool = Field(
        False,
        description="The ranker learns from the seconds since the last event of user and item, and since the user's "
        "first, too: a user's to the request, an item's to the newest event that is known. Off, since it has not paid.",
    )

    # Towers ---------------------------------------------------------------------------------------------------
    embedding_dim: int = Field(64, ge=1, le=4096, description="Width of the id embeddings of users and items.")
    feature_dim: int = Field(16, ge=1, le=1024, description="Width of the embedding of each other feature.")
    user_tower_dims: tuple[int, ...] = Field(
        (128, 64), min_length=1, description="Layer widths of the user tower; the last one is the shared space."
    )
    item_tower_dims: tuple[int, ...] = Field(
        (128, 64), min_length=1, description="Layer widths of the item tower; its last one equals the user tower's."
    )
    history: str = Field(
        "auto",
        description="How a user's past items become a vector: 'mean' and 'attention' (a mean in which each item counts "
        "by what it is), one tower over it and all else that is known of the user; 'fold_in', where the items taken "
        "are likeliest, in no order; 'transformer' and 'gru' (a recurrent network), which go by order; 'auto', "
        "whichever of 'fold_in' and 'transformer' validation prefers, or both side by side, where that is clearly "
        "better.",
    )
    fold_in_factor: int | None = Field(
        None,
        ge=1,
        le=16,
        description="With 'fold_in' the shared space and the ids' embeddings are so many times as wide as the tower "
        "dims and `embedding_dim` say. None: 2 for up to 250,000 training events, where it pays (by ids alone) and "
        "costs little, else 1.",
    )
    history_length: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="Past events that a user is known by, the newest ones; 'fold_in' and the neighbours see all of "
        "them.",
    )
    sequence_length: int = Field(
        200, ge=1, le=10_000, description="How many of these, the newest ones, all parts but 'fold_in' see."
    )
    history_times: bool = Field(
        True,
        description="The parts that go by order also see how long it was from each past item to the next one, and to "
        "the request.",
    )
    blocks: int = Field(2, ge=1, le=16, description="Blocks of the Transformer over a history; 'gru' has one layer.")
    heads: int = Field(1, ge=1, le=16, description="Attention heads of each block; the shared width is a multiple.")
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="Dropout in the towers and the ranker, while training.")
    id_dropout: float = Field(
        0.2,
        ge=0.0,
        lt=1.0,
        description="Share of ids replaced by 'never seen' in training, so that features alone can carry a new user "
        "or item.",
    )
    history_cut: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of training events that see the user's past as it stood at a random earlier moment, so "
        "that lists serve the weeks to come and not the next click alone.",
    )
    history_dropout: float = Field(
        0.2,
        ge=0.0,
        lt=1.0,
        description="Share of histories hidden in training together with the user's id, so that a user without a "
        "past is answered by what everybody (of the same features) takes.",
    )

    # Negatives and loss of retrieval -----------------------------------------------------------------------------
    negative_sampling_strategy: str = Field(
        "mixed", description="'random' (uniform), 'hard' (popular items the user has not had) or 'mixed'."
    )
    negatives: int = Field(1024, ge=1, le=1_000_000, description="Negatives drawn per batch, shared by its queries.")
    hard_share: float = Field(0.5, gt=0.0, lt=1.0, description="Share of hard negatives in the mixed strategy.")
    retrieval_loss: str = Field("softmax", description="A name in the retrieval LOSSES.")
    temperature: float | None = Field(
        None,
        gt=0.0,
        le=10.0,
        description="Cosine scores are divided by it in learning; smaller is sharper. None: 0.1 with history 'mean' "
        "and 'attention', with 'fold_in' whichever of 0.12 and 0.17 validation prefers.",
    )

    # Ranker -----------------------------------------------------------------------------------------------------
    ranking_network: str = Field(
        "dcn_v2_low_rank",
        description="A name in NETWORKS: 'dcn_v2_low_rank' (cross layers of `cross_rank`), 'dcn_v2' (of square "
        "matrices) or 'mlp'.",
    )
    ranking_dims: tuple[int, ...] = Field((128, 64), min_length=1, description="Layer widths of the ranker's MLP.")
    cross_layers: int = Field(2, ge=1, le=16, description="Cross layers of the DCN.")
    cross_rank: int = Field(64, ge=1, le=4096, description="Rank of the cross layers of 'dcn_v2_low_rank'.")
    ranking_batch_norm: bool = Field(
        False, description="Normalise the layers of the ranker's MLP by their batch, while training."
    )
    ranking_l2: float = Field(
        0.0,
        ge=0.0,
        description="L2 weight of the ranker's embeddings (staged), in place of `weight_decay`; 0: none but that.",
    )
    ranker_average: float = Field(
        0.98,
        ge=0.0,
        lt=1.0,
        description="The ranker that is kept is a running mean of its weights, in which the share of each step fades "
        "by this factor (staged); 0: the weights after the last step.",
    )
    ranker_id_dropout: float = Field(
        0.9,
        ge=0.0,
        lt=1.0,
        description="Share of the item ids hidden from the ranker in training, and one that is hidden says nothing. It "
        "learns from a few weeks: what was taken then, learnt by heart, misleads it later, so that an id may only add "
        "to what the features tell.",
    )
    ranking_dim: int = Field(16, ge=1, le=1024, description="Embedding width of each feature in the ranker.")
    ranking_number_dim: int = Field(
        8, ge=0, le=256, description="Embedding width of each number in the ranker, behind the number itself; 0: none."
    )
    ctr_weight: float = Field(1.0, ge=0.0, description="β in L = L_retrieval + α·L_rating + β·L_ctr.")
    list_weight: float = Field(
        1.0,
        ge=0.0,
        description="Weight, within L_ctr, of the softmax over each list, which teaches the order; 0: only the binary "
        "cross-entropy of each candidate.",
    )
    rating_weight: float = Field(0.5, ge=0.0, description="α in L = L_retrieval + α·L_rating + β·L_ctr.")
    tasks: dict[str, Task] = Field(
        {},
        max_length=20,
        description="Name -> what the ranker learns beside the click and the rating (staged): an object of event_types "
        "(a yes or no) or column (a number), is_log, weight (share in the loss) and blend (share in the order, where "
        "the click has 1; 0: it is told and moves nothing).",
    )

    # Training ---------------------------------------------------------------------------------------------------
    training: Literal["staged", "joint"] = Field(
        "staged",
        description="'joint': one loop over L. 'staged': the retriever, then the ranker on its candidates "
        "from a later slice of time.",
    )
    refit: bool = Field(
        True,
        description="After validation has chosen the epochs, learn again on train and validation, so that the "
        "newest events count.",
    )
    horizon: Literal["later", "visit", "next"] | None = Field(
        None,
        description="What a list is for; the ranker and the choice of the epochs go by it. 'later': all that a user "
        "goes on to take, asked when a visit opens; 'visit': what they take in that visit, which half an hour without "
        "an event ends; 'next': the next event alone, asked at any moment. None: 'visit' with `repeats`, else 'later'.",
    )
    ranker_slice: float = Field(
        0.2, gt=0.0, lt=1.0, description="Share of the training events, the newest, that teaches the ranker (staged)."
    )
    epochs: int = Field(40, ge=1, le=10_000, description="Passes over the data, at most.")
    ranker_epochs: int = Field(10, ge=1, le=10_000, description="Passes over the ranker's examples, at most (staged).")
    patience: int | None = Field(
        None,
        ge=1,
        description="Epochs without a better validation before training stops. None: 2, and 6 for the history parts "
        "that go by order where the log is small or `horizon` is 'next': their validation wavers more.",
    )
    batch_size: int = Field(1024, ge=1, description="Events per step.")
    ranker_batch_size: int = Field(
        4096,
        ge=1,
        description="Candidates per step of the ranker, in whole lists (staged); fewer where there are few lists.",
    )
    learning_rate: float = Field(1e-3, gt=0.0, le=10.0, description="Step size of Adam.")
    averaging: float = Field(
        0.998,
        ge=0.0,
        lt=1.0,
        description="The towers that are validated and kept are a running mean of the weights, which a step leaves for "
        "this much; 0: the newest weights. It takes the chance out of the last steps.",
    )
    weight_decay: float = Field(0.0, ge=0.0, description="L2 weight of Adam.")
    seed: int = Field(0, ge=0, description="The one seed: same seed, same data, same machine, same bits.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where the networks are taught: 'cpu', 'cuda' (or 'cuda:1', a second GPU), or 'auto', a GPU "
        "where PyTorch sees one. Answers come from the processor in any case.",
    )
    threads: int = Field(2, ge=1, description="Threads of the numeric libraries; part of what makes a run repeatable.")

    # Answers ------------------------------------------------------------------------------------------------------
    candidates: int = Field(200, ge=1, le=100_000, description="Items that the two towers hand to the ranker.")
    neighbour_candidates: int = Field(
        60,
        ge=0,
        le=100_000,
        description="Items that the ranker is handed besides: those that the past items speak for most, as their users "
        "take both or, up to 12,500 items and where validation clearly prefers them, by EDLAE's weights. Up to 100,000 "
        "items in the catalogue; beyond, finding each item's nearest would take longer than training.",
    )
    follower_candidates: int = Field(
        60,
        ge=0,
        le=100_000,
        description="Items that the ranker is handed besides: those that are most often among the next ten after what "
        "the user took last, where validation says that this is no worse than neighbours. Up to 1,000,000 items in the "
        "catalogue.",
    )
    trending_candidates: int = Field(
        40, ge=0, le=100_000, description="Items that the ranker is handed besides: the most taken of the last week."
    )
    repeats: bool | Literal["elsewhere"] = Field(
        False,
        description="What a user has had may be listed again, as songs, apps and groceries are: it stands among the "
        "candidates, the ranker sees how often, how lately and in what context it was taken, and taking it again "
        "counts as a hit. A request can still ask for `exclude_seen`. 'elsewhere': but not in the very context that it "
        "was had in, for a log that holds each user, item and context once.",
    )
    repeat_candidates: int = Field(
        50, ge=0, le=100_000, description="With `repeats`: items of the user's own past that the ranker is handed."
    )
    neighbours: int = Field(50, ge=1, le=1000, description="Nearest items that are kept of each item.")
    index: str = Field(
        "auto",
        description="A name in INDEXES: 'exact', 'hnsw', 'ivf', or 'auto': exact up to 10,000 items and ivf beyond, "
        "which then finds 0.9996 of the 200 nearest in a sixteenth of the time.",
    )
    diversity: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="0: lists by score alone. Above: each place also goes to what is unlike those above it (MMR), at 1 "
        "to that alone. Requests may ask for another value.",
    )
    rules: tuple[Rule, ...] = Field(
        (),
        max_length=100,
        description="Named rules, objects of name, kind (only, pin, boost, cap, window, decay) and that kind's "
        "fields; `always` ones hold for every list, others for requests that name them.",
    )

    @field_validator("positive_event_types", "impression_event_types", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value

    def __init__(self, **fields: object) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ConfigError(_sentence(error)) from None
        if self.user_tower_dims[-1] != self.item_tower_dims[-1]:
            raise ConfigError(
                f"user_tower_dims ends in {self.user_tower_dims[-1]} and item_tower_dims in "
                f"{self.item_tower_dims[-1]}; "
                "both towers must end in the same width, since they meet in a dot product."
            )
        if min(self.user_tower_dims + self.item_tower_dims + self.ranking_dims) < 1:
            raise ConfigError("layer widths must be at least 1: see user_tower_dims, item_tower_dims, ranking_dims.")
        if self.item_tower_dims[-1] % self.heads:
            raise ConfigError(
                f"heads={self.heads} does not divide the shared width {self.item_tower_dims[-1]}, the last of "
                "item_tower_dims; each head takes an equal part of it."
            )
        if self.repeats == "elsewhere" and self.positive_event_types is not None:
            raise ConfigError(
                "repeats is 'elsewhere' and positive_event_types is set: a context remembers no event types; let "
                "repeats be true or false, or leave positive_event_types out."
            )
        if both := sorted({*(self.positive_event_types or ())} & {*(self.impression_event_types or ())}):
            raise ConfigError(
                f"{both[0]!r} is in positive_event_types and in impression_event_types; an event is a success or tells "
                "what was shown, not both."
            )
        naming.check(self.tasks)
        if self.tasks and self.training == "joint":
            raise ConfigError("tasks are set and training is 'joint', which learns none; it should be 'staged'.")
        names = [rule.name for rule in self.rules]
        if len(names) != len(set(names)):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"rules: the name {twice!r} is given twice; each rule needs a name of its own.")

    @property
    def lists_past(self) -> bool:
        """Whether a list may hold items of the user's own history: repeats, or what was merely looked at."""
        return bool(self.repeats) or self.positive_event_types is not None

    def factor_of(self, history: str, events: int) -> int:
        """How many times as wide as the dials say the towers with a history part are, for so many training events."""
        if history != "fold_in":
            return 1
        return self.fold_in_factor or (2 if events <= FEW_EVENTS else 1)

    def widened(self, factor: int) -> ModelConfig:
        """The same with the shared space and the ids' embeddings so many times as wide."""
        dials = {"user_tower_dims": self.user_tower_dims, "item_tower_dims": self.item_tower_dims}
        wider = {name: (*dims[:-1], factor * dims[-1]) for name, dims in dials.items()}
        return self.model_copy(update={**wider, "embedding_dim": factor * self.embedding_dim})

    @property
    def ordered_length(self) -> int:
        """Past events that the history parts other than 'fold_in' see."""
        return min(self.sequence_length, self.history_length)

    @property
    def aim(self) -> str:
        """The horizon that holds."""
        return self.horizon or ("visit" if self.repeats else "later")


def _sentence(error: ValidationError) -> str:
    """The first faults of a validation as sentences: field, what was got, what would be right."""
    parts = []
    for fault in error.errors()[:3]:
        name = ".".join(str(step) for step in fault["loc"])
        if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
            parts.append(f"ModelConfig has no field {name!r}; {known(ModelConfig.model_fields, name)}")
        else:
            wish = fault["msg"].removeprefix("Input ").replace("a valid tuple", "a list")
            parts.append(f"ModelConfig.{name} = {fault['input']!r} is wrong: it {wish}")
    return "; ".join(parts) + "."
