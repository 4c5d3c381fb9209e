"""Files in and out of Storage and the allowed hosts, within limits on bytes, time and addresses."""
