"""Why there is no picture, or no answer about one; `code` is the stable word that ends up on the job."""

from typing import ClassVar


class ImageError(Exception):
    """The bytes will never become a picture, however often one tries."""

    code: ClassVar[str]


class NotAnImage(ImageError):
    """The bytes do not claim to be a still image: they are empty, text, a web page, a video, an archive."""

    code = "not_an_image"


class UnsupportedFormat(ImageError):
    """An image of a kind no decoder here reads (vector drawings, camera raw without a preview, ...)."""

    code = "unsupported_format"


class Unreadable(ImageError):
    """The bytes claim to be an image of a known kind, but are truncated or damaged beyond decoding."""

    code = "unreadable"


class TooLarge(ImageError):
    """The image has more pixels than the limit, as its header says before anything is decoded."""

    code = "too_large"


class ModelError(Exception):
    """A model gives no answer. Made of one sentence, so that it passes between processes."""

    code: ClassVar[str]


class UnknownModel(ModelError):
    """The settings name a model that nobody knows."""

    code = "unknown_model"


class WeightsMissing(ModelError):
    """A model's files are not here and may not, or cannot, be fetched; the message says how to get them."""

    code = "weights_missing"


class BadWeights(ModelError):
    """The files of a model are damaged, or of another model, or would run code that nobody vouched for."""

    code = "bad_weights"


class LicenceRefused(ModelError):
    """The settings do not allow the licence of a model."""

    code = "licence_refused"


class PackageMissing(ModelError):
    """A library that a model needs is not installed; the message names the extra that brings it."""

    code = "package_missing"


class DeviceUnavailable(ModelError):
    """The device that models run on is not there, or its driver has failed."""

    code = "device_unavailable"


class ServerUnavailable(ModelError):
    """The server that runs a model does not answer, or not this worker."""

    code = "server_unavailable"


class OutOfMemory(ModelError):
    """The memory does not hold a model with even one input."""

    code = "out_of_memory"


class ModelFailed(ModelError):
    """A model raised an exception, or the process it ran in ended."""

    code = "model_failed"
