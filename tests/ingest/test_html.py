"""Saved pages: main content without its surroundings, code and formulas whole, broken and hostile pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Document
from ingest.readers import html
from ingest.readers.html import read_html
from retrieval.errors import ReadError
from tests.ingest.test_markdown import asked
from tests.invariants import check_blocks_lie_in_text

LONG = "A random forest averages many decorrelated trees, which reduces the variance of its prediction. " * 3
AROUND = """<!DOCTYPE html><html><head><title>Forests &amp; trees | A site</title>
<script>var tracking = 1;</script></head><body><header><nav><a href="/">Home</a> <a href="/jobs">Jobs</a></nav></header>
<div class="cookie-banner">We use cookies. <button>Accept all</button></div>
{content}
<aside><h3>Related</h3><a href="/x">Ten tricks</a></aside>
<footer>Copyright 2024. Privacy policy.</footer></body></html>"""


def read(tmp_path: Path, content: str, name: str = "page.html") -> Document:
    (tmp_path / name).write_text(content, encoding="utf-8")
    document = read_html(tmp_path / name)
    check_blocks_lie_in_text(document)
    return document


@pytest.mark.parametrize("place", ["article", "main", "div class='post-content'"])
def test_the_main_content_is_read_and_the_rest_is_not(tmp_path: Path, place: str) -> None:
    """This test ensures that navigation, banners, scripts and footers are left out, marked or unmarked."""
    content = (
        f"<{place}><h1>Random forests</h1><h2>Why?</h2><p>{LONG}</p><h2>How</h2><ul><li>Bagging</li></ul><p>{LONG}</p>"
    )
    document = read(tmp_path, AROUND.format(content=f"{content}</{place.split()[0]}>"))
    assert document.title == "Random forests"
    assert document.text.startswith("# Random forests\n\n## Why?\n\nA random forest")
    assert "## How\n\n- Bagging" in document.text
    for word in ("Jobs", "cookies", "tracking", "Related", "Ten tricks", "Copyright"):
        assert word not in document.text
    assert [b.heading for b in document.blocks if b.kind == "list"] == [("How",)]
    assert document.line_starts is None


def test_the_title_of_the_page_stands_where_there_is_no_heading(tmp_path: Path) -> None:
    """This test ensures that a page without <h1> is called what the browser calls it."""
    assert (
        read(tmp_path, AROUND.format(content=f"<article><p>{LONG}</p></article>")).title == "Forests & trees | A site"
    )
    assert read(tmp_path, f"<html><body><p>{LONG}</p></body></html>", "my-page.htm").title == "my page"


def test_code_keeps_empty_lines_and_language(tmp_path: Path) -> None:
    """This test ensures that code can be copied out of a citation."""
    code = "<pre><code class='language-python'><span>def</span> f(a_b):\n\n    return a_b ** 2</code></pre>"
    fenced = "```python\ndef f(a_b):\n\n    return a_b ** 2\n```"
    for page in (f"<main><p>{LONG}</p>{code}</main>", f"<div><p>{LONG}</p>{code}<p>{LONG}</p></div>"):
        assert fenced in read(tmp_path, AROUND.format(content=page)).text


@pytest.mark.parametrize(
    "code",
    [
        "<pre>def f(x):<br>    y = x + 1<br><br>    return y</pre>",
        "<pre>def f(x):<br>\n    y = x + 1<br>\n<br>\n    return y</pre>",
        (
            "<pre class='prettyprint'><ol><li><span>def</span> f(x):</li><li>    y = x + 1</li><li></li>"
            "<li>    return y</li></ol></pre>"
        ),
        "<pre><div>def f(x):</div>\n<div>    y = x + 1\n</div><div><br></div><div>    return y</div>\n</pre>",
        (
            "<pre><code><table><tr><td>def f(x):</td></tr><tr><td>    y = x + 1</td></tr><tr></tr>"
            "<tr><td>    return y</td></tr></table></code></pre>"
        ),
        "<pre>def f(x):\n    y = x + 1\n\n    return y\n</pre>",
    ],
)
def test_lines_of_code_are_lines_however_they_are_divided(tmp_path: Path, code: str) -> None:
    """This test ensures that <br>, list items and blocks end a line of code once."""
    text = read(tmp_path, AROUND.format(content=f"<main><p>{LONG}</p>{code}</main>")).text
    assert "```\ndef f(x):\n    y = x + 1\n\n    return y\n```" in text


@pytest.mark.parametrize("rest", ["", "<div class='x'><h2>Part</h2><a href='#'></a></div><p>Short.</p>" * 9])
def test_backslashes_of_code_and_formulas_are_kept(tmp_path: Path, rest: str) -> None:
    """This test ensures that only the escapes of trafilatura are taken out, whichever way the page is read."""
    fenced, inline = r"re.compile(r'\[\d+\]\*\_x')", r"<code>\_x \[0\]</code>"
    formulas = (
        r"$a\_b$, $$x_1\\[2pt] y^*$$, \(\text{rate\_1}_0\)<i>,</i> \(c_1\) and <script type='math/tex'>d\_1</script>"
    )
    page = f"<main><p>{LONG} a_b[0] is {inline}; {formulas}.</p><pre><code>{fenced}</code></pre>{rest}</main>"
    text = read(tmp_path, AROUND.format(content=page)).text
    assert f"```\n{fenced}\n```" in text
    assert r"a_b[0] is `\_x \[0\]`; $a\_b$, $$x_1\\[2pt] y^*$$, $\text{rate\_1}_0$" in text
    assert r"$c_1$ and $d\_1$." in text


@pytest.mark.parametrize(
    "drawn",
    [
        (
            "<span class='katex'><span class='katex-mathml'><math><semantics><mi>x</mi><annotation>x_1^2</annotation>"
            "</semantics></math></span><span class='katex-html' aria-hidden='true'>x12</span></span>"
        ),
        (
            "<span class='mwe-math-element'><span style='display: none;'><math><semantics><mi>x</mi><annotation>"
            "{\\displaystyle x_1^2}</annotation></semantics></math></span><img src='x.svg' alt='x'></span>"
        ),
        "<span class='MathJax_Preview'>x</span><span class='MathJax'>x12</span><script type='math/tex'>x_1^2</script>",
        "\\(x_1^2\\)",
    ],
)
def test_formulas_are_tex_again(tmp_path: Path, drawn: str) -> None:
    """This test ensures that KaTeX, MathJax and Wikipedia's formulas come out once, as they were written."""
    text = read(tmp_path, AROUND.format(content=f"<main><p>{LONG}</p><p>The square {drawn} is even.</p></main>")).text
    assert "The square $x_1^2$ is even." in text or "The square \\(x_1^2\\) is even." in text


