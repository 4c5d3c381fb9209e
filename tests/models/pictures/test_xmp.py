from __future__ import annotations

import time
import tracemalloc

import pytest

from models.pictures.xmp import EXIF, XMP, items_of, read_xmp, text_of
from tests.models.pictures.packets import xmp_of

DATE = f"{EXIF}DateTimeOriginal"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@pytest.mark.parametrize(
    "packet",
    [
        xmp_of('exif:DateTimeOriginal="2024"'),
        xmp_of("exif:DateTimeOriginal = ' 2024 '"),
        xmp_of("", "<exif:DateTimeOriginal>2024</exif:DateTimeOriginal>"),
        xmp_of("", "<exif:DateTimeOriginal><rdf:Seq><rdf:li>2024</rdf:li></rdf:Seq></exif:DateTimeOriginal>"),
        xmp_of("", '<e:DateTimeOriginal xmlns:e="http://ns.adobe.com/exif/1.0/">2024</e:DateTimeOriginal>'),
        xmp_of(
            "",
            '<exif:DateTimeOriginal rdf:parseType="Resource"><rdf:value>2024</rdf:value>'
            "</exif:DateTimeOriginal>",
        ),
        xmp_of("", '<exif:DateTimeOriginal rdf:value="2024"/>'),
        xmp_of("", "<exif:DateTimeOriginal>20<!-- a comment -->24</exif:DateTimeOriginal>"),
        xmp_of('exif:DateTimeOriginal="&#50;024"'),
        xmp_of("", "").replace(b"</rdf:RDF>", b'<rdf:Description exif:DateTimeOriginal="2024"/></rdf:RDF>'),
        xmp_of('exif:DateTimeOriginal="2024"') + b" " * 2000 + b"\0",
        xmp_of('exif:DateTimeOriginal="2024"') + b"<unfinished",
        b"\n  " + xmp_of('exif:DateTimeOriginal="2024"'),
        xmp_of('exif:DateTimeOriginal="2024"').decode().encode("utf-16"),
        xmp_of('exif:DateTimeOriginal="2024"').decode().encode("utf-16-le"),
        xmp_of('exif:DateTimeOriginal="2024"').decode().encode("utf-16-be"),
        xmp_of('exif:DateTimeOriginal="2024"').replace(b"x:xmpmeta", b"x:xapmeta"),
    ],
)
def test_a_property_is_read_however_it_is_written(packet: bytes) -> None:
    assert text_of(read_xmp(packet).get(DATE)) == "2024"


def test_a_prefix_means_what_it_is_bound_to() -> None:
    assert text_of(read_xmp(xmp_of('xap:CreateDate="2024"')).get(f"{XMP}CreateDate")) == "2024"
    other = '<o:Description xmlns:o="urn:other" xmlns:exif="urn:mine" exif:DateTimeOriginal="2024"/>'
    assert DATE not in read_xmp(xmp_of("", other))


@pytest.mark.parametrize(
    "elements",
    [
        "<xmpMM:History><rdf:Seq><rdf:li exif:DateTimeOriginal='1999'/></rdf:Seq></xmpMM:History>",
        "<xmpMM:DerivedFrom exif:DateTimeOriginal='1999'/>",
        """<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description exif:DateTimeOriginal='1999'/></rdf:li></rdf:Bag>
           </xmpMM:Pantry>""",
        "<Container:Directory><rdf:Seq><rdf:li exif:DateTimeOriginal='1'/></rdf:Seq></Container:Directory>",
    ],
)
def test_what_a_packet_tells_of_other_files_is_not_of_this_one(elements: str) -> None:
    assert DATE not in read_xmp(xmp_of("", elements))
    assert text_of(read_xmp(xmp_of('exif:DateTimeOriginal="2024"', elements)).get(DATE)) == "2024"
    after = elements + "<exif:DateTimeOriginal>2024</exif:DateTimeOriginal>"
    assert text_of(read_xmp(xmp_of("", after)).get(DATE)) == "2024"


