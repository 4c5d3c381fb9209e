"""Albums whose stories are known: what moments are measured with."""
