"""The static style and script of the app. Nothing of a document ever enters these strings.

Streamlit has no way to focus a field, or to let a number inside a text be clicked; this
script does both. It carries no data: a click on a number is handed to the button that
stands under the paragraph, so whoever cannot use it has lost nothing.
"""

from __future__ import annotations

from base64 import b64encode

import streamlit as st

# A drawn icon: Streamlit fetches that of an emoji or of ":material/...:" from a server of Google's.
ICON = "data:image/svg+xml;base64," + b64encode(
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#8a4b08"/>'
    b'<path d="M16 10c-2.400-1.600-5.200-2-9-2v14c3.800 0 6.600.4 9 2 2.400-1.600 5.200-2 9-2V8c-3.800 0-6.600.4-9 2z'
    b'm0 0v14" fill="none" stroke="#fff6e6" stroke-width="2" stroke-linejoin="round"/></svg>'
).decode("ascii")

_STYLE = """
<style>
.block-container { max-width: 84rem; padding-top: 4.5rem; }
.st-key-q [data-testid="InputInstructions"], .st-key-script { display: none; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * { color: inherit; }
[data-testid="stCaptionContainer"] { opacity: .82; }
[class*="st-key-cite-"] button { min-height: 1.9rem; padding: 0 .6rem; }
[class*="st-key-cite-"] button p { font-size: .86rem; }
[class*="st-key-tree-"] button, [class*="st-key-near-"] button { min-height: 1.9rem; padding: .1rem 0; }
[class*="st-key-near-"] + div [data-testid="stCaptionContainer"] { padding-left: 1.6rem; }
[class*="st-key-ask-"] button { min-height: 1.9rem; padding-top: .1rem; padding-bottom: .1rem; }
.st-key-answer p, .st-key-answer li, .st-key-panel p, .st-key-panel li { line-height: 1.65; }
.st-key-answer [data-testid="stMarkdownContainer"] { max-width: 46rem; }
.st-key-answer .stMarkdownBadge { cursor: pointer; padding: 0 .38em; font-size: .72em; vertical-align: .25em; }
[data-testid="stColumn"]:has(.st-key-panel) { position: sticky; top: 4rem; align-self: flex-start; }
.st-key-panel { max-height: calc(100vh - 5.5rem); overflow-y: auto; }
.st-key-panel h5, .st-key-passages h5 { font-size: 1rem; font-weight: 650; padding: .4rem 0 0; }
.st-key-panel [data-testid="stMarkdownContainer"], .st-key-passages [data-testid="stMarkdownContainer"],
.st-key-answer [data-testid="stMarkdownContainer"] { overflow-wrap: anywhere; }
.katex-display, .katex { max-width: 100%; overflow-x: auto; overflow-y: hidden; }
[data-testid="stMarkdownContainer"] table { display: block; max-width: 100%; overflow-x: auto; }
[class*="st-key-quoted"] { border-left: 3px solid #d98e04; padding-left: .6rem; border-radius: 4px; }
[class*="st-key-quoted"] { background: rgba(217, 142, 4, .14); }
[data-testid="stButtonGroup"] button[data-selected="true"] { font-weight: 650; }
[data-testid="stButtonGroup"] button[data-selected="true"], [data-testid="stButtonGroup"] button[data-selected="true"] *
  { color: inherit !important; }
[data-testid="stMarkdownContainer"] td, [data-testid="stMarkdownContainer"] th { overflow-wrap: normal; }
[class*="st-key-ask-"] button, [class*="st-key-topic-"] button { text-align: left; }
.st-key-grades button * { color: inherit !important; opacity: 1 !important; }
@media (max-width: 640px) {
  .block-container { padding-left: 1rem; padding-right: 1rem; }
  .st-key-q { flex: 1 0 100% !important; }
  [data-testid="stColumn"]:has(.st-key-panel) { position: static; }
  .st-key-panel { max-height: none; }
}
</style>
"""

