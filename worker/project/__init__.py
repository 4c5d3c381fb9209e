"""The Supabase project over HTTPS: signing in, calling functions, reading tables, hearing of new jobs."""
