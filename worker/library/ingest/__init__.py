"""Folders of photos, brought into a library.

`walking` lists folders, `looking` sees what a file is, `pairing` puts together what belongs to one photo,
`finding` does the three for all that was named; `uploading` stores files, `bringing` does everything, and
`report` says what became of each. One more kind of part is a rule in `pairing`, and a kind in `asset_parts`.
"""
