"""Word and PowerPoint: headings and slides in heading paths, tables, notes, damage, bombs and entities."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pptx import Presentation
from pptx.util import Inches

from ingest.documents import Document
from ingest.readers import office
from ingest.readers.office import read_slides, read_word
from retrieval.errors import ReadError
from tests.ingest.test_archive import LAUGHS, packed
from tests.ingest.test_markdown import asked
from tests.ingest.test_tables import replaced
from tests.invariants import check_blocks_lie_in_text

LONG = "Gradient descent steps against the gradient of the loss. " * 10
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml"
 ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
_RELS = """<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="word/document.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>"""
_STYLES = f"""<?xml version="1.0"?><w:styles {_W}>
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>
<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/></w:style></w:styles>"""
_DOCUMENT_RELS = """<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="styles.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"/></Relationships>"""


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def word(tmp_path: Path, *body: str, document: str = "") -> Path:
    """Write a Word file with the parts that Word writes for a plain text."""
    document = document or f'<?xml version="1.0"?><w:document {_W}><w:body>{"".join(body)}</w:body></w:document>'
    members = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _RELS,
        "word/document.xml": document,
        "word/styles.xml": _STYLES,
        "word/_rels/document.xml.rels": _DOCUMENT_RELS,
    }
    return packed(tmp_path / "notes.docx", {name: text.encode() for name, text in members.items()})


def deck(tmp_path: Path, *slides: tuple[str, list[tuple[int, str]]], notes: str = "") -> Path:
    """Write a PowerPoint file with a title and leveled bullets a slide."""
    made = Presentation()
    for title, bullets in slides:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text_frame.text = title
        frame = slide.placeholders[1].text_frame
        for n, (level, text) in enumerate(bullets):
            item: Any = frame.paragraphs[0] if n == 0 else frame.add_paragraph()
            item.text, item.level = text, level
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    made.save(str(tmp_path / "deck.pptx"))
    return tmp_path / "deck.pptx"


def shown(document: Document) -> list[tuple[str, tuple[str, ...], str]]:
    check_blocks_lie_in_text(document)
    assert document.line_starts is None
    return [(b.kind, b.heading, document.text[slice(*b.span)]) for b in document.blocks]


def test_word_headings_and_tables(tmp_path: Path) -> None:
    """This test ensures that styles become heading paths and tables stay tables."""
    row = "<w:tr>{}</w:tr>".format("".join(f"<w:tc>{paragraph(c)}</w:tc>" for c in "ab"))
    path = word(
        tmp_path,
        paragraph("My notes", "Title"),
        paragraph("Trees", "H1"),
        paragraph("Why bagging?", "H2"),
        paragraph("It lowers variance &amp; cost: a_b &lt; c."),
        paragraph("Other", "H1"),
        f"<w:tbl>{row}{row}</w:tbl>",
    )
    document = read_word(path)
    assert document.title == "My notes"
    assert shown(document)[3:] == [
        ("prose", ("Trees", "Why bagging?"), "It lowers variance & cost: a_b < c."),
        ("heading", (), "# Other"),
        ("table", ("Other",), "| a | b |\n| --- | --- |\n| a | b |"),
    ]
    assert asked(document) == [("Why bagging?", "It lowers variance & cost: a_b < c.")]


def test_word_text_is_no_markdown(tmp_path: Path) -> None:
    """This test ensures that a typed # makes no heading and a typed tag hides none, with few backslashes."""
    lines = "<w:p><w:r><w:t>a # b &lt; c</w:t><w:br/><w:t>## d</w:t><w:br/><w:t>--</w:t></w:r></w:p>"
    marked = '<w:p><w:bookmarkStart w:id="1" w:name="b"/><w:r><w:t xml:space="preserve"> ~~~</w:t></w:r></w:p>'
    cell = f"<w:tbl><w:tr><w:tc>{paragraph('# e')}</w:tc></w:tr></w:tbl>"
    document = read_word(
        word(
            tmp_path,
            paragraph("---"),
            paragraph("title: x"),
            paragraph("---"),
            paragraph("# compute the mean of x"),
            paragraph("&lt;script&gt; loads code."),
            paragraph("Next", "H1"),
            paragraph("#1 is a &lt;b&gt;, -1 is &lt; 2"),
            paragraph("# quoted", "Quote"),
            lines,
            marked,
            cell,
        )
    )
    assert [(kind, text) for kind, _, text in shown(document)] == [
        ("prose", "\\---"),
        ("prose", "title: x"),
        ("prose", "\\---"),
        ("prose", "\\# compute the mean of x"),
        ("prose", "\\<script> loads code."),
        ("heading", "# Next"),
        ("prose", "#1 is a <b>, -1 is < 2"),
        ("prose", "\\# quoted"),
        ("prose", "a # b < c  \n\\## d  \n\\--"),
        ("prose", "\\~~~"),
        ("table", "| # e |\n| --- |"),
    ]


