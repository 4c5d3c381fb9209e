"""Why there is no picture, or no answer about one; `code` is the stable word that ends up on the job."""

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


class ModelError(Exception):
    """A model gives no answer. Made of one sentence, so that it passes between processes."""

    code: ClassVar[str]


class UnknownModel(ModelError):
    """The settings name a model that nobody knows."""

    code = "unknown_model"


class WeightsMissing(ModelError):
    """Its files are not here and may not, or cannot, be fetched; the message says how to get them."""

    code = "weights_missing"


class BadWeights(ModelError):
    """Its files are damaged, or of another model, or would run code that nobody vouched for."""

    code = "bad_weights"


class LicenceRefused(ModelError):
    """The settings do not allow its licence."""

    code = "licence_refused"


class PackageMissing(ModelError):
    """A library it needs is not installed; the message names the extra that brings it."""

    code = "package_missing"


class OutOfMemory(ModelError):
    """Not even one input fits."""

    code = "out_of_memory"


class ModelFailed(ModelError):
    """It raised, or the process it ran in ended."""

    code = "model_failed"
