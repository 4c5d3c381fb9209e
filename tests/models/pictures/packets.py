"""Blocks of metadata for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "x": "adobe:ns:meta/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xap": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
}


def xmp_of(attributes: str, elements: str = "") -> bytes:
    """A packet of these attributes and elements, whose usual prefixes are bound."""
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f"<x:xmpmeta {names}><rdf:RDF>"
        f'<rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def iptc_of(datasets: Mapping[int, str]) -> bytes:
    """IIM records of these datasets of record 2."""
    return b"".join(
        b"\x1c\x02" + bytes((dataset,)) + struct.pack(">H", len(value)) + value.encode()
        for dataset, value in datasets.items()
    )