def math(content: str) -> str:
    """Return an equation; `[x]` in the content is a run of it, and tags have no prefix."""
    tags = re.sub(r"<(/?)(\w)", r"<\1m:\2", re.sub(r"\[(.*?)\]", r"<r><t>\1</t></r>", content))
    return f'<m:oMath xmlns:m="{_M}">{tags.replace(" val=", " m:val=")}</m:oMath>'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[−log ]<d><e>[p]</e></d>", "−log (p)"),
        ("<f><fPr><ctrlPr/></fPr><num>[a+b]</num><den>[n]</den></f>", "(a+b)/n"),
        ("<d><dPr/><e><f><fPr><type val='noBar'/></fPr><num>[n]</num><den>[k]</den></f></e></d>", "(n choose k)"),
        ("<sSub><e>[x]</e><sub>[i]</sub></sSub>[+]<sSup><e>[a+b]</e><sup>[2]</sup></sSup>", "x_i+(a+b)^2"),
        ("<sSubSup><e>[w]</e><sub>[i,j]</sub><sup>[T]</sup></sSubSup>", "w_(i,j)^T"),
        (
            "<rad><radPr><degHide val='1'/></radPr><deg/><e>[a+b]</e></rad><rad><deg>[3]</deg><e>[x]</e></rad>",
            "√(a+b)3√x",
        ),
        ("<nary><naryPr><chr val='∑'/></naryPr><sub>[i=1]</sub><sup>[n]</sup><e>[x]</e></nary>", "∑_(i=1)^n x"),
        ("<nary><sub/><sup/><e>[f dx]</e></nary>", "∫ f dx"),
        ("<func><fName><limLow><e>[min]</e><lim>[θ]</lim></limLow></fName><e>[L]</e></func>", "min_θ L"),
        ("<acc><e>[y]</e></acc>[≈]<bar><e>[x]</e></bar>", "y\u0302≈x\u0305"),
        ("<d><dPr><begChr val='⟨'/><endChr val=''/></dPr><e><m><mr><e>[1]</e><e>[0]</e></mr></m></e></d>", "⟨1, 0"),
        ("<d><e>[x]</e><e>[y]</e></d><eqArr><e>[a=b]</e><e>[c]</e></eqArr><!-- c -->", "(x|y)a=b; c"),
        ("[a]<phant><e>[b]</e></phant>[ &lt; c]", "ab < c"),
    ],
)
def test_equations_of_word_are_text_on_one_line(tmp_path: Path, content: str, text: str) -> None:
    """This test ensures that an equation stands where it stood, in a sentence or alone."""
    run = '<w:r><w:t xml:space="preserve">{}</w:t></w:r>'
    sentence = f"<w:p>{run.format('The loss is ')}{math(content)}{run.format(' for each row.')}</w:p>"
    alone = f'<w:p><m:oMathPara xmlns:m="{_M}"><m:oMathParaPr/>{math(content)}</m:oMathPara></w:p>'
    assert read_word(word(tmp_path, sentence, alone)).text == f"The loss is {text} for each row.\n\n{text}"


