"""The commands of `memalpha`. Nothing heavy is imported before a command runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from memalpha.cli.extras import TRAINING, need, need_training
from memalpha.cli.mcp_command import mcp
from memalpha.cli.memory_commands import add_memory_commands
from memalpha.cli.memory_server import keys_app, serve
from memalpha.cli.reindex import reindex
from memalpha.cli.run_commands import push, report
from memalpha.data.leaks import LeakPolicy
from memalpha.errors import ConfigError, MemalphaError

app = typer.Typer(
    name="memalpha",
    help="Memory for language agents that a model learns to manage: train a writer, measure it, look at what it keeps.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)

data_app = typer.Typer(
    help="Build training sets from public data, and look for what they give away of tests.", no_args_is_help=True
)
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")


class Engine(StrEnum):
    """What trains."""

    LOCAL = "local"
    VERL = "verl"


RUNS = Path("runs")
LOOPBACK = "127.0.0.1"

Name = Annotated[str, typer.Option(help="The run is kept in runs/<name>; the same name resumes it.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="One setting, such as run.steps=60. May be repeated.")]
Model = Annotated[str, typer.Option(help="nano, nano-chat, nano-warm, a run folder, or that of a causal model.")]
Data = Annotated[
    str,
    typer.Option(
        help='"world", or a file or folder: episodes (JSONL, Parquet) or a data set as published; .gz is read too.'
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads; no more than there are free cores.")]


@app.command(epilog="Example: **memalpha demo --name first**")
def demo(
    name: Name = "demo",
    overrides: Set = None,
    episodes: Annotated[int, typer.Option(min=1, help="Test episodes to score.")] = 48,
) -> None:
    """Train the warm-started nano writer by reinforcement and compare it with baselines: 10 minutes on 2 cores.

    Measures the writer, trains it, measures it again on episodes it never saw, prints a table and writes
    runs/<name>/report.html. Started again after an interruption it goes on where it was.
    """
    need_training()
    from memalpha.cli.demo import run_demo

    run_demo(RUNS / name, _pairs(overrides), episodes=episodes)


@app.command(
    epilog="Examples: **memalpha train --data episodes.jsonl --config configs/world.toml --set run.steps=60**, "
    "**memalpha train --engine verl --config configs/paper-4b.toml --dry-run**"
)
def train(
    name: Name = "train",
    config: Annotated[Path | None, typer.Option(help="A TOML file with what differs from the defaults.")] = None,
    data: Annotated[str | None, typer.Option(help="Overrides data.source: world, or a file or folder.")] = None,
    overrides: Set = None,
    engine: Annotated[
        Engine, typer.Option(help="local trains in this process on one device; verl on the GPUs of machines.")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None, typer.Option(help="With --engine verl: a Ray cluster that runs, such as 10.0.0.1:6379 or auto.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="With --engine verl: write the job, and what starts it.")] = False,
) -> None:
    """Train a writer by reinforcement, on the synthetic world or on your own episodes.

    Writes runs/<name>: metrics.jsonl, tensorboard/, checkpoints/ and the trained model in policy/; with --engine verl
    the job in verl/. Start the same command again to resume after an interruption.
    """
    need_training()
    from memalpha.cli.training import run_cluster_training, run_training

    settings = _pairs(overrides)
    if data is not None:
        settings["data.source"] = data
    if engine is Engine.VERL:
        run_cluster_training(RUNS / name, config, settings, address=address, dry_run=dry_run)
    elif address is not None or dry_run:
        raise ConfigError("--address and --dry-run go with --engine verl; add it, or leave them out")
    else:
        run_training(RUNS / name, config, settings)


@app.command(name="eval", epilog="Example: **memalpha eval --model runs/demo --tokens 5000 --episodes 8**")
def evaluate(  # noqa: PLR0913 -- each argument is an option of the command line
    model: Model = "nano",
    data: Data = "world",
    tokens: Annotated[int, typer.Option(help="Length of a world episode.")] = 500,
    episodes: Annotated[int, typer.Option(min=1, help="How many episodes at most.")] = 48,
    seed: Annotated[int, typer.Option(help="Which episodes.")] = 11,
    budget: Annotated[float | None, typer.Option(help="Share of each chunk that may be written, above 0 to 1.")] = None,
    baselines: Annotated[bool, typer.Option(help="Score Long-Context, RAG-Top2 and sentence BM25 as well.")] = True,
    systems: Annotated[
        str | None, typer.Option(help="Score these instead: names with commas between, or all that need no server.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="OpenAI-compatible server that writes for prompted systems, such as http://x/v1.")
    ] = None,
    served: Annotated[str | None, typer.Option(help="The model's name on that server.")] = None,
    answers: Annotated[bool, typer.Option(help="That model answers for every system as well.")] = False,
    embedder: Annotated[Path | None, typer.Option(help="Folder of a sentence encoder for embedding systems.")] = None,
    window: Annotated[int, typer.Option(min=1, help="Tokens that Long-Context reads.")] = 30_000,
    suites: Annotated[
        str | None,
        typer.Option(help="Suites with commas between, world, name@tokens, a file, or all; resumable, with a report."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="With --suites: which draws of each suite, such as 0,1,2.")] = "0",
    questions: Annotated[int | None, typer.Option(min=1, help="With --suites: of an episode at most.")] = None,
    judge: Annotated[bool, typer.Option(help="With --suites: the model on the server judges every answer.")] = False,
    threads: Threads = 2,
    out: Annotated[
        Path | None, typer.Option(help="Write the table there as Markdown; with --suites the folder of the evaluation.")
    ] = None,
) -> None:
    """Score a writer on held-out episodes, side by side with baselines under the same reader.

    With --suites every answer is kept in the folder --out; the same command asks what is missing and writes a report.
    """
    need_training()
    from memalpha.cli.measure import Asked, Rivals, evaluate_model

    if suites is not None:
        from memalpha.cli.sweep import AskedSuites, run_suites

        chosen = Rivals(
            names=systems or "all",
            server=server,
            served=served,
            answers=answers,
            embedder=embedder,
            window_tokens=window,
        )
        asked_suites = AskedSuites(
            names=suites, data=data, seeds=seeds, tokens=tokens, episodes=episodes, questions=questions
        )
        folder = out or RUNS / "eval"
        run_suites(model, asked_suites, chosen, budget=budget, judge=judge, threads=threads, out=folder)
        return

    asked = Asked(data=data, tokens=tokens, episodes=episodes, seed=seed)
    rivals = None
    if systems is not None:
        rivals = Rivals(
            names=systems, server=server, served=served, answers=answers, embedder=embedder, window_tokens=window
        )
    evaluate_model(model, asked, budget=budget, baselines=baselines, rivals=rivals, threads=threads, out=out)


@app.command(epilog="Example: **memalpha replay --model runs/demo --seed 3**")
def replay(
    model: Model = "nano",
    data: Data = "world",
    tokens: Annotated[int, typer.Option(help="Length of a world episode.")] = 500,
    seed: Annotated[int, typer.Option(help="Which episode.")] = 11,
    budget: Annotated[float | None, typer.Option(help="Share of each chunk that may be written, above 0 to 1.")] = None,
    threads: Threads = 2,
) -> None:
    """Replay one episode chunk by chunk: what the writer stored, changed and ignored, and what was answered from it."""
    need_training()
    from memalpha.cli.measure import Asked, show_episode

    asked = Asked(data=data, tokens=tokens, episodes=1, seed=seed)
    show_episode(model, asked, budget=budget, threads=threads)


add_memory_commands(app)
app.command(epilog="Example: **memalpha reindex memory.db --embedder minilm**")(reindex)
app.command(epilog="Example: **memalpha report runs/world-0 runs/world-1 runs/paper-0 --out compared**")(report)
app.command(
    epilog="Examples: **memalpha push runs/demo --folder exported**, **memalpha push runs/demo --to ann/first-writer**"
)(push)
app.command(epilog="Example: **memalpha mcp --store memory.db --user ana**")(mcp)
app.command(
    epilog="Examples: **memalpha serve --store memory.db --port 8080**, "
    "**memalpha serve --upstream http://127.0.0.1:8000/v1**"
)(serve)


@app.command(
    name="serve-model",
    epilog="Examples: **memalpha serve-model --port 8000**, **memalpha serve-model --model runs/demo --port 0**, "
    "**memalpha serve-model --host 0.0.0.0 --api-key-env SERVER_KEY**",
)
def serve_model(
    model: Model = "nano",
    host: Annotated[str, typer.Option(help="Where to listen; the default lets nobody in from elsewhere.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one, which is printed.")] = 8000,
    threads: Threads = 2,
    api_key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the key clients must send; none by default.")
    ] = None,
) -> None:
    """Serve a model over the OpenAI protocol: chat completions with tools, completions, log-probabilities, streams.

    Clients point their base URL at http://host:port/v1. Ctrl-C ends the requests on their way, then the server.
    """
    need("serve,train", "fastapi", "uvicorn", *TRAINING)
    from memalpha.cli.serving import run_model_server

    run_model_server(model, host=host, port=port, threads=threads, key_env=api_key_env)


Folder = Annotated[
    Path | None,
    typer.Argument(
        help="A folder of data sets, one folder each (squad/, nlu/ ...): sources and tests are found in it."
    ),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(help="A test that must not be given away: a file or folder of episodes, such as MemoryAgentBench."),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", help="One source and its file, such as trec=train_5500.label, or trec=hub. May be repeated."
    ),
]


@data_app.command(name="build", epilog="Example: **memalpha data build datasets --out built --leaks drop**")
def build_data(  # noqa: PLR0913 -- each argument is an option of the command line
    folder: Folder = None,
    out: Annotated[Path, typer.Option(help="A new folder for both parts and the card.")] = Path("built"),
    sources: Sources = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="Training episodes of a source at most: 100, or nlu=50. May be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides episodes, split and order.")] = 42,
    against: Against = None,
    leaks: Annotated[LeakPolicy, typer.Option(help="What to do with what gives a test away.")] = LeakPolicy.REFUSE,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer.json to count with; the nano policy's if left out.")
    ] = None,
    closed_book: Annotated[
        str | None,
        typer.Option(help="name=URL of a model: what it answers with nothing to read is not asked."),
    ] = None,
) -> None:
    """Merge training sources into one set, split by a seed and compared with every test that is there.

    Writes train.parquet and validation.parquet in the table of the published data, and README.md, which says what is in
    them. A set that gives a test away is refused unless told otherwise.
    """
    from memalpha.cli.data import Asked, run_build

    asked = Asked(folder=folder, sources=sources or (), against=against or (), seed=seed)
    run_build(asked, out, limits=limit or (), leaks=leaks, tokenizer=tokenizer, closed_book=closed_book)


@data_app.command(
    name="check", epilog="Example: **memalpha data check train.parquet --against memoryagentbench.parquet**"
)
def check_data(
    episodes: Annotated[Path, typer.Argument(help="A file of training episodes.")],
    against: Against = None,
    folder: Annotated[
        Path | None, typer.Option("--data", help="A folder of data sets whose tests are all tried.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides how a test is built that is built here.")] = 42,
) -> None:
    """Tell what a training set gives away of tests; ends with status 1 when it gives away anything."""
    from memalpha.cli.data import Asked, run_check

    if run_check(episodes, Asked(folder=folder, sources=(), against=against or (), seed=seed)):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; the only place where errors of this package are caught."""
    try:
        app()
    except MemalphaError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted; start the same command again to go on from the last checkpoint", err=True)
        sys.exit(130)


def _pairs(settings: list[str] | None) -> dict[str, str]:
    pairs = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"got --set {setting}, expected table.key=value, such as --set run.steps=60")
        pairs[key.strip()] = value.strip()
    return pairs
