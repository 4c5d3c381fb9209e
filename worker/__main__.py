"""`python -m worker` is `kizu`."""

from worker.cli import main

main()
