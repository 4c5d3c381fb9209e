"""Why bytes did not become a picture; `code` is the stable word that ends up on the job."""

from typing import ClassVar


class ImageError(Exception):
    """The bytes will never become a picture, however often one tries."""

    code: ClassVar[str]


class NotAnImage(ImageError):
    """Empty, text, a web page, a video, an archive: nothing that claims to be a still image."""

    code = "not_an_image"


class UnsupportedFormat(ImageError):
    """An image of a kind no decoder here reads (camera raw, vector drawings, JPEG XL, ...)."""

    code = "unsupported_format"


class Unreadable(ImageError):
    """Claims to be an image of a known kind, but is truncated or damaged beyond decoding."""

    code = "unreadable"


class TooLarge(ImageError):
    """More pixels than the limit; decided from the header, before anything is decoded."""

    code = "too_large"
