"""Where coordinates are, in words and by the clock, from data that comes as packages; nothing asks a network.

`zones` has the time zones of points and the offsets of their clocks, `towns` the places with their
coordinates, `naming` the words for them, `languages` the names that neither package has, one file per
language. `places` puts them together; that is what callers want.
"""
