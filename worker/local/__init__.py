"""The embedded Supabase: a Postgres from PyPI and one Deno process on this machine's loopback."""
