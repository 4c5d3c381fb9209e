"""What scripts/run does once everything is installed: photos in, thumbnails out, on the embedded Supabase."""
