"""XMP packets (ISO 16684-1): RDF in XML, read without ever failing.

    properties = read_xmp(packet)
    text_of(properties.get(f"{EXIF}DateTimeOriginal"))

A packet may come from anybody: it is read within limits, entities are not expanded, and one that is broken
or has a document type says nothing. Only what a packet says of its own file counts: what it tells of the
file's ancestors and history (xmpMM) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from xml.parsers import expat

Value: TypeAlias = "str | tuple[Value, ...] | Mapping[str, Value]"
"""A text, the items of an rdf:Alt, rdf:Seq or rdf:Bag, or the fields of a structure."""

# Namespaces, to be followed by a property's name; prefixes are the packet's choice, such as xap: for xmp:.
EXIF: Final = "http://ns.adobe.com/exif/1.0/"
TIFF: Final = "http://ns.adobe.com/tiff/1.0/"
XMP: Final = "http://ns.adobe.com/xap/1.0/"
PHOTOSHOP: Final = "http://ns.adobe.com/photoshop/1.0/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML: Final = "http://www.w3.org/XML/1998/namespace"

# Of earlier files, and the longest parts of long packets: lists of ancestors take megabytes.
_HISTORIC: Final = ("http://ns.adobe.com/xap/1.0/mm/", PHOTOSHOP + "DocumentAncestors")

MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_ELEMENTS: Final = 20_000  # that are kept; real packets have a few hundred
_MAX_DEPTH: Final = 32
# Expat writes the whole namespace before each name, so that a long one grows a packet a thousandfold, and
# before any handler is asked. Real ones have fewer than a hundred characters.
_LONG_NAMESPACE: Final = re.compile(rb"""xmlns(?::[^\s=]*)?\s*=\s*(?:"[^"]{256}|'[^']{256})""")
_CONTAINERS: Final = frozenset(_RDF + name for name in ("Alt", "Seq", "Bag"))
_DESCRIPTION: Final = _RDF + "Description"


def read_xmp(packet: bytes | None) -> Mapping[str, Value]:
    """The properties of a packet by namespace and name in one; none if it cannot be read, never an error."""
    if not packet or len(packet) > MAX_BYTES or _LONG_NAMESPACE.search(packet.replace(b"\0", b"")):
        return {}
    reader = _Reader()
    try:
        reader.read(packet.lstrip(b" \t\r\n"))
    except _End:
        pass
    except (expat.ExpatError, _Refused, ValueError, LookupError):
        return {}
    if reader.root is None:
        return {}
    properties: dict[str, Value] = {}
    for node in reader.root.children:
        if node.name == _DESCRIPTION:
            properties = {**_fields(node), **properties}
    return properties


def text_of(value: Value | None) -> str:
    """The text of a simple property, or the first of a list's items; empty if there is none."""
    if isinstance(value, str):
        return value
    return text_of(value[0]) if isinstance(value, tuple) and value else ""


@dataclass(eq=False, slots=True)
class _Node:
    name: str
    attributes: Mapping[str, str]
    children: list[_Node] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


class _Refused(Exception):
    """More than a packet should have."""


class _End(Exception):
    """The RDF has ended; what follows it is padding."""


class _Reader:
    def __init__(self) -> None:
        self.root: _Node | None = None
        self._open: list[_Node] = []
        self._depth = 0
        self._passed_over = 0  # depth of what is passed over
        self._kept = 0

    def read(self, packet: bytes) -> None:
        # Without a mark in front, expat takes neither for what it is.
        wide = {b"<\0": "UTF-16LE", b"\0<": "UTF-16BE"}.get(packet[:2])
        parser = expat.ParserCreate(wide, namespace_separator="")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(packet, True)

    def _refuse(self, *_: object) -> None:
        raise _Refused

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused
        if self._passed_over or name.startswith(_HISTORIC):
            self._passed_over += 1
            return
        if not self._open and name != _RDF + "RDF":
            return
        self._kept += 1 + len(attributes)
        if self._kept > _MAX_ELEMENTS:
            raise _Refused
        node = _Node(name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._passed_over:
            self._passed_over -= 1
        elif self._open:
            node = self._open.pop()
            if not self._open:
                self.root = node
                raise _End

    def _characters(self, text: str) -> None:
        if self._open and not self._passed_over:
            self._open[-1].text.append(text)


def _value(node: _Node) -> Value:
    for child in node.children:
        if child.name in _CONTAINERS:
            return tuple(_value(item) for item in child.children if item.name == _RDF + "li")
        if child.name == _DESCRIPTION:
            return _unqualified(_fields(child))
    if node.children:  # a structure without a node of its own: rdf:parseType="Resource"
        return _unqualified(_fields(node))
    text = "".join(node.text).strip()
    fields = _fields(node)
    return _unqualified(fields) if fields and not text else text


def _unqualified(fields: Mapping[str, Value]) -> Value:
    """A value that has qualifiers, as the value alone."""
    return fields.get(_RDF + "value", fields)


def _fields(node: _Node) -> dict[str, Value]:
    fields: dict[str, Value] = {
        name: text.strip()
        for name, text in node.attributes.items()
        if name == _RDF + "value" or (not name.startswith((_RDF, _XML)) and not name.startswith(_HISTORIC))
    }
    for child in node.children:
        fields.setdefault(child.name, _value(child))
    return fields


def items_of(value: Value | None) -> Sequence[Value]:
    """The items of a list; a single value is a list of one, none is empty."""
    if isinstance(value, tuple):
        return value
    return () if value is None or value == "" else (value,)