def test_equations_leave_the_rest_of_a_word_file_and_its_checks_as_they_are(tmp_path: Path) -> None:
    """This test ensures that styles are still known beside an equation, and entities and damage still refused."""
    path = word(tmp_path, paragraph("Loss", "H1"), f"<w:p>{math('[x]')}</w:p>")
    assert shown(read_word(path)) == [("heading", (), "# Loss"), ("prose", (), "x")]
    assert [p.name for p in tmp_path.iterdir()] == ["notes.docx"]
    with pytest.raises(ReadError, match=r"^notes\.docx: XML in it declares entities"):
        read_word(word(tmp_path, document=LAUGHS.replace("<x>", f"<x>{math('[x]')}")))
    deep = "<m:e>" * 20_000
    for body in (
        f"<w:p>{math('[x]')}",
        f'<w:p><m:oMath xmlns:m="{_M}">{deep}{deep.replace("<", "</")}</m:oMath></w:p>',
    ):
        with pytest.raises(ReadError, match=r"^notes\.docx: not a readable Word file"):
            read_word(word(tmp_path, body))


def test_an_empty_word_file_is_an_empty_document(tmp_path: Path) -> None:
    """This test ensures that a file without text is no error."""
    assert read_word(word(tmp_path)).blocks == ()


def test_slides_are_heading_paths(tmp_path: Path) -> None:
    """This test ensures that a slide that fills a passage is cited by number and title."""
    document = read_slides(
        deck(tmp_path, ("Optimizers", [(0, LONG), (1, "Adam")]), ("Trees", [(0, LONG)]), notes="Say #1.")
    )
    assert document.title == "Optimizers"
    assert shown(document) == [
        ("heading", (), "# Optimizers"),
        ("heading", (), "## Slide 1: Optimizers"),
        ("list", ("Slide 1: Optimizers",), f"- {LONG.strip()}\n  - Adam"),
        ("prose", ("Slide 1: Optimizers",), "Notes: Say #1."),
        ("heading", (), "## Slide 2: Trees"),
        ("list", ("Slide 2: Trees",), f"- {LONG.strip()}"),
        ("prose", ("Slide 2: Trees",), "Notes: Say #1."),
    ]


def test_short_slides_share_a_path_and_keep_their_titles(tmp_path: Path) -> None:
    """This test ensures that no title is lost where several slides make a passage."""
    document = read_slides(deck(tmp_path, ("A", [(0, "a")]), ("", [(0, "# b")]), ("C", [])))
    assert shown(document) == [
        ("heading", (), "# A"),
        ("prose", ("Slides 1-3",), "## Slide 1: A"),
        ("list", ("Slides 1-3",), "- a"),
        ("prose", ("Slides 1-3",), "## Slide 2"),
        ("list", ("Slides 1-3",), "- \\# b"),
        ("prose", ("Slides 1-3",), "## Slide 3: C"),
    ]


def test_tables_groups_and_boxes_of_slides(tmp_path: Path) -> None:
    """This test ensures that text is read from top to bottom wherever it stands."""
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for n, text in enumerate(["model", "a|b", "ridge", "1"]):
        table.cell(n // 2, n % 2).text = text
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(2), Inches(1), Inches(1)).text_frame.text = "In a group.\vSame line."
    slide.shapes.add_textbox(Inches(1), Inches(1), Inches(1), Inches(1)).text_frame.text = "First.\n\nSecond."
    made.save(str(tmp_path / "my_deck.pptx"))
    document = read_slides(tmp_path / "my_deck.pptx")
    assert document.title == "my deck"
    assert document.text == (
        "# my deck\n\n## Slide 1\n\nFirst.\n\nSecond.\n\nIn a group. Same line.\n\n"
        "| model | a\\|b |\n| --- | --- |\n| ridge | 1 |"
    )
    assert [heading for _, heading, _ in shown(document)][2:] == [("Slide 1",)] * 4


def test_a_deck_without_slides_is_read(tmp_path: Path) -> None:
    """This test ensures that a deck without slides is no error."""
    assert len(shown(read_slides(deck(tmp_path)))) <= 1


