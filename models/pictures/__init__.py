"""Bytes into a picture: sniffed, decoded within limits, turned upright, in sRGB, with time and place."""
