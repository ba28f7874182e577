"""Commands that make a model and answer with it: demo, train, recommend, serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from enterprise_recsys.commands.options import (
    Columns,
    Data,
    Dials,
    Download,
    Folder,
    Items,
    Json,
    LeaksSaid,
    RowOrder,
    Users,
    config_of,
    parts_of,
)


def demo(
    data: Data = "world",
    out: Annotated[Path, typer.Option(help="Where the trained model goes.")] = Path("artifact"),
    dials: Dials = None,
    download: Download = False,
    leaks: LeaksSaid = "refuse",
    record: Annotated[Path | None, typer.Option(help="Append the figures to this JSONL file.")] = None,
) -> None:
    """The whole way in one go: data, training, evaluation, lists with titles, and an answer over HTTP."""
    from enterprise_recsys.demo import run

    run(data, out, config_of(dials), download=download, record=record, leaks=leaks)


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for the trained model.")] = Path("artifact"),
    users: Users = None,
    items: Items = None,
    column: Columns = None,
    row_order_as_time: RowOrder = False,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    dials: Dials = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A folder; run again after an interruption to go on.")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Learn from the newest tenth too, which otherwise stays aside for `recsys evaluate`."
        ),
    ] = False,
    leaks: LeaksSaid = "refuse",
    download: Download = False,
) -> None:
    """Learn both stages from a log and write the model to a folder."""
    from enterprise_recsys.data.joining import joined
    from enterprise_recsys.trainer import ProductionTrainer

    trainer = ProductionTrainer(config_of(dials, config))
    tell = ("leaks",) if trainer.config.repeats else ("leaks", "repeats")
    parts = parts_of(data, users, items, download, column=column, row_order_as_time=row_order_as_time, tell=tell)
    early, late = (joined(parts.train, parts.val), parts.test) if everything else (parts.train, parts.val)
    trainer.fit(early, late, checkpoint=checkpoint, leaks=leaks)
    trainer.save(out)
    print(
        f"{out}: model {trainer.recommender.model_version}, {trainer.recommender.n_items:,} items, "
        f"{trainer.recommender.n_users:,} users. Next: recsys recommend {out} USER_ID, recsys serve {out}"
    )


def recommend(
    folder: Folder,
    user_id: Annotated[str, typer.Argument(help="Whose list; an unknown user gets one too.")],
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    field: Annotated[
        list[str] | None, typer.Option(help="A column of the items to show, e.g. title; repeatable.")
    ] = None,
    filter: Annotated[str | None, typer.Option(help='What items must be, e.g. "price <= 15".')] = None,
    diversity: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="0: by score alone; up to 1: no two alike.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A user's list from a trained model."""
    from enterprise_recsys.recommender import Recommender

    answer = Recommender.load(folder).recommend(user_id, k, filter=filter, diversity=diversity, fields=field or ())
    if as_json:
        print(
            json.dumps(
                {
                    "user_id": user_id,
                    "recommendations": list(answer),
                    "fallback_level": answer.fallback_level,
                    "model_version": answer.model_version,
                },
                default=str,
            )
        )
        return
    for item in answer:
        further = "  ".join(str(value) for name, value in item.items() if name not in ("item_id", "score", "rank"))
        print(f"{item['rank']:>3}  {item['score']:.4f}  {item['item_id']}  {further}".rstrip())
    if answer.fallback_level:
        print(
            (
                "",
                "(user not in the model: answered from what is known of them)",
                "(nothing is known of this user: popular items)",
            )[answer.fallback_level]
        )


def erase(
    folder: Folder,
    user: Annotated[list[str] | None, typer.Option(help="Whom; repeatable.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="A store: all whom it has erased. Else RECSYS_STATE, else FOLDER/live.")
    ] = None,
) -> None:
    """Write a model's files again without users who were erased; stop what serves it from writing first."""
    from enterprise_recsys.erasing import erase as written
    from enterprise_recsys.erasing import erased_in, known_users
    from enterprise_recsys.service.settings import Settings
    from enterprise_recsys.state.sqlite import SqliteStore

    whom = set(user or ())
    live = state or Settings.from_environment().keeping.folder or folder / "live"
    if (live / "store.sqlite").exists():
        store = SqliteStore(live)
        try:
            whom |= erased_in(store, known_users(folder))
        finally:
            store.close()
    found = written(folder, whom)
    print(f"{folder}: {len(found):,} users are gone from its files. The weights stay until the next training.")


def serve(
    folder: Folder = Path("artifact"),
    host: Annotated[
        str, typer.Option(help="Address; any but loopback needs RECSYS_API_KEYS or RECSYS_OPEN=1.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; they share what they learn.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="Folder for events and answers; else RECSYS_STATE, else FOLDER/live.")
    ] = None,
) -> None:
    """Answer over HTTP; GET /recommend/42?k=10, documentation at /docs."""
    from dataclasses import replace

    from enterprise_recsys.service.app import serve as answer
    from enterprise_recsys.service.settings import Settings

    known = Settings.from_environment()
    keeping = replace(known.keeping, folder=state or known.keeping.folder or folder / "live")
    answer(replace(known, artifact=folder, keeping=keeping), host, port, workers=workers)