@pytest.mark.parametrize("name", ["x.docx", "x.pptx"])
@pytest.mark.parametrize("data", [b"", b"text", b"PK\x05\x06" + bytes(18), b"\xd0\xcf\x11\xe0 old or with a password"])
def test_what_is_no_office_file_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """This test ensures that damage is one sentence."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ReadError, match=rf"^{name}: not a readable"):
        (read_word if name == "x.docx" else read_slides)(tmp_path / name)


def test_broken_parts_are_refused(tmp_path: Path) -> None:
    """This test ensures that what the converters raise does not come through."""
    for data in (b"<w:document", b"", b"<x/>"):
        path = replaced(word(tmp_path, paragraph("a")), "word/document.xml", data)
        with pytest.raises(ReadError, match=r"^notes\.docx: not a readable Word file"):
            read_word(path)
    for member in ("ppt/slides/slide1.xml", "ppt/presentation.xml", "[Content_Types].xml"):
        path = replaced(deck(tmp_path, ("A", [(0, "a")])), member, b"<broken")
        with pytest.raises(ReadError, match=r"^deck\.pptx: not a readable PowerPoint file"):
            read_slides(path)


def test_an_xml_bomb_is_refused(tmp_path: Path) -> None:
    """This test ensures that entities are not expanded, in Word or PowerPoint."""
    with pytest.raises(ReadError, match=r"^notes\.docx: XML in it declares entities"):
        read_word(word(tmp_path, document=LAUGHS))
    path = replaced(deck(tmp_path, ("A", [(0, "a")])), "ppt/slides/slide1.xml", LAUGHS.encode("utf-16"))
    with pytest.raises(ReadError, match=r"^deck\.pptx: XML in it declares entities"):
        read_slides(path)


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that both limits hold before a converter starts, and that XML has the lower one."""
    path = replaced(word(tmp_path, paragraph("a")), "word/big.xml", b"<x>" + b" " * 2**21)
    monkeypatch.setattr(office, "MAX_XML_BYTES", 2**20)
    with pytest.raises(ReadError, match=r"^notes\.docx: 2 MB of XML in it, the limit is 1 MB"):
        read_word(path)
    monkeypatch.setattr(office, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(ReadError, match=r"^notes\.docx: it unpacks to 2 MB, the limit is 1 MB"):
        read_word(path)


def test_pictures_and_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    """This test ensures that a picture linked to a file of this machine is not read."""
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    rels = _DOCUMENT_RELS.replace(
        "</Relationships>",
        f'<Relationship Id="r9" TargetMode="External" Target="file://{tmp_path}/secret.txt" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"/></Relationships>',
    )
    drawing = (
        '<w:p><w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing">'
        '<wp:docPr id="1" name="p" descr="a plot"/><a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
        '<a:graphicData><pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:blipFill>'
        '<a:blip xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:link="r9"/>'
        "</pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )
    path = replaced(word(tmp_path, paragraph("See"), drawing), "word/_rels/document.xml.rels", rels.encode())
    assert read_word(path).text == "See\n\na plot"


@pytest.mark.parametrize("kind", ["docx", "pptx"])
def test_every_cut_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    """This test ensures that a download that broke off raises nothing but ReadError."""
    path = word(tmp_path, paragraph("a")) if kind == "docx" else deck(tmp_path, ("A", [(0, "a")]))
    data = path.read_bytes()
    for at in range(0, len(data), len(data) // 20):
        (tmp_path / f"cut.{kind}").write_bytes(data[:at])
        with pytest.raises(ReadError, match=rf"^cut\.{kind}: "):
            (read_word if kind == "docx" else read_slides)(tmp_path / f"cut.{kind}")


def test_deep_xml_is_refused(tmp_path: Path) -> None:
    """This test ensures that 20,000 nested elements do not exhaust the stack."""
    deep = f"<?xml version='1.0'?><w:document {_W}><w:body>{'<w:sdt><w:sdtContent>' * 10_000}"
    with pytest.raises(ReadError, match=r"^notes\.docx: not a readable Word file"):
        read_word(word(tmp_path, document=deep + "</w:sdtContent></w:sdt>" * 10_000 + "</w:body></w:document>"))


def test_the_file_is_not_locked(tmp_path: Path) -> None:
    """This test ensures that a file can be replaced after it was read."""
    path = word(tmp_path, paragraph("a"))
    assert read_word(path) == read_word(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