def test_unfolding_panels_are_questions(tmp_path: Path) -> None:
    """This test ensures that an accordion's buttons and <summary> ask."""
    panels = "".join(f"<div><button class='acc'>What is {c}?</button><div><p>It is {c}.</p></div></div>" for c in "abc")
    assert asked(read(tmp_path, f"<html><body>{panels}</body></html>"))[:2] == [
        ("What is a?", "It is a."),
        ("What is b?", "It is b."),
    ]
    folded = "<details><summary>What is d?</summary><p>It is d.</p></details>" * 2
    assert asked(read(tmp_path, f"<html><body><main>{folded}</main></body></html>"))[0] == ("What is d?", "It is d.")


def test_signs_of_themes_are_taken_out(tmp_path: Path) -> None:
    """This test ensures that a permalink is no part of a heading."""
    heading = "<h2>Trees<a class='headerlink' href='#t'>¶</a></h2>"
    document = read(tmp_path, f"<html><body><main><h1>T</h1>{heading}<p>{LONG}</p></main></body></html>")
    assert [b.heading for b in document.blocks if b.kind == "prose"] == [("Trees",)]


def test_what_the_page_marks_is_taken_where_headings_would_be_lost(tmp_path: Path) -> None:
    """This test ensures that short sections of a <main> are all there."""
    sections = "".join(f"<div class='x'><h2>Part {n}</h2><a href='#'></a></div><p>Short {n}.</p>" for n in range(9))
    text = read(tmp_path, AROUND.format(content=f"<main>{sections}</main>")).text
    assert [f"## Part {n}" in text and f"Short {n}." in text for n in range(9)] == [True] * 9


