"""What a person asks for in words: dates, people, places, things, quoted text; and what is left for vectors.

Pure: text and what the library knows in, an `Understood` out. `understanding.understand` is the door;
`languages/` holds the words of each language, and every other file reads one kind of part with them.
"""
