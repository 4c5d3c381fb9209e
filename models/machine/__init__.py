"""What this machine has for models to run on (devices, memory, processor features), and quiet libraries."""
