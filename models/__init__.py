"""Turns pixels and vectors into facts, and has never heard of Supabase."""
