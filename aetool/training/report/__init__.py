"""report.html of a run: how its training goes, in one file without a script."""
