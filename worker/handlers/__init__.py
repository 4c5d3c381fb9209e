"""One file per job kind, ending in HANDLER."""
