"""The parts of the Topics page: the map, the tree, and one topic with what is near it and what to practise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from retrieval.topics import TopicTree
from retrieval.types import Topic
from ui import logic
from ui.answer_view import ask_elsewhere
from ui.desk import Desk
from ui.practice import PRACTISED_KINDS
from ui.safe_markdown import literal
from ui.topic_map import labels, spots

_NEAR = ":material/hub:"
_KINDS = {"area": "area", "guide": "guide", "section": "section", "category": "bank category", "tag": "tag"}
# Okabe and Ito's colors, told apart by most color-blind eyes, in shades that stand out on light and dark.
_COLORS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b8860b",
    "#56b4e9",
    "#8a6fd1",
    "#7f7f7f",
    "#a0522d",
    "#5f9ea0",
    "#aa4499",
    "#999933",
)


def open_topic(id_: str) -> None:
    """Open a topic, as a callback."""
    st.query_params["t"] = id_


def open_found() -> None:
    """Open the topic that was looked up, and empty the field for the next."""
    if found := st.session_state["find"]:
        open_topic(found)
        st.session_state["find"] = None


def close_topic() -> None:
    st.query_params.pop("t", None)


def show_map(desk: Desk, focus: Topic | None, near: Sequence[str]) -> None:
    """Draw the map; a click on a dot opens its topic."""
    import altair as alt

    found = spots(desk.topics)
    if not found:
        st.caption("The map is drawn when the library is read the next time.")
        return
    named = labels(found, [focus.id, *near]) if focus else []  # 400 names cannot be read; dots tell theirs
    rows = [
        {
            "id": spot.topic.id,
            "topic": spot.topic.name,
            "area": spot.area,
            "passages": len(spot.topic.passages),
            "x": spot.x,
            "y": spot.y,
            "lit": 1.0 if not focus or spot.topic.id == focus.id else 0.9 if spot.topic.id in near else 0.2,
        }
        for spot in found
    ]
    areas = sorted({str(row["area"]) for row in rows})
    ink = "#ece7df" if st.context.theme.type == "dark" else "#23201b"
    axis: dict[str, Any] = {"axis": None, "scale": alt.Scale(domain=[-0.08, 1.08])}
    places = alt.Chart(alt.InlineData(values=rows)).encode(x=alt.X("x:Q", **axis), y=alt.Y("y:Q", **axis))
    dots = places.mark_circle(stroke="#00000055", strokeWidth=0.6, cursor="pointer").encode(
        size=alt.Size("passages:Q", scale=alt.Scale(range=[60, 700]), legend=None),
        color=alt.Color(
            "area:N",
            scale=alt.Scale(domain=areas, range=[_COLORS[n % len(_COLORS)] for n in range(len(areas))]),
            legend=alt.Legend(title=None, orient="bottom", columns=3, labelLimit=200, labelColor=ink),
        ),
        opacity=alt.Opacity("lit:Q", scale=None),
        description=alt.Description("topic:N"),
        tooltip=[alt.Tooltip("topic:N"), alt.Tooltip("area:N"), alt.Tooltip("passages:Q")],
    )
    pick = alt.selection_point(name="pick", fields=["id"], on="click", empty=False)
    texts = {label.id: label for label in named}
    sides = {(label.dx, label.dy, label.align) for label in named}
    names = [
        alt.Chart(
            alt.InlineData(
                values=[
                    {**row, "label": texts[str(row["id"])].text}
                    for row in rows
                    if (own := texts.get(str(row["id"]))) and (own.dx, own.dy, own.align) == side
                ]
            )
        )
        .mark_text(dx=side[0], dy=side[1], align=side[2], fontSize=12, color=ink, tooltip=None)
        .encode(x=alt.X("x:Q", **axis), y=alt.Y("y:Q", **axis), text="label:N")
        for side in sorted(sides)
    ]
    chart = alt.layer(dots.add_params(pick), *names).properties(height=600)
    st.altair_chart(
        chart, key="map", on_select=_picked, selection_mode="pick", alt="Map of the topics: near means alike in meaning"
    )
    st.caption("Each dot is a topic, as large as it has passages. Near means alike. Click one to open it.")


def _picked() -> None:
    chosen = st.session_state["map"]["selection"].get("pick") or []
    if chosen and "id" in chosen[0]:
        open_topic(str(chosen[0]["id"]))


def show_tree(tree: TopicTree) -> None:
    """Show the areas with their guides and bank categories; a click opens one."""
    children: dict[str | None, list[Topic]] = {}
    for topic in tree.topics:
        if topic.kind in ("area", "guide", "category"):
            children.setdefault(topic.parent, []).append(topic)
    with st.container(key="tree", gap="xsmall"):
        for root in children.get(None, []):
            below = children.get(root.id, [])
            if not below:
                _topic_button(root)
                continue
            with st.expander(f"**{literal(root.name)}** · {len(root.passages):,}"), st.container(gap="xxsmall"):
                for child in below:
                    _topic_button(child)


def _topic_button(topic: Topic) -> None:
    name = f"{literal(topic.name)} · {len(topic.passages):,}"
    st.button(name, key=f"tree-{topic.id}", type="tertiary", wrap=True, on_click=open_topic, args=(topic.id,))


def show_topic(desk: Desk, topic: Topic) -> list[str]:
    """Show a topic with its related topics and its questions; return the ids of the related ones, nearest first."""
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.subheader(logic.topic_name(topic, desk.topics.topics), anchor=False, width="stretch")
        st.button("All topics", key="all-topics", icon=":material/close:", type="tertiary", on_click=close_topic)
    st.caption(f"{_KINDS[topic.kind]} · {len(topic.passages):,} passages")
    questions = desk.questions(topic)
    if questions:
        st.markdown("###### Practise", anchors=False)
        ask_elsewhere(questions)
        if topic.kind in PRACTISED_KINDS and st.button("Practise them", key="practise", icon=":material/school:"):
            st.switch_page("app_pages/practice.py", query_params={"on": topic.name})
    related = [r for r in desk.related(topic) if r.score > 0]
    if related:
        st.markdown("###### Related", anchors=False)
        for item in related:
            with st.container(gap=None):
                name, id_ = logic.topic_name(item.topic, desk.topics.topics), item.topic.id
                st.button(
                    name, key=f"near-{id_}", icon=_NEAR, type="tertiary", wrap=True, on_click=open_topic, args=(id_,)
                )
                st.caption(f"{_KINDS[item.topic.kind]} · {literal('; '.join(item.reasons))}")
    sections = [t for t in desk.topics.topics if t.parent == topic.id]
    if sections:
        st.markdown("###### In it", anchors=False)
        with st.container(horizontal=True, gap="xsmall"):
            for section in sections:
                st.button(logic.label(section.name), key=f"in-{section.id}", on_click=open_topic, args=(section.id,))
    return [item.topic.id for item in related]