def test_pages_of_other_encodings(tmp_path: Path) -> None:
    """This test ensures that a declared encoding is followed, an XML declaration included."""
    text = (
        "<p>Die Varianz der Schätzung fällt, während die Verzerrung größer wird. Übermäßige Glättung schadet.</p>" * 3
    )
    head = '<?xml version="1.0" encoding="iso-8859-1"?><html><head><meta charset="iso-8859-1"></head><body><main>'
    (tmp_path / "x.html").write_bytes(f"{head}{text}</main></body></html>".encode("latin-1"))
    assert "Die Varianz der Schätzung fällt, während" in read_html(tmp_path / "x.html").text


def test_pictures_in_a_page_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a page saved as one file is read, and that one with too much markup is refused."""
    monkeypatch.setattr(html, "MAX_MARKUP", 2**20)
    picture = "<img src='data:image/png;base64," + "iVBOR" * 2**19 + "' alt='plot'>"
    assert LONG.strip() in read(tmp_path, f"<html><body><main><p>{LONG}</p>{picture}</main></body></html>").text
    with pytest.raises(ReadError, match=r"^page\.html: 2 million characters of HTML, the limit is 1"):
        read(tmp_path, "<p>x</p>" * 2**18)


@pytest.mark.parametrize(
    "content", ["<html></html>", "<!-- x -->", "<html><body><script>x</script></body></html>", "<p>"]
)
def test_pages_without_text_are_empty(tmp_path: Path, content: str) -> None:
    """This test ensures that an empty page is an empty document."""
    assert read(tmp_path, content).blocks == ()


def test_control_characters_in_code_and_formulas(tmp_path: Path) -> None:
    """This test ensures that what XML cannot hold, found by fuzzing, is left out of the text."""
    text = "a&#1;b\ufffe\x02c"
    page = f"<main><p>{LONG} {text}<a class='headerlink'>#</a>{text}&#x1F600;</p><pre>{text}</pre></main>"
    assert "abcabc\U0001f600\n\n```\nabc\n```" in read(tmp_path, f"<html><body>{page}</body></html>").text


@pytest.mark.parametrize("content", ["", "no page at all", "1 < 2"])
def test_what_is_no_page_is_refused(tmp_path: Path, content: str) -> None:
    """This test ensures that a text file with the wrong name says so."""
    with pytest.raises(ReadError, match=r"^page\.html: no HTML in it"):
        read(tmp_path, content)


@pytest.mark.parametrize("tag", ["div", "ul><li", "b", "table><tr><td", "pre", "button"])
def test_deep_nesting_ends(tmp_path: Path, tag: str) -> None:
    """This test ensures that 5,000 open tags do not exhaust the stack."""
    read(tmp_path, "<html><body>" + f"<{tag}>" * 5000 + "x")


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    """This test ensures that declared entities stay what they are, and that no file is read through them."""
    bomb = "<!DOCTYPE html [<!ENTITY a 'haha'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
    text = read(tmp_path, f"{bomb}<html><body><main><p>{LONG} &b; &f;</p></main></body></html>").text
    assert "haha" not in text.split("A random", 1)[1]
    assert "root:" not in text


_TAGS = st.sampled_from(
    "<p> </p> <pre> </pre> <code> <ul> <li> <h2> </h2> <table> <tr> <td> <math> <annotation> <b> <script>".split()
)


@given(st.lists(_TAGS | st.text("ab #`\n?*_[]", max_size=8), max_size=25))
def test_any_tags_give_spans_inside_the_text(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """This test ensures that no soup of tags breaks the spans."""
    read(tmp_path_factory.mktemp("h"), "<html><body>" + "".join(parts))
