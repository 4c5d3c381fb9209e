"""From the vectors of faces to people: how alike is alike, how good a face is, whose faces belong together.

Pure: numbers in, numbers out. What is said of people is kept by the database, which asks for this by verbs.
"""
