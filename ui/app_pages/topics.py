"""Topics: the map and the tree of the library, and one topic with what is near it and what to practise on it."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap
from ui.topic_view import open_found, show_map, show_topic, show_tree

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    tree = desk.topics
    if not tree.topics:
        st.info("The library has no topics yet: its files have neither folders nor titles.", icon=":material/hub:")
        st.stop()

    wanted = str(st.query_params.get("t", ""))
    topic = desk.find_topic(wanted) if wanted else None
    names = {t.id: f"{t.name} ({t.kind})" for t in tree.topics}
    left, right = st.columns([9, 11], gap="large")
    with left:
        st.selectbox(
            "Find a topic",
            list(names),
            index=None,
            format_func=names.__getitem__,
            placeholder="Find a topic",
            label_visibility="collapsed",
            key="find",
            on_change=open_found,
        )
        near = show_topic(desk, topic) if topic else []
        if not topic:
            show_tree(tree)
    with right:
        show_map(desk, topic, near)
