"""The parts of the Evaluate page: starting a run, and what one says: measures, curves, slices, verdicts, misses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from evals.failures import Failure
from retrieval.types import MODES
from ui import bootstrap
from ui.evaluations import HEADLINE, Run, comparable, mode_verdicts, run_verdicts
from ui.safe_markdown import inline, literal

_WHAT = {"gold": "The bundled questions", "own": "My own library", "file": "A gold file"}
_MEANS = {
    "gold": "Questions on the bundled corpus, with the passages that answer them. It must be in the library.",
    "own": "The question of every entry of your library, asked of a copy in which no question can be found: "
    "does it lead to its answer by what the answer says? The first run makes that copy.",
    "file": "A JSONL file of yours with questions and verbatim quotes that answer them; evals/README.md tells how.",
}
_COLORS = {"hybrid": "#0072b2", "dense": "#d55e00", "lexical": "#009e73"}
_SHOWN = ("recall@1", "recall@3", "recall@5", "recall@10", "MRR@10", "nDCG@10")
_MISSES = 50  # shown; a longer list is for `prep eval --report`


def offer_run(first: bool) -> None:
    """Offer to run an evaluation; the form stands open until there is a run."""
    with st.expander("Run an evaluation", icon=":material/play_arrow:", expanded=first, key="running"):
        what = st.radio("What to ask", list(_WHAT), format_func=_WHAT.__getitem__, horizontal=True, key="what")
        st.caption(_MEANS[what or "gold"])
        path = ""
        if what == "file":
            path = st.text_input("Gold file on this machine", placeholder="/home/me/gold.jsonl", key="gold") or ""
        with st.container(horizontal=True, vertical_alignment="bottom"):
            modes = st.multiselect("Ways to search", list(MODES), default=list(MODES), key="modes")
            most = st.number_input("Questions at most", 20, 10_000, 300, 20, key="most", width=180)
            pressed = st.button("Run", type="primary", icon=":material/play_arrow:", key="run", disabled=not modes)
        if not pressed:
            return
        options = [*(f"--mode={mode}" for mode in modes), f"--most={most}"]
        if what == "own":
            options.append("--own")
        elif what == "file":
            if not _is_file(path.strip()):
                st.warning("There is no such file on this machine; type its whole path.", icon=":material/error:")
                return
            options.append(f"--gold={path.strip()}")
        bootstrap.evaluations().start(by=bootstrap.person(), options=options)
        st.rerun()


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name too long, a folder that may not be entered
        return False


def show_end() -> None:
    """Say how the last evaluation ended where that needs saying."""
    progress = bootstrap.evaluations().progress
    if progress.state == "failed":
        st.warning(literal(progress.error), icon=":material/error:")
    elif progress.state == "cancelled":
        st.info("Cancelled. Earlier runs are kept.", icon=":material/info:")


def choose_run(runs: Sequence[Run], unread: Sequence[str]) -> Run:
    """Offer the kept runs, the newest first."""
    if unread:
        st.warning(
            f"{literal(', '.join(unread))}: not a kept run; delete it or put a copy back.", icon=":material/error:"
        )
    labels = {run.id: f"{run.when} UTC · {run.dataset} · {run.asked:,} questions" for run in runs}
    chosen = st.selectbox("Run", list(labels), format_func=labels.__getitem__, key="shown-run")
    return next(run for run in runs if run.id == chosen)


def show_run(run: Run) -> None:
    """Show the measures of a run as a table, then its curves and slices side by side."""
    sampled = f" of {run.of:,}" if run.asked < run.of else ""
    st.caption(f"{run.asked:,}{sampled} questions · {run.passages:,} passages · {literal(run.encoder)}")
    st.markdown(measures_table(run))
    if declining := run.modes[0].summary.get("declining"):
        st.markdown(
            f"Of {declining['answerable']:,} questions that the library covers it answers "
            f"**{declining['answered']:.0%}**, of {declining['unanswerable']:,} that it does not cover it declines "
            f"**{declining['recall']:.0%}**."
        )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("###### Recall by how many passages are read", anchors=False)
        _curves(run)
    with right:
        st.markdown(f"###### {HEADLINE[0]} by kind of question, {run.modes[0].mode}", anchors=False)
        _bars(run)


def show_verdicts(run: Run, runs: Sequence[Run]) -> None:
    """Say which mode is better, and what has changed since an earlier run."""
    if len(run.modes) > 1:
        st.markdown("###### Which way to search is better", anchors=False)
        st.markdown("\n".join(f"- {literal(line)}" for line in mode_verdicts(run)))
    others = {other.id: f"{other.when} · {other.dataset}" for other in comparable(run, runs)}
    if not others:
        return
    chosen = st.selectbox(
        "Compare with an earlier run",
        list(others),
        index=None,
        format_func=others.__getitem__,
        placeholder="Choose a run that asked the same questions",
        key="before",
    )
    if chosen:
        before = next(other for other in runs if other.id == chosen)
        st.markdown("\n".join(f"- {literal(line)}" for line in run_verdicts(run, before)))


def show_misses(misses: Sequence[Failure], mode: str) -> None:
    """List what was not among the first five passages, with what came instead."""
    st.markdown(f"###### {len(misses)} {'miss' if len(misses) == 1 else 'misses'} of {mode}", anchors=False)
    if not misses:
        st.caption("Everything wanted stands among the first five passages.")
    for n, miss in enumerate(misses[:_MISSES]):
        with st.expander(inline(miss.question)):
            ranks = ", ".join(f"{name} {rank or 'not in the first 100'}" for name, rank in miss.ranks.items())
            st.markdown(
                f"**Wanted** {literal(miss.wanted)}  \n{literal(miss.wanted_text)}\n\n"
                f"**Came instead** {literal(miss.instead)}  \n{literal(miss.instead_text)}\n\n"
                f"Rank of what was wanted: {ranks}. Likely cause: {literal(miss.cause)}, {literal(miss.detail)}.",
                anchors=False,
            )
            if st.button("Ask it", key=f"ask-miss-{n}", icon=":material/search:"):
                st.switch_page("app_pages/ask.py", query_params={"q": miss.question})
    if len(misses) > _MISSES:
        st.caption(f"The first {_MISSES}; prep eval --report FILE.html lists all.")


def measures_table(run: Run) -> str:
    """Return the main measures of every mode with their intervals as a Markdown table."""
    names = [name for name in _SHOWN if name in run.modes[0].summary["metrics"]]
    lines = ["| way to search |" + "|".join(names) + "|", "|---|" + "---:|" * len(names)]
    for mode in run.modes:
        cells = (mode.summary["metrics"][name] for name in names)
        shown = (f"{c['mean']:.3f} ({c['ci95'][0]:.2f} to {c['ci95'][1]:.2f})" for c in cells)
        lines.append(f"| {mode.mode} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _curves(run: Run) -> None:
    import altair as alt

    rows = [{"k": int(k), "recall": v, "mode": m.mode} for m in run.modes for k, v in m.recall.items()]
    names = [mode.mode for mode in run.modes]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("k:Q", title="passages read", axis=alt.Axis(values=[int(k) for k in run.modes[0].recall])),
            y=alt.Y("recall:Q", title="recall", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("mode:N", scale=_scale(names), legend=alt.Legend(title=None, orient="bottom")),
            tooltip=["mode:N", "k:Q", alt.Tooltip("recall:Q", format=".3f")],
        )
        .properties(height=330)
        .configure_axis(labelColor=_ink(), titleColor=_ink())
        .configure_legend(labelColor=_ink())
    )
    st.altair_chart(chart, key="curves", alt="Recall by the number of passages read, a line for each way to search")


def _bars(run: Run) -> None:
    import altair as alt

    rows = [
        {"slice": f"{name} ({row['queries']})", "mean": row[HEADLINE[0]]["mean"],
         "low": row[HEADLINE[0]]["ci95"][0], "high": row[HEADLINE[0]]["ci95"][1]}
        for name, row in run.modes[0].summary["by_slice"].items()
    ]  # fmt: skip
    y: Any = alt.Y("slice:N", title=None, sort=None, axis=alt.Axis(labelLimit=220))
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=y)
    bars = base.mark_bar(color=_COLORS["hybrid"], opacity=0.75).encode(
        x=alt.X("mean:Q", title=f"{HEADLINE[0]}, with its 95 % interval", scale=alt.Scale(domain=[0, 1])),
        tooltip=["slice:N", *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("mean", "low", "high"))],
    )
    spans = base.mark_rule(color=_ink(), strokeWidth=2).encode(x="low:Q", x2="high:Q")
    chart = (
        alt.layer(bars, spans)
        .properties(height=max(120, 30 * len(rows) + 40))
        .configure_axis(labelColor=_ink(), titleColor=_ink())
    )
    st.altair_chart(chart, key="bars", alt=f"{HEADLINE[0]} of every kind of question, with intervals")


def _ink() -> str:
    return "#ece7df" if st.context.theme.type == "dark" else "#23201b"


def _scale(names: Sequence[str]) -> Any:
    import altair as alt

    return alt.Scale(domain=list(names), range=[_COLORS[name] for name in names])