_SCRIPT = """
<script>
(() => {
  const field = () => document.querySelector('.st-key-q input, [class*="st-key-mine-"] textarea');
  // A button with a tooltip stands twice in the page, for wide and for narrow windows; one of them is shown.
  const shown = (query) => [...document.querySelectorAll(query)].filter((e) => e.offsetParent);
  const cites = () => shown('[class*="st-key-cite-"] button');
  // Buttons are drawn a moment after the text above them; the click on a number waits for its own.
  const hand = (badge, tries = 0) => {
    const button = shown('.st-key-cite-' + badge.textContent.trim() + ' button')[0];
    if (button) { button.click(); }
    else if (badge.isConnected && tries < 60) { setTimeout(() => hand(badge, tries + 1), 50); }
  };
  const focusField = () => { const f = field(); if (f) { f.focus({ preventScroll: true }); } return Boolean(f); };
  if (!window.prepdesk) {
    window.prepdesk = { focused: '' };
    document.addEventListener('keydown', (event) => {
      const at = document.activeElement;
      const typing = at && (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) || at.isContentEditable);
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        if (focusField()) { field().select(); event.preventDefault(); }
        return;
      }
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      const all = cites(), here = all.indexOf(at);
      if (!step || !all.length) return;
      if (here >= 0) { all[Math.min(all.length - 1, Math.max(0, here + step))].focus(); event.preventDefault(); }
      else if (at === field() && event.key === 'ArrowDown') { all[0].focus(); event.preventDefault(); }
    });
    // A quote far down in a long passage is scrolled to, once for each quote.
    let seen = '', soon = 0;
    const reveal = () => {
      const panel = document.querySelector('.st-key-panel');
      if (panel) panel.tabIndex = 0;  // it scrolls, by keys as well
      const mark = panel?.querySelector('.stMarkdownColoredBackground, [class*="st-key-quoted"]');
      if (!mark || mark.textContent === seen) return;
      seen = mark.textContent;
      const below = mark.getBoundingClientRect().top - panel.getBoundingClientRect().top;
      if (below < 0 || below > panel.clientHeight * 0.8) panel.scrollTop += below - panel.clientHeight / 3;
    };
    new MutationObserver(() => { clearTimeout(soon); soon = setTimeout(reveal, 150); })
      .observe(document.body, { subtree: true, childList: true, characterData: true });
    document.addEventListener('click', (event) => {
      const cite = event.target.closest('[class*="st-key-cite-"] button, [class*="st-key-open-"] button');
      const badge = cite ? null : event.target.closest('.st-key-answer .stMarkdownBadge');
      if (badge && /^\\d+$/.test(badge.textContent.trim())) {
        hand(badge);
        return;
      }
      if (cite && window.innerWidth <= 640) {
        setTimeout(() => document.querySelector('.st-key-panel')?.scrollIntoView({ behavior: 'smooth' }), 600);
      }
    });
  }
  if (window.prepdesk.focused !== location.pathname) {
    // The first visit waits for the library to open, and a field that is drawn anew loses the focus: look again
    // until it has held it for half a second, or the person does something else.
    window.prepdesk.focused = location.pathname;
    const path = location.pathname;
    let held = 0, tries = 0, busy = false;
    for (const act of ['keydown', 'mousedown', 'touchstart']) {
      document.addEventListener(act, () => { busy = true; }, { once: true, capture: true });
    }
    const look = () => {
      if (busy || held > 5 || tries++ > 600 || location.pathname !== path) return;
      if (field() && document.activeElement === field()) { held++; } else { held = 0; focusField(); }
      setTimeout(look, 100);
    };
    look();
  }
})();
</script>
"""


def put_on() -> None:
    """Add the style and the script to the page."""
    st.html(_STYLE)
    with st.container(key="script"):
        st.html(_SCRIPT, unsafe_allow_javascript=True)
