"""Asking models for answers: batched in this process, or in the model host, a process of its own."""
