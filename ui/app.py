"""The app: sets the page and routes. Start it with `prep ui`."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap, dress

st.set_page_config(page_title="Prepdesk", page_icon=dress.ICON, layout="wide")
dress.put_on()
bootstrap.require_login()
page = st.navigation(
    [
        st.Page("app_pages/ask.py", title="Ask", icon=":material/search:", default=True),
        st.Page("app_pages/topics.py", title="Topics", icon=":material/hub:"),
        st.Page("app_pages/practice.py", title="Practice", icon=":material/school:"),
        st.Page("app_pages/evaluate.py", title="Evaluate", icon=":material/monitoring:"),
        st.Page("app_pages/library.py", title="Library", icon=":material/local_library:"),
    ],
    position="top",
)
page.run()
