"""The command that measures retrieval and answers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ui.options import (
    ChromaOption,
    IndexOption,
    JsonOption,
    LlmOption,
    ModeOption,
    RerankerOption,
    command,
    mode_of,
    open_or_build,
    print_json,
)

app = typer.Typer()


@command(app, name="eval", epilog="Example: prep eval --compare dense,lexical,hybrid")
def evaluate(
    gold: Annotated[
        Path | None,
        typer.Argument(
            metavar="[GOLD or BEIR DIR]",
            help="Gold questions (JSONL or CSV), a BEIR folder, or TREC qrels; none: the bundled gold.",
        ),
    ] = None,
    index: IndexOption = None,
    chroma: ChromaOption = None,
    own: Annotated[
        bool, typer.Option("--own", help="Ask the library the questions of its own entries, their text hidden.")
    ] = False,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="The queries of TREC qrels: JSONL, or id, tab, text.", metavar="FILE"),
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", help="Cutoff of recall and precision, 1 to 20; may be repeated.")
    ] = None,
    mode: ModeOption = "hybrid",
    reranker: RerankerOption = None,
    compare: Annotated[
        str | None, typer.Option("--compare", help="Modes to compare, like dense,lexical,hybrid.", metavar="MODES")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="dev or test; test is for reporting only.")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="A kept run to compare with.", metavar="FILE")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 where a measure falls below the baseline.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="Keep this run as a baseline.", metavar="FILE")] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Write the ranking as a TREC run.", metavar="FILE.trec")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A TREC run of another system to compare with.", metavar="FILE.trec"),
    ] = None,
    answers: Annotated[
        bool,
        typer.Option("--answers", help="Measure what answers cite, their time and tokens; with --llm written ones."),
    ] = False,
    llm: LlmOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write an HTML report.", metavar="FILE.html")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well your library finds what answers a question."""
    from evals import baseline as kept
    from evals.metrics import chief_recall
    from evals.report import write_report
    from ui import console, eval_command, model_choice

    if gate and baseline is None:
        raise typer.BadParameter("--gate needs --baseline FILE to compare with")
    if own and (gold or split or queries or answers):
        said = "--own asks the library its own questions; leave out GOLD, --split, --queries and --answers"
        raise typer.BadParameter(said)
    if llm and not answers:
        raise typer.BadParameter("--llm goes with --answers: a model writes answers, it does not rank")
    asking = eval_command.Asking(answers, model_choice.configured(llm) if answers else None)
    modes = [mode_of(name.strip()) for name in compare.split(",")] if compare else [mode_of(mode)]
    measures = eval_command.measures_for(k)
    task = None if own else eval_command.find_task(gold, split, queries)
    if answers and task and task.collection:
        raise typer.BadParameter("--answers needs gold questions; a BEIR folder and qrels have none to answer")
    for target in filter(None, (save, run, report)):
        kept.check_target(target)
    before = kept.load(baseline) if baseline else None
    passed, lines = True, []
    with ExitStack() as opened:
        mine = opened.enter_context(open_or_build(index, chroma, reranker))
        task = task or eval_command.own_task(mine)
        library = opened.enter_context(eval_command.library_of(task, mine))
        done = eval_command.run(task, library, modes, measures, asking)
        if against is not None:
            eval_command.add_other(done, against, measures)
        lines += eval_command.pair_verdicts(done)
        if before is not None:
            gate_lines, passed = eval_command.check_gate(done[0], before)
            lines += gate_lines
        if save is not None:
            kept.save(done[0], save)
        if run is not None:
            kept.write_trec(done[0], run)
        if report is not None:
            write_report(done, lines, library, task.questions, report)
    summaries = [evaluation.summary() for evaluation in done]
    if as_json:
        print_json(summaries[0] if len(done) == 1 else {"runs": summaries, "verdicts": lines})
    else:
        console.print_evaluations(summaries, chief_recall(measures))
        for line in lines:
            console.out.print(console.shown(line))
    if gate and not passed:
        print("prep: a measure fell below the baseline by more than its tolerance", file=sys.stderr)
        raise typer.Exit(1)
