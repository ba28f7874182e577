"""The command line: `recsys demo | prepare | train | evaluate | recommend | serve | bench`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enterprise_recsys.errors import ConfigError, RecsysError

if TYPE_CHECKING:
    from enterprise_recsys.config import ModelConfig
    from enterprise_recsys.data.splits import Split

app = typer.Typer(
    name="recsys",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an interaction log to a live, measured, two-stage recommender.\n\n"
    "Start with `recsys demo`. A log is a CSV or Parquet file with the columns user_id, item_id, timestamp "
    "(and, if you have it, rating), or a name: world, ml-100k, ml-1m, ml-latest-small.",
)

Data = Annotated[
    str,
    typer.Option(
        help="A CSV or Parquet file, a prepared folder, or world, ml-100k, ml-1m, "
        "ml-latest-small (found under $RECSYS_DATA, default ../shared/data)."
    ),
]
Users = Annotated[Path | None, typer.Option(help="A file with users' features, by user_id.")]
Items = Annotated[Path | None, typer.Option(help="A file with items' features, by item_id.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch the named data set if it is not there.")]
Dials = Annotated[list[str] | None, typer.Option("--set", help="A dial of ModelConfig, as name=value; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Folder = Annotated[Path, typer.Argument(help="The folder that `recsys train` wrote.")]


@app.command()
def demo(
    data: Data = "world",
    out: Annotated[Path, typer.Option(help="Where the trained model goes.")] = Path("artifact"),
    dials: Dials = None,
    download: Download = False,
    record: Annotated[Path | None, typer.Option(help="Append the figures to this JSONL file.")] = None,
) -> None:
    """The whole way in one go: data, training, evaluation, lists with titles, and an answer over HTTP."""
    from enterprise_recsys.demo import run

    run(data, out, _config(dials), download=download, record=record)


@app.command()
def prepare(
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder for Parquet, or a file that ends in .pkl.")] = Path(
        "processed_data"
    ),
    users: Users = None,
    items: Items = None,
    download: Download = False,
) -> None:
    """Split a log by time and add features as of each event; writes train, val and test."""
    from enterprise_recsys.data import prepared
    from enterprise_recsys.data.processor import DataProcessor
    from enterprise_recsys.data.sources import read

    frames = DataProcessor().prepare(read(data, users=users, items=items, download=download))
    prepared.write(frames, out)
    print(f"{out}: " + ", ".join(f"{name} {len(frame):,} rows" for name, frame in frames.items()))


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for the trained model.")] = Path("artifact"),
    users: Users = None,
    items: Items = None,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    dials: Dials = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A folder; run again after an interruption to go on.")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Learn from the newest tenth too, which otherwise stays aside for `recsys evaluate`."
        ),
    ] = False,
    download: Download = False,
) -> None:
    """Learn both stages from a log and write the model to a folder."""
    from enterprise_recsys.trainer import ProductionTrainer, joined

    trainer = ProductionTrainer(_config(dials, config))
    parts = _parts(data, users, items, download)
    early, late = (joined(parts.train, parts.val), parts.test) if everything else (parts.train, parts.val)
    trainer.fit(early, late, checkpoint=checkpoint)
    trainer.save(out)
    print(
        f"{out}: model {trainer.recommender.model_version}, {trainer.recommender.n_items:,} items, "
        f"{trainer.recommender.n_users:,} users. Next: recsys recommend {out} USER_ID, recsys serve {out}"
    )


@app.command()
def evaluate(
    folder: Folder,
    data: Data,
    users: Users = None,
    items: Items = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")] = 10,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Measure a model on the newest tenth of a log (or a prepared folder's test part), with baselines beside it."""
    from enterprise_recsys.trainer import ProductionTrainer

    result = ProductionTrainer.load(folder).evaluate(_parts(data, users, items, download).test, k=k)
    print(json.dumps(result) if as_json else result)


@app.command()
def recommend(
    folder: Folder,
    user_id: Annotated[str, typer.Argument(help="Whose list; an unknown user gets one too.")],
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    field: Annotated[
        list[str] | None, typer.Option(help="A column of the items to show, e.g. title; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A user's list from a trained model."""
    from enterprise_recsys.recommender import Recommender

    answer = Recommender.load(folder).recommend(user_id, k, fields=field or ())
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


@app.command()
def serve(
    folder: Folder = Path("artifact"),
    host: Annotated[
        str, typer.Option(help="Address; any but loopback needs RECSYS_API_KEYS or RECSYS_OPEN=1.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """Answer over HTTP; GET /recommend/42?k=10, documentation at /docs."""
    from dataclasses import replace

    from enterprise_recsys.service.app import serve as answer
    from enterprise_recsys.service.settings import Settings

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    answer(replace(Settings.from_environment(), artifact=folder), host, port)


bench = typer.Typer(help="Measure against published protocols.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command()
def quality(
    protocol: Annotated[str, typer.Option(help="A published protocol by name, such as ml1m-loo.")],
    system: Annotated[str, typer.Option(help="ours, or a baseline by name, such as ease.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs; by default as many as the protocol asks for.")] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Settings that the search tries on validation; 0: the defaults as they are.")
    ] = 12,
    dials: Dials = None,
    data: Annotated[Path | None, typer.Option(help="Where the data lies, if not under $RECSYS_DATA.")] = None,
    record: Annotated[Path | None, typer.Option(help="Append the figures to this JSONL file.")] = None,
) -> None:
    """Run a system through a protocol and print its figures beside the published ones."""
    from enterprise_recsys.benching import Order
    from enterprise_recsys.benching import bench as run

    fixed = {}
    for dial in dials or ():
        name, _, value = dial.partition("=")
        try:
            fixed[name] = float(value) if not value.lstrip("-").isdigit() else int(value)
        except ValueError:
            raise ConfigError(f"--set {dial!r} is wrong: here it is name=number, such as --set ridge=500.") from None
    for line in run(Order(protocol, system, seeds, trials, fixed, data), record=record):
        print(line)


def _config(dials: list[str] | None, file: Path | None = None) -> ModelConfig:
    """A ModelConfig from a JSON file and name=value pairs, the pairs going over the file."""
    from enterprise_recsys.config import ModelConfig

    fields: dict[str, object] = {}
    if file is not None:
        try:
            fields = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file} cannot be read as JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise ConfigError(
                f"{file} holds a {type(fields).__name__}; it should hold an object of ModelConfig fields."
            )
    for dial in dials or ():
        name, equals, value = dial.partition("=")
        if not equals:
            raise ConfigError(f"--set {dial!r} is wrong: it should be name=value, for instance --set epochs=5.")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return ModelConfig(**fields)


def _parts(data: str, users: Path | None, items: Path | None, download: bool) -> Split:
    from enterprise_recsys.data import prepared
    from enterprise_recsys.data.sources import read
    from enterprise_recsys.data.splits import SPLITS

    if prepared.is_prepared(Path(data)):
        return prepared.read(Path(data))
    return SPLITS["global_time"](read(data, users=users, items=items, download=download))


def main() -> None:
    """Run the command line; a fault that the user can mend is one sentence, not a traceback."""
    try:
        app()
    except RecsysError as error:
        print(f"recsys: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            "recsys: stopped; run the same command again (with --checkpoint it goes on where it was).", file=sys.stderr
        )
        sys.exit(130)
