"""The picture as models are given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from models.windows import Window

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Frame:
    """An upright sRGB picture, 8 bits per channel: `data` holds rows of R, G, B, top to bottom, unpadded.

    Nothing but bytes, so that it passes between processes and the worker needs no numpy to hold it.
    """

    width: int
    height: int
    data: bytes

    @property
    def long_side(self) -> int:
        """In pixels."""
        return max(self.width, self.height)

    @classmethod
    def of(cls, image: Image.Image) -> Frame:
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return cls(width=rgb.width, height=rgb.height, data=rgb.tobytes())

    def part(self, window: Window) -> Frame:
        """What lies in a window; the frame itself where that is all of it."""
        if (window.width, window.height) == (self.width, self.height):
            return self
        return Frame.of(self.image().crop((window.left, window.top, window.right, window.bottom)))

    def image(self) -> Image.Image:
        return Image.frombytes("RGB", (self.width, self.height), self.data)

    def array(self) -> npt.NDArray[np.uint8]:
        """The pixels as a read-only array (height, width, 3) in RGB, without a copy."""
        import numpy as np

        return np.frombuffer(self.data, np.uint8).reshape(self.height, self.width, 3)
