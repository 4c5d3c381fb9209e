"""The little of the ISO media container (HEIF, AVIF) that decoders do not tell: does it turn the picture?"""

from collections.abc import Iterator

from models.pictures.orientation import AS_STORED

# irot counts quarter turns anticlockwise (ISO/IEC 23008-12, 6.5.10); these are the EXIF values that look
# the same.
_TURN_OF_QUARTERS = (AS_STORED, 8, 3, 6)


def container_turn(data: bytes) -> int | None:
    """The container's own rotation as an EXIF orientation; None if it declares no rotation or mirroring.

    A picture that is mirrored counts as AS_STORED, since decoders apply either and only the declaration
    matters then.
    """
    for kind, start, end in _boxes(data):
        if kind == b"meta":
            mirrored = data.find(b"imir", start, end) >= 0
            at = data.find(b"irot", start, end)
            if at < 0 or at + 4 >= end:
                return AS_STORED if mirrored else None
            return AS_STORED if mirrored else _TURN_OF_QUARTERS[data[at + 4] & 3]
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each top-level box."""
    at = 0
    while at + 8 <= len(data):
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + size
        if end < at + header:
            return
        yield data[at + 4 : at + 8], at + header, min(end, len(data))
        at = end
