"""One file per word after `kizu`, each a thin shell around what does the work."""
