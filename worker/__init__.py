"""The pull worker: moves rows and bytes, and has never heard of a tensor."""
