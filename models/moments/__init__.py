"""Moments of a library: photos, people, settings and the day in, stories worth opening out.

Pure: `finding.find_moments` is the door, and `covers.with_covers` chooses six covers once the vectors of the
moments' photos are there. `photos.py` and `moment.py` say what goes in and out. A kind of moment is one file
with one function from a `Scene` to stories, listed in `finding.KINDS`; its words are in `languages/`.
"""