def test_lists_and_structures_keep_their_shape() -> None:
    container = "http://ns.google.com/photos/1.0/container/"
    properties = read_xmp(
        xmp_of(
            "",
            "<Container:Directory><rdf:Seq>"
            "<rdf:li rdf:parseType='Resource'><Container:Item Item:Mime='image/jpeg' Item:Length='0'/>"
            "</rdf:li>"
            "<rdf:li><rdf:Description><Container:Item Item:Mime='video/mp4' Item:Length='9'/>"
            "</rdf:Description></rdf:li>"
            "</rdf:Seq></Container:Directory>",
        )
    )
    items = items_of(properties[f"{container}Directory"])
    assert [item[f"{container}Item"] for item in items if isinstance(item, dict)] == [
        {f"{container}item/Mime": "image/jpeg", f"{container}item/Length": "0"},
        {f"{container}item/Mime": "video/mp4", f"{container}item/Length": "9"},
    ]


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (None, "nothing"),
        (b"", "nothing"),
        (b"plain words", "no XML"),
        (b"<x/>", "no RDF"),
        (xmp_of('exif:DateTimeOriginal="2024"')[:-120], "cut"),
        (xmp_of('exif:DateTimeOriginal="2024').replace(b'2024"', b"2024"), "a quote is missing"),
        (xmp_of('unbound:DateTimeOriginal="2024"'), "a prefix is not bound"),
        (xmp_of('exif:DateTimeOriginal="2024"').replace(b"2024", b"\xff\xfe"), "no UTF-8"),
        (xmp_of('exif:DateTimeOriginal="2024" exif:DateTimeOriginal="2025"'), "the same attribute twice"),
        (BOMB + xmp_of("", "<exif:DateTimeOriginal>&c;</exif:DateTimeOriginal>"), "entities"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + xmp_of('exif:DateTimeOriginal="2024"'), "a type"),
        (xmp_of('exif:DateTimeOriginal="&undefined;"'), "an entity of nothing"),
        (xmp_of("", "<exif:a>" * 40 + "</exif:a>" * 40), "deeper than any"),
        (b'<?xml version="1.0" encoding="klingon"?>' + xmp_of('exif:DateTimeOriginal="2024"'), "an encoding"),
    ],
)
def test_a_broken_packet_says_nothing(packet: bytes | None, why: str) -> None:
    assert read_xmp(packet) == {}, why


def test_a_packet_is_read_within_limits() -> None:
    many = xmp_of('exif:DateTimeOriginal="2024"', "<exif:a/>" * 25_000)
    long = xmp_of('exif:DateTimeOriginal="2024"', f"<exif:a>{'x' * 4 * 1024 * 1024}</exif:a>")
    began = time.perf_counter()
    assert read_xmp(many) == {}
    assert read_xmp(long) == {}
    assert time.perf_counter() - began < 5


def test_a_long_list_of_ancestors_is_passed_over() -> None:
    ancestors = "<photoshop:DocumentAncestors><rdf:Bag>" + "<rdf:li>xmp.did:1</rdf:li>" * 50_000
    packet = xmp_of('exif:DateTimeOriginal="2024"', ancestors + "</rdf:Bag></photoshop:DocumentAncestors>")
    assert text_of(read_xmp(packet).get(DATE)) == "2024"


def test_a_text_of_no_value_is_empty() -> None:
    assert [text_of(value) for value in (None, (), {"a": "b"}, ("x", "y"))] == ["", "", "", "x"]
    assert [items_of(value) for value in (None, "", "x", ("x", "y"))] == [(), (), ("x",), ("x", "y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "inside",
    [
        "<rdf:Description xmlns:q='{0}'>{1}</rdf:Description>",
        '<rdf:Description xmlns:q = "{0}" {2}/>',
        '<q:x xmlns:q="{0}">{1}</q:x>',
    ],
)
def test_a_long_namespace_is_not_written_before_thousands_of_names(inside: str, encoding: str) -> None:
    elements = "".join(f"<q:a{number}/>" for number in range(2000))
    attributes = " ".join(f'q:a{number}="1"' for number in range(2000))
    packet = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        + inside.format("u" * 100_000, elements, attributes)
        + "</rdf:RDF>"
    ).encode(encoding)
    tracemalloc.start()
    try:
        assert read_xmp(packet) == {}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
