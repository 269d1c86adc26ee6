"""Model versions: their files, their aliases, their history."""
