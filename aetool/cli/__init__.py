"""The command line: skins over the library. Nothing heavy is imported before a command runs."""
