"""One file per word after `kizu`, ending in COMMAND; its first line is what `kizu --help` says of it."""
